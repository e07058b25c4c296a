import pytest
import torch

from hqzoo.data import Sensor
from hqzoo.errors import ConfigError, DataError, SensorError
from hqzoo.tasks.checks import check_classes, check_image, check_labels, check_sensor

RGB = Sensor(("red", "green", "blue"))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Sensor(("red", "green", "nir")), "The bands differ"),
        (Sensor(("blue", "green", "red")), "order of the bands"),
        (Sensor(("red", "green", "blue"), unit="reflectance x 1e4"), "units differ"),
        (Sensor(("red", "green", "blue"), scale=65535.0), "full scales differ"),
    ],
)
def test_every_difference_of_sensors_is_named(other, message):
    with pytest.raises(SensorError, match=f"{message}.*the model's first, then the data's"):
        check_sensor(RGB, other)


def test_the_same_sensor_passes():
    check_sensor(RGB, Sensor.from_dict(RGB.to_dict()))


def test_classes_are_compared_by_name_and_order():
    check_classes(["a", "b"], ("a", "b"))
    with pytest.raises(ConfigError, match="knows the classes a, b; the data has b, a"):
        check_classes(("a", "b"), ("b", "a"))


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
