"""Qu-Net: published totals, placements, sizes."""

import re

import pytest
import torch

from hqzoo.errors import ConfigError
from hqzoo.models import count_parameters, create_model, model_info
from hqzoo.nn import CONTROLS, QuFeX
from hqzoo.quantum import QuantumLayer

ISBI = {"in_channels": 1, "filters": (8, 16, 32, 64, 8), "patch": (3, 4), "n_filters": 2}


def qu_net(in_channels=3, num_classes=1, **arguments):
    return create_model("qu_net", in_channels=in_channels, num_classes=num_classes, **arguments)


def parameters(model) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        ({"control": "conv"}, 85_889),
        ({}, 84_149),
        ({"patch": (3, 2)}, 84_149),
        ({"patch": (3, 4)}, 84_149),
        ({"maps": 2}, 84_149),
        ({"n_filters": 2}, 84_729),
        ({"n_filters": 2, "maps": 2}, 84_729),
        ({"filters": (8, 16, 32, 16, 9), "maps": 3}, 85_207),
        (ISBI, 257_625),
        ({**ISBI, "control": "zero"}, 257_617),
        ({"in_channels": 1, "filters": (8, 16, 32, 64, 128), "control": "conv"}, 1_572_905),
    ],
    ids=str,
)
def test_totals_are_those_that_the_authors_print(arguments, total):
    assert parameters(qu_net(**arguments)) == total


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ({}, 96),
        ({"n_filters": 2}, 192),
        ({"maps": 2}, 48),
        ({"patch": (3, 4)}, 32),  # specs, section 6: 8 groups x 4 patches
        ({"placement": "skip"}, 4 * 96),
        ({"placement": "both"}, 5 * 96),
        ({"control": "conv"}, 0),
        ({"control": "mlp"}, 0),
        ({"control": "frozen"}, 96),
    ],
    ids=str,
)
def test_circuit_evaluations_of_a_ph2_image(arguments, runs):
    model, seen = qu_net(**arguments), []
    for layer in (module for module in model.modules() if isinstance(module, QuantumLayer)):
        layer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[:-1].numel()))
    with torch.no_grad():
        assert model(torch.rand(1, 3, 192, 256)).shape == (1, 1, 192, 256)
    assert model.circuit_evaluations(192, 256) == sum(seen) == runs


def test_shape_of_the_published_bottleneck():
    model, seen = qu_net(n_filters=2), []
    model.bottleneck.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0].shape, output.shape)))
    with torch.no_grad():
        model(torch.rand(1, 3, 192, 256))
    assert seen == [((1, 8, 6, 8), (1, 16, 6, 8))]


