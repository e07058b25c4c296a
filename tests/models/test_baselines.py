"""The rows of HQ-UNet's table I: totals counted by hand, closed forms equal to circuits, one reference each."""

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.models import count_parameters, create_model, model_info
from hqzoo.models.fqcnn import CONTROLS as FQCNN
from hqzoo.models.mqcnn import CONTROLS as MQCNN
from hqzoo.nn.pyramid_pooling import PyramidPooling
from hqzoo.nn.quantum_windows import CosineWindows, windows
from hqzoo.quantum import QuantumLayer, circuits
from tests.fixtures.inputs import inputs_of


def build(name: str, classes: int = 5, **arguments: object) -> nn.Module:
    return create_model(name, inputs=inputs_of(3), num_classes=classes, **arguments)


@pytest.mark.parametrize(
    ("name", "classes", "arguments", "total"),
    [
        ("fqcnn", 5, {}, (3 * 64 * 9 + 64) + (64 * 5 * 4 + 5)),
        ("mqcnn", 5, {}, (128 * 9 + 128) + (128 * 5 * 4 + 5)),
        ("coqcnn", 5, {}, 3_845 + 15),
        ("cnn", 5, {}, 3_077 + 3 * 3 * 4 + 3),
        ("unet", 5, {"width": 16}, 1_942_645),
        ("unet", 5, {"width": 32}, 7_763_173),
        ("unet", 5, {}, 31_037_893),
        ("unet_spp", 5, {}, 31_037_893 + 4 * 1024 * 1024 + 1024),
        ("diresunet", 5, {}, 4_901_381),
        ("diresunet", 6, {}, 4_901_414),
        ("diresunet", 5, {"dense3": True}, 4_901_381),
    ],
)
def test_totals(name: str, classes: int, arguments: dict[str, object], total: int) -> None:
    assert count_parameters(build(name, classes, **arguments))["parameters"] == total


def test_unet_is_counted_by_hand() -> None:
    """Per level two convolutions without bias and their normalisations; up: transposed convolutions with bias."""
    levels, total, inputs = [64, 128, 256, 512, 1024], 0, 3
    for width in levels:
        total += 9 * inputs * width + 9 * width * width + 4 * width
        inputs = width
    for width in levels[-2::-1]:
        total += 4 * 2 * width * width + width + 9 * 2 * width * width + 9 * width * width + 4 * width
    assert total + 64 * 5 + 5 == 31_037_893


@pytest.mark.parametrize(("controls", "circuit"), [(FQCNN, circuits.fqcnn), (MQCNN, circuits.mqcnn)])
def test_cosines_are_what_the_circuits_compute(controls: tuple[tuple[int, ...], ...], circuit) -> None:
    pixels = torch.rand(6, len(controls), generator=torch.Generator().manual_seed(0))
    layer = QuantumLayer(circuit(), "statevector")  # with weights at random, which are inert
    nn.init.normal_(layer.weights, std=2.0)
    expected = layer(pixels)[..., 0]
    torch.testing.assert_close(CosineWindows(controls)(pixels), expected, atol=2e-6, rtol=0)


def test_cosines_are_what_pennylane_computes() -> None:
    pixels = np.random.default_rng(0).random(4)

    @qml.qnode(qml.device("default.qubit", wires=7))
    def published(weights):
        for wire in range(4):
            qml.Hadamard(wire)
        qml.RY(pixels[0], 4)
        for pixel, pair in zip(pixels[1:], ((0, 2), (1, 3), (0, 1)), strict=True):
            qml.ctrl(qml.RY(pixel, 4), pair)
        qml.Hadamard(5)
        for angles, control in zip(weights, ((4,), (4, 0), (4, 2), (4, 2, 0), (4, 5), (4, 5, 0)), strict=False):
            qml.ctrl(qml.U3(*angles, 6), control)
        return qml.expval(qml.Z(4))

    expected = published(np.random.default_rng(1).normal(size=(8, 3)))
    found = CosineWindows(FQCNN)(torch.tensor(pixels, dtype=torch.float32))
    assert float(found) == pytest.approx(float(expected), abs=1e-6)


def test_windows_hold_pixels_row_by_row() -> None:
    image = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    found = windows(image)
    assert found.shape == (2, 3, 2, 3, 4)
    assert found[1, 2, 1, 2].tolist() == [image[1, 2, y, x].item() for y in (2, 3) for x in (4, 5)]


def test_a_map_is_one_filter_after_another() -> None:
    """The model's map of a window is the circuit's output of its pixels as shares of full scale."""
    model, inputs = build("coqcnn"), inputs_of(3)
    raw = torch.randint(0, 256, (1, 3, 4, 4), generator=torch.Generator().manual_seed(0)).float()
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (inputs.statistics["image"].mean,
                                                               inputs.statistics["image"].std))  # fmt: skip
    seen = {}
    model.core.register_forward_hook(lambda _, given, out: seen.update(data=given[0], out=out))
    model((raw - mean) / std)
    window = raw[0, :, 2:4, 0:2].flatten(1) / 255
    torch.testing.assert_close(seen["data"][0, 1, 0], window.flatten())
    expected = QuantumLayer(circuits.coqcnn(), "statevector")
    expected.load_state_dict(model.core.state_dict())
    torch.testing.assert_close(seen["out"][0, 1, 0], expected(window.flatten()))


def test_published_coqcnn_trains_no_circuit() -> None:
    model = build("coqcnn", control="frozen")
    assert not model.core.weights.requires_grad
    assert model.core.weights.std() > 0.5  # normal, as published


def test_pyramid_pooling_takes_the_largest_nearby() -> None:
    block, features = PyramidPooling(2), torch.randn(1, 2, 16, 16)
    joined = {}
    block.join.register_forward_hook(lambda _, given, __: joined.update(map=given[0]))
    assert block(features).shape == features.shape
    for place, side in enumerate((1, 5, 9, 13)):
        y, x = 7, 3
        rows, columns = slice(max(0, y - side // 2), y + side // 2 + 1), slice(max(0, x - side // 2), x + side // 2 + 1)
        largest = features[0, :, rows, columns].amax((1, 2))
        torch.testing.assert_close(joined["map"][0, 2 * place : 2 * place + 2, y, x], largest)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match="no encoder 'resnet_18'"):
        build("fpn", encoder="resnet_18")
    with pytest.raises(ConfigError, match="needs the bands red, green, blue; the images have red"):
        create_model("mqcnn", inputs=inputs_of(1), num_classes=2)
    assert "two images" in model_info("deeplabv3plus").limits["single_image"]
