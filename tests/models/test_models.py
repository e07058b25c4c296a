"""The registry and its cards; HQ-UNet's totals, ablations and errors. See test_every_model for what all promise."""

import pytest
import torch

from hqzoo.errors import CircuitError, ConfigError
from hqzoo.models import check_arguments, count_parameters, create_model, list_models, model_info, register_model
from hqzoo.quantum import QuantumLayer
from tests.fixtures.inputs import inputs_of


def zoo() -> list[str]:
    """Return the architectures of hqzoo itself; other tests register toys."""
    return [name for name in list_models() if model_info(name).build.__module__.startswith("hqzoo.")]


def parameters(model) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("width", "total"), [(8, 371_515), (16, 928_075), (32, 2_596_459), (64, 8_154_283)])
def test_published_layout_has_the_counted_totals(width, total):
    model = create_model("hq_unet", in_channels=3, num_classes=5, width=width)
    assert parameters(model) == total
    assert sum(p.numel() for m in model.modules() if isinstance(m, QuantumLayer) for p in m.parameters()) == 8


def test_sizes_of_the_bottlenecks_that_are_compared():
    """specs: 270,731 against 35,584 parameters at width 8, 541,451 against 136,704 at width 16."""
    for width, quantum, classical in ((8, 270_731, 35_584), (16, 541_451, 136_704)):
        assert parameters(create_model("hq_unet", in_channels=3, num_classes=5, width=width).bottleneck) == quantum
        twin = create_model("hq_unet", in_channels=3, num_classes=5, width=width, control="double_conv")
        assert parameters(twin.bottleneck) == classical


def test_mlp_is_the_widest_within_one_percent():
    for width in (8, 16, 32):
        quantum = parameters(create_model("hq_unet", in_channels=3, num_classes=5, width=width))
        mlp = create_model("hq_unet", in_channels=3, num_classes=5, width=width, control="mlp")
        assert parameters(mlp) <= 1.01 * quantum
        assert parameters(mlp) + 48 + 32 + 1 > 1.01 * quantum  # one more hidden unit would not fit


def test_separable_has_the_same_circuit_without_entanglers():
    quantum = create_model("hq_unet", in_channels=3, num_classes=5, width=4).bottleneck.core.circuit
    separable = create_model(
        "hq_unet", in_channels=3, num_classes=5, width=4, control="separable"
    ).bottleneck.core.circuit
    assert [g for g in quantum.gates if len(g.support) == 1] == list(separable.gates)


@pytest.mark.parametrize(
    "arguments",
    [
        {"encoding": "ry"}, {"encoding": "ry_rz"}, {"readout": "z"}, {"readout": "x"}, {"passes": "row"},
        {"passes": "col"}, {"grid": 2, "n_layers": 2}, {"grid": 6}, {"periodic": True}, {"angle_scale": 3.14159},
        {"post": "linear_4x4_upsample"}, {"residual": True}, {"pool_only": True}, {"bn_between": True},
    ],
    ids=str,
)  # fmt: skip
def test_announced_ablations_run_forward_and_backward(arguments):
    model = create_model("hq_unet", in_channels=3, num_classes=5, width=4, **arguments)
    model(torch.randn(1, 3, 128, 128)).sum().backward()
    assert model.bottleneck.core.weights.grad.abs().sum() > 0


def test_other_patch_sizes():
    model = create_model("hq_unet", in_channels=1, num_classes=2, width=4, input_size=64)
    assert model(torch.randn(1, 1, 64, 64)).shape == (1, 2, 64, 64)
    with pytest.raises(ConfigError, match=r"takes 64x64 patches.*got 96x64.*hqzoo map"):
        model(torch.randn(1, 1, 96, 64))
    assert model.circuit_evaluations(64, 64) == 1
    twin = create_model("hq_unet", in_channels=1, num_classes=2, width=4, control="double_conv")
    assert twin.circuit_evaluations(96, 64) == 0
    assert twin(torch.randn(1, 1, 96, 64)).shape == (1, 2, 96, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widht": 8}, "no argument 'widht'. Did you mean 'width'"),
        ({"control": "quantom"}, "Unknown control of 'hq_unet' 'quantom'. Did you mean 'quantum'"),
        ({"control": "identity"}, "48 and 32"),
        ({"control": "mlp_time"}, "control_hidden"),
        ({"control": "mlp", "control_hidden": 4}, "control_hidden"),
        ({"input_size": 100}, "multiple of 16"),
        ({"post": "conv"}, "post='conv'"),
        ({"pool_only": True, "residual": True}, "residual=True cannot"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        create_model("hq_unet", in_channels=3, num_classes=5, **arguments)


def test_wrong_names_are_named():
    with pytest.raises(ConfigError, match=r"Unknown architecture 'hqunet'\. Did you mean 'hq_unet'"):
        create_model("hqunet", in_channels=3, num_classes=5)
    with pytest.raises(CircuitError, match="encoding='rz'"):
        create_model("hq_unet", in_channels=3, num_classes=5, encoding="rz")
    with pytest.raises(ConfigError, match="in_channels=0"):
        create_model("hq_unet", in_channels=0, num_classes=5)
    check_arguments("hq_unet", {"width": 8})


def test_two_architectures_of_one_name_are_refused():
    def hq_unet(in_channels, num_classes):
        """A name that is taken."""

    assert "hq_unet" in list_models()
    with pytest.raises(ConfigError, match=r"two architectures 'hq_unet', in hqzoo\.models\.hq_unet and tests"):
        register_model(summary="", parameters=0)(hq_unet)
    assert model_info("hq_unet").build is not hq_unet


def test_cards_say_what_is_true():
    for name in zoo():
        if model_info(name).kind == "pretraining":  # takes several sensors: tested beside its task
            continue
        info, counts = model_info(name), count_parameters(create_model(name, inputs=inputs_of(), num_classes=5))
        assert (info.parameters, info.quantum_parameters) == (counts["parameters"], counts["quantum_parameters"])
    info = model_info("hq_unet")
    model = create_model("hq_unet", in_channels=3, num_classes=5, width=4)
    assert info.qubits == model.bottleneck.core.circuit.n_wires
    assert "fixed size" in info.limits["any_size"]
    assert {"quantum", "zero", "double_conv"} <= set(info.controls)
    assert "identity" not in info.controls  # 48 inputs, 32 outputs
    assert "2604.27206" in info.paper


def test_counts_that_tables_print():
    counts = count_parameters(create_model("hq_unet", in_channels=3, num_classes=5, width=16))
    assert counts["parameters"] == counts["trainable_parameters"] == 928_075
    assert counts["quantum_parameters"] == 8
    assert counts["replaced"] == {"core": 8, "bottleneck": 541_451}
    frozen = count_parameters(create_model("hq_unet", in_channels=3, num_classes=5, width=16, control="frozen"))
    assert (frozen["quantum_parameters"], frozen["replaced"]["core"]) == (8, 0)
    twin = count_parameters(create_model("hq_unet", in_channels=3, num_classes=5, width=16, control="double_conv"))
    assert twin["replaced"] == {"core": 136_704, "bottleneck": 136_704}
    assert count_parameters(create_model("smp_unet", in_channels=3, num_classes=5))["replaced"] == {}
