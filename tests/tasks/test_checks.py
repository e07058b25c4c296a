import pytest
import torch

from hqzoo.data import Sensor, Targets
from hqzoo.errors import ConfigError, DataError, SensorError
from hqzoo.tasks.checks import check_image, check_labels, check_sensors, check_targets

RGB = Sensor(("red", "green", "blue"))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Sensor(("red", "green", "nir")), "The bands differ"),
        (Sensor(("blue", "green", "red")), "order of the bands"),
        (Sensor(("red", "green", "blue"), unit="reflectance x 1e4"), "units differ"),
        (Sensor(("red", "green", "blue"), scale=65535.0), "full scales differ"),
        (Sensor(("red", "green", "blue"), offset=1000.0), "offsets differ"),
    ],
)
def test_every_difference_of_sensors_is_named(other, message):
    with pytest.raises(SensorError, match=f"{message}.*the model's first, then the data's"):
        check_sensors({"image": RGB}, {"image": other})


def test_the_same_sensor_passes():
    check_sensors({"image": RGB}, {"image": Sensor.from_dict(RGB.to_dict())})


def test_processing_levels_count_where_both_are_stated():
    a, b = (Sensor(RGB.bands, level=level, gsd=10.0) for level in ("L1C", "L2A"))
    check_sensors({"s2": RGB}, {"s2": a})
    with pytest.raises(SensorError, match="L1C against L2A"):
        check_sensors({"s2": a}, {"s2": b})


def test_data_of_other_sensors_are_refused_by_name():
    with pytest.raises(SensorError, match="images of s2, s1; the data has image"):
        check_sensors({"s2": RGB, "s1": RGB}, {"image": RGB})


def test_classes_are_compared_by_name_and_order():
    check_targets(None, Targets("mask", ("a", "b")), ("mask",), "Task")
    check_targets(Targets("mask", ("a", "b")), Targets("mask", ("a", "b")), ("mask",), "Task")
    with pytest.raises(ConfigError, match="knows the classes a, b; the data has b, a"):
        check_targets(Targets("mask", ("a", "b")), Targets("mask", ("b", "a")), ("mask",), "Task")
    with pytest.raises(ConfigError, match=r"Task needs a class per image.*the data has a class per pixel"):
        check_targets(None, Targets("mask", ("a", "b")), ("label",), "Task")


def test_pixels_are_looked_at_only_when_asked():
    image = torch.full((1, 3, 4, 4), torch.nan)
    check_image(image, RGB, values=False)
    with pytest.raises(SensorError, match="16 in red, 16 in green, 16 in blue"):
        check_image(image, RGB, values=True)


def test_infinities_that_cancel_are_found():
    image = torch.zeros(1, 3, 4, 4)
    image[0, 1, 0, 0], image[0, 1, 0, 1] = torch.inf, -torch.inf
    with pytest.raises(SensorError, match="2 in green"):
        check_image(image, RGB, values=True)


def test_unknown_labels_are_listed_once_and_sorted():
    mask = torch.tensor([[0, 9, 2], [255, 9, -3]])
    with pytest.raises(DataError, match=r"holds \[-3, 9\]; expected class indices 0 to 2"):
        check_labels(mask, 3, 255)
    check_labels(mask.clamp(0, 2), 3, 255)
