"""HQF-Net: totals by hand, the rows of its ablation, what is refused, and that it learns."""

import math

import pytest
import torch
from torch import nn

from hqzoo.data import Sensor, Statistics, Targets
from hqzoo.errors import CircuitError, ConfigError
from hqzoo.models import count_parameters, create_model, model_info
from hqzoo.nn import CONTROLS
from hqzoo.nn.controls import Constant, Mlp
from hqzoo.quantum import QuantumLayer
from hqzoo.tasks import SegmentationTask
from tests.fixtures.inputs import inputs_of
from tests.fixtures.tasks import KNOWN, SquaresDataModule, raw_batch, tiny_trainer

DINO = {"backbone": "vit_small_patch16_dinov3", "backbone_args": {"embed_dim": 32, "depth": 4, "num_heads": 2}}
TINY = {"width": 4, "fusion_dim": 16, "fusion_heads": 2, **DINO}
ROWS = {
    "multiplication": {"fusion": "multiply", "qskip": False, "qmoe": False},
    "addition": {"fusion": "add", "qskip": False, "qmoe": False},
    "dmcaf": {"qskip": False, "qmoe": False},
    "dmcaf, qskip": {"qmoe": False},
    "dmcaf, qmoe": {"qskip": False},
    "full": {},
    "u-net": {"fusion": "none", "qskip": False, "qmoe": False},
    "no backbone": {"fusion": "none"},
    "one expert": {"experts": ("diagonal",)},
    "uniform router": {"router": "uniform"},
    "permuted router": {"router": "permuted"},
    "gate": {"qskip_mode": "gate"},
    "standard convolutions": {"conv": "standard"},
    "convolutional backbone": {"backbone": "test_resnet", "backbone_args": None},
    "open edges": {"periodic": False},
}


def build(**arguments):
    torch.manual_seed(0)
    return create_model("hqf_net", inputs=inputs_of(), num_classes=5, **{**TINY, **arguments})