@pytest.mark.parametrize(
    ("arguments", "multiple"),
    [
        ({}, (64, 64)),
        ({"patch": (3, 4)}, (96, 128)),
        ({"patch": (3, 2), "placement": "both"}, (96, 64)),
        ({"patch": (3, 4), "placement": "skip"}, (96, 64)),  # 16 x 3 pixels, and 32 for the poolings
        ({"placement": "skip"}, (32, 32)),
        ({"control": "conv", "patch": (3, 4)}, (32, 32)),
        ({"filters": (4, 8)}, (8, 8)),
    ],
    ids=str,
)
def test_multiples_are_the_smallest_sizes_that_work(arguments, multiple):
    model = qu_net(**arguments)
    assert model.size_multiple == multiple
    rows, columns = multiple
    with torch.no_grad():
        assert model(torch.rand(1, 3, rows, columns)).shape == (1, 1, rows, columns)
        assert model(torch.rand(1, 3, 2 * rows, columns)).shape == (1, 1, 2 * rows, columns)
    for size in ((rows // 2, columns), (rows, columns // 2), (rows + 1, columns)):
        with pytest.raises(
            ConfigError,
            match=rf"height that {rows} divides .* width that {columns} divides.*got {size[0]}x{size[1]}\. Resize",
        ):
            model(torch.rand(1, 3, *size))


def test_error_names_a_size_that_works():
    model = qu_net(patch=(3, 4))
    with pytest.raises(ConfigError, match="pad to 192x256"):
        model.circuit_evaluations(100, 200)
    assert model.circuit_evaluations(192, 256) > 0


def copied_where_both_have_it(target, source):
    target.load_state_dict({**target.state_dict(), **source.state_dict()})


def test_nothing_on_the_skip_is_the_u_net():
    unet = qu_net(control="conv", filters=(4, 8))
    skip = qu_net(placement="skip", control="zero", filters=(4, 8))
    copied_where_both_have_it(skip, unet)
    image = torch.rand(2, 3, 16, 24)
    assert torch.equal(skip(image), unet(image))


def test_skip_filters_what_the_decoder_sees_and_not_the_bottleneck():
    unet = qu_net(control="conv", filters=(4, 8))
    skip = qu_net(placement="skip", filters=(4, 8))
    copied_where_both_have_it(skip, unet)
    image, seen = torch.rand(2, 3, 16, 24), {}
    for name, model in (("unet", unet), ("skip", skip)):
        model.decoder.register_forward_pre_hook(lambda module, inputs, name=name: seen.update({name: inputs}))
        model(image)
    (deepest, skips), (expected_deepest, expected_skips) = seen["skip"], seen["unet"]
    assert torch.equal(deepest, expected_deepest)
    assert torch.equal(skips[0], expected_skips[0])
    assert torch.equal(skips[1], skip.skip(expected_skips[1]))
    assert not torch.allclose(skips[1], expected_skips[1], atol=1e-2)


@pytest.mark.parametrize("placement", ["bottleneck", "skip", "both"])
@pytest.mark.parametrize("n_filters", [1, 2])
def test_mlp_is_the_widest_within_one_percent_of_the_model(placement, n_filters):
    quantum = qu_net(placement=placement, n_filters=n_filters)
    mlp = qu_net(placement=placement, n_filters=n_filters, control="mlp")
    cores = len(mlp.compared_parts()["core"])
    assert cores == n_filters * (2 if placement == "both" else 1)
    assert parameters(mlp) <= 1.01 * parameters(quantum)
    assert parameters(mlp) + cores * (4 + 1 + 4 + 1) > 1.01 * parameters(quantum)


def test_controls_start_from_the_same_u_net():
    """The same seed gives all controls the same classical weights, so that seeds can be compared in pairs."""
    states = []
    for control in ("quantum", "zero", "mlp", "separable"):
        torch.manual_seed(7)
        model = qu_net(control=control)
        states.append({k: v for k, v in model.state_dict().items() if not k.startswith("bottleneck.")})
    for other in states[1:]:
        assert other.keys() == states[0].keys()
        assert all(torch.equal(other[k], states[0][k]) for k in other)


def test_counts_that_tables_print():
    counts = count_parameters(qu_net(n_filters=2, placement="both"))
    assert counts["quantum_parameters"] == 16
    assert counts["replaced"] == {"core": 16, "bottleneck": 8, "skip": 8}
    assert count_parameters(qu_net(control="conv"))["replaced"] == {"core": 1168, "bottleneck": 1168}
    assert count_parameters(qu_net(placement="skip"))["replaced"] == {"core": 4, "skip": 4}


def test_options_reach_the_filters():
    model = qu_net(placement="both", n_layers=2, residual_weight=0.25, squash="tanh", maps=2)
    blocks = [module for module in model.modules() if isinstance(module, QuFeX)]
    assert [(b.residual_weight, b.squash, b.maps, b.n_qubits) for b in blocks] == [(0.25, "tanh", 2, 8)] * 2
    assert all(block.cores[0].weights.numel() == 8 for block in blocks)
    assert all(block.cores[0].weights.abs().max() <= 1.5**0.5 for block in blocks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filter": 8}, "no argument 'filter'. Did you mean 'filters'"),
        ({"filters": ()}, r"filters=\(\): give the channels"),
        ({"filters": 8}, "filters=8: give the channels"),
        ({"filters": (8, 0)}, r"filters=\(8, 0\)"),
        ({"patch": 2}, "patch=2: give its height and width"),
        ({"maps": 3}, "maps=3 does not divide 8 channels"),
        ({"placement": "decoder"}, "placement='decoder' is not one of bottleneck, skip, both"),
        ({"control": "double_conv"}, "Unknown control of 'qu_net' 'double_conv'. Did you mean 'conv'"),
        ({"n_filters": 0}, "n_filters=0"),
        ({"squash": "sigmoid"}, "squash='sigmoid'"),
        ({"control": "mlp_time"}, "control_hidden"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        qu_net(**arguments)


def test_card():
    info = model_info("qu_net")
    assert "2501.13165" in info.paper
    assert info.controls == (*CONTROLS, "conv")
    assert info.qubits == qu_net().bottleneck.n_qubits


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch": (5, 4)}, r"320x256, or choose a patch that divides the map of 6x8: .*\(3, 4\)"),
        ({"patch": (3, 3), "maps": 2}, r"192x288, or choose a patch that divides the map of 6x8: .*\(2, 4\)"),
        ({"patch": (5, 4), "placement": "skip"}, r"divides the map of 12x16: .*\(6, 4\)"),
    ],
    ids=str,
)
def test_error_names_patches_that_work(arguments, message):
    model = qu_net(**arguments)
    with pytest.raises(ConfigError, match=message) as error:
        model.circuit_evaluations(192, 256)
    for rows, columns in re.findall(r"\((\d+), (\d+)\)", str(error.value)):
        assert (
            qu_net(**{**arguments, "patch": (int(rows), int(columns)), "control": "zero"}).circuit_evaluations(192, 256)
            == 0
        )


def test_no_patch_is_named_where_poolings_do_not_fit():
    with pytest.raises(ConfigError, match=r"192x256\.$"):
        qu_net().circuit_evaluations(190, 256)
    with pytest.raises(ConfigError, match=r"192x256\.$"):
        qu_net(control="conv").circuit_evaluations(190, 256)