def by_hand(b, row, dino=1024, classes=5):
    """Trainable weights of a row, block by block, from the specification of the layers alone."""
    C = [b, 2 * b, 4 * b, 8 * b, 16 * b]

    def double(inputs, outputs):  # two separable convolutions: 9 i + i o + 2 o, then the same with o
        return 9 * inputs + inputs * outputs + 2 * outputs + 9 * outputs + outputs**2 + 2 * outputs

    encoder = double(3, b) + sum(double(C[k], C[k + 1]) for k in range(4))
    decoder = sum(4 * C[k + 1] * C[k] + C[k] + double(C[k + 1], C[k]) for k in range(4))
    head = b * classes + classes
    fusion = 0
    if row["fusion"] == "dmcaf":
        project = 4 * (dino * 256 + 256 + 512)
        feed_forward = sum(2 * c * (c // 4) + 11 * (c // 4) + c for c in C[1:])
        fusion = project + sum(2 * 256 * c + 256 + 512 + 256 + 230_272 + c + c + 2 * c for c in C[1:]) + feed_forward
    elif row["fusion"] in ("add", "multiply"):
        fusion = sum(dino * c + c + 2 * c for c in C[1:])
    skips = sum((8 * c + 8) + 16 + (8 * c + c) + c for c in C[:4]) if row["qskip"] else 0
    deep = C[4]
    mixture = (3 * deep + 3) + 24 + (64 * deep + 64 + 195) + 33 * 16 * deep + (deep**2 + deep) + deep
    bottleneck = mixture if row["qmoe"] else double(deep, deep)
    return encoder + decoder + head + fusion + skips + bottleneck


@pytest.mark.parametrize(
    ("width", "row", "total"),
    [
        (16, "multiplication", 1_016_288),
        (16, "addition", 1_016_288),
        (16, "dmcaf", 2_793_160),
        (16, "dmcaf, qskip", 2_797_576),
        (16, "dmcaf, qmoe", 2_875_110),
        (16, "full", 2_879_526),
        (64, "multiplication", 10_080_032),
        (64, "addition", 10_080_032),
        (64, "dmcaf", 11_779_264),
        (64, "dmcaf, qskip", 11_796_640),
        (64, "dmcaf, qmoe", 11_319_774),
        (64, "full", 11_337_150),
    ],
)
def test_totals_of_the_ablation_by_hand(width, row, total):
    """With maps of DINOv3 ViT-L, 1024 channels; the backbone itself is counted apart."""
    assert by_hand(width, {"fusion": "dmcaf", "qskip": True, "qmoe": True, **ROWS[row]}) == total
    wide = {"backbone_args": {"embed_dim": 1024, "depth": 4, "num_heads": 2, "mlp_ratio": 0.01}}
    counts = count_parameters(build(**wide, width=width, fusion_dim=256, fusion_heads=8, **ROWS[row]))
    assert counts["trainable_parameters"] == total


@pytest.mark.parametrize("row", ROWS)
def test_every_row_trains_all_its_weights(row):
    """No parameter is left without a gradient, which would stop training on several processes."""
    model = build(**ROWS[row]).train()
    for layer in model.modules():  # published starting values are zero, and let nothing through
        if isinstance(layer, nn.Linear) and not layer.weight.any():
            nn.init.normal_(layer.weight, std=0.1)
    logits = model(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 5, 64, 64)
    logits.square().mean().backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all(name.startswith("backbone.net.") for name, p in model.named_parameters() if not p.requires_grad)
    assert [name for name, p in trained.items() if p.grad is None or not p.grad.abs().max() > 0] == []


def test_without_skips_and_mixture_nothing_else_changes():
    """ "+ DMCAF + QSkip" is "+ DMCAF" with skips that add what their weights let through."""
    with_skips, without = build(qmoe=False, gamma=0.0).eval(), build(qskip=False, qmoe=False, gamma=0.0).eval()
    without.load_state_dict({k: v for k, v in with_skips.state_dict().items() if not k.startswith("qskip.")})
    image = torch.randn(1, 3, 32, 48)
    torch.testing.assert_close(with_skips(image), without(image))


def test_quantum_parts_and_how_often_they_run():
    model = build()
    names = [f"qskip.{level}.core" for level in range(4)]
    names += [f"qmoe.{name}_expert" for name in ("local", "global", "diagonal")]
    parts = model.quantum_parts()
    assert list(parts) == names
    assert all(model.get_submodule(name) is part for name, part in parts.items())
    assert model.circuit_evaluations(64, 128) == 64 + 64 + 64 + 64 + 3
    assert model.circuit_evaluations(32, 32) == 64 + 64 + 64 + 16 + 3
    assert build(control="constant").circuit_evaluations(32, 32) == 0
    assert set(model.compared_parts()) == {"core", "qskip", "qmoe"}
    assert set(build(qskip=False).compared_parts()) == {"core", "qmoe"}
    assert build(qskip=False, qmoe=False).compared_parts() == {}
    assert build(qskip=False, qmoe=False).circuit_evaluations(32, 32) == 0


def test_a_control_by_part():
    model = build(control={"qskip": "mlp", "qmoe": "constant"})
    kinds = {name: type(part) for name, part in model.quantum_parts().items()}
    assert [kinds[f"qskip.{level}.core"] for level in range(4)] == [Mlp] * 4
    assert [kinds[f"qmoe.{name}_expert"] for name in ("local", "global", "diagonal")] == [Constant] * 3
    one = build(control={"qmoe.local_expert": "separable"}).quantum_parts()
    assert all(isinstance(part, QuantumLayer) for part in one.values())
    with pytest.raises(ConfigError, match=r"Unknown quantum part 'qmo'\. Did you mean 'qmoe"):
        build(control={"qmo": "mlp"})


def test_the_mlps_match_the_whole_model_in_size():
    def trained(control):
        return count_parameters(build(width=8, control=control))["trainable_parameters"]

    quantum, mlp = trained("quantum"), trained("mlp")
    assert mlp <= 1.01 * quantum < mlp + 4 * 17 + 3 * 81  # one more hidden unit in all would not fit


def test_the_backbone_stays_out_of_checkpoints_and_runs_once():
    task = SegmentationTask("hqf_net", TINY, **KNOWN)
    assert not any(".backbone.net." in key for key in task.state_dict())
    assert "model.backbone.net" in task.description()["frozen"]
    calls = []
    task.model.backbone.net.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    task(raw_batch()["image"]).sum().backward()
    assert len(calls) == 1
    assert all(p.grad is None for p in task.model.backbone.parameters())


def test_a_test_reports_shares_and_similarity_of_the_experts(tmp_path):
    torch.manual_seed(0)
    task = SegmentationTask("hqf_net", TINY)
    trainer = tiny_trainer(tmp_path, limit_train_batches=1)
    data = SquaresDataModule()
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    watched = task.report().details["watched"]
    assert watched["images"] > 2
    assert set(watched["experts"]) == {"local", "global", "diagonal"}
    assert sum(each["share"] for each in watched["experts"].values()) == pytest.approx(1)
    assert set(watched["cka"]) == {"local, global", "local, diagonal", "global, diagonal"}
    assert all(0 <= value <= 1 + 1e-6 for value in watched["cka"].values())
    assert not task.model.qmoe.router._forward_hooks


def test_it_learns_two_samples_by_heart():
    torch.manual_seed(0)
    task = SegmentationTask("hqf_net", {**TINY, "width": 8}, **KNOWN).train()
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=1e-2)
    batch = raw_batch()
    for _ in range(150):
        optimizer.zero_grad()
        loss = task.compute_loss(batch)
        loss.backward()
        optimizer.step()
        if loss < 0.1:
            break
    assert loss < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fusion": "sum"}, "fusion='sum' is not one of dmcaf, add, multiply, none"),
        ({"experts": ("local", "local")}, "each of them at most once"),
        ({"experts": ()}, "at least one expert"),
        ({"control": "mlp", "qskip": False, "qmoe": False}, "leave no circuit"),
        ({"control": "identity"}, "48 and 32"),
        ({"conv": "dense"}, "conv='dense'"),
        ({"fusion_dim": 20, "fusion_heads": 3}, "dim=20, heads=3"),
        ({"backbone_bands": ("red", "green", "nir")}, "needs the bands red, green, nir"),
        ({"backbone_sha256": "0000"}, "have the digest"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build(**arguments)


def test_wrong_circuits_and_sizes_are_named():
    with pytest.raises(CircuitError, match=r"Unknown expert 'globl'\. Did you mean 'global'"):
        build(experts=("globl",))
    with pytest.raises(ConfigError, match="patch of 16 pixels divides; got 40x32"):
        build()(torch.randn(1, 3, 40, 32))
    with pytest.raises(ConfigError, match=r"sides 16 divides.*got 40x32.*48x32"):
        build(fusion="none")(torch.randn(1, 3, 40, 32))
    other = build(backbone="vit_small_patch14_dinov2")
    assert other.size_multiple == (112, 112)
    with pytest.raises(ConfigError, match=r"sides 112 divides.*got 128x112|patch of 14 pixels"):
        other(torch.randn(1, 3, 128, 112))
    with pytest.raises(ConfigError, match="needs inputs"):
        create_model("hqf_net", in_channels=3, num_classes=5)


def test_the_card():
    info = model_info("hqf_net")
    assert info.qubits == 16
    assert info.quantum_parameters == 4 * 16 + 3 * 8
    assert set(info.controls) == set(CONTROLS) - {"identity"}
    assert math.isclose(info.parameters, 303_079_424 + 11_337_150)


def test_other_sensors_reach_the_u_net_whole_and_the_backbone_in_its_bands():
    sensor = Sensor(("nir", "blue", "green", "red", "swir"), unit="reflectance x 1e4", scale=10_000.0)
    statistics = Statistics((900.0,) * 5, (300.0,) * 5)
    known = {"sensors": {"image": sensor}, "statistics": {"image": statistics}}
    task = SegmentationTask("hqf_net", TINY, targets=Targets("mask", ("a", "b", "c")), **known).eval()
    assert task.model.encoder.stem[0].in_channels == 5
    assert task(1000 * torch.rand(1, 5, 32, 32)).shape == (1, 3, 32, 32)
