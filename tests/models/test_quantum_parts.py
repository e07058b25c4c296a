"""Which parts of an architecture are quantum, and controls that replace one of them or all."""

import pytest
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.models.hq_unet import hq_unet
from hqzoo.models.qu_net import qu_net
from hqzoo.nn import CONTROLS
from hqzoo.nn.controls import Constant, Mlp
from hqzoo.quantum import QuantumLayer

HQ_UNET = {"width": 4, "input_size": 32}
BOTH = {"filters": (8, 12, 8), "n_filters": 2, "placement": "both"}
PARTS = ["bottleneck.cores.0", "bottleneck.cores.1", "skip.cores.0", "skip.cores.1"]


def kinds(model):
    return [type(part) for part in model.quantum_parts().values()]


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda control, hidden: hq_unet(control=control, control_hidden=hidden, **HQ_UNET), ["bottleneck.core"]),
        (lambda control, hidden: qu_net(control=control, control_hidden=hidden, **BOTH), PARTS),
    ],
    ids=["hq_unet", "qu_net"],
)
@pytest.mark.filterwarnings("ignore:.*change no output")
def test_parts_are_named_as_modules_are_and_hold_what_stands_there(build, names):
    for control in CONTROLS:
        if control == "identity" and len(names) == 1:
            continue
        model = build(control, 3 if control == "mlp_time" else None)
        parts = model.quantum_parts()
        assert list(parts) == names
        assert all(model.get_submodule(name) is part for name, part in parts.items())
        quantum = control in ("quantum", "frozen", "separable")
        assert all(isinstance(part, QuantumLayer) == quantum for part in parts.values())


def test_models_without_a_quantum_block_have_no_quantum_parts():
    assert hq_unet(control="double_conv", **HQ_UNET).quantum_parts() == {}
    assert qu_net(control="conv", **BOTH).quantum_parts() == {}


def test_a_control_replaces_one_place_or_one_circuit():
    assert kinds(qu_net(control={"skip": "constant"}, **BOTH)) == [QuantumLayer, QuantumLayer, Constant, Constant]
    mixed = {"bottleneck.cores.1": "mlp", "skip": "identity"}
    assert kinds(qu_net(control=mixed, **BOTH)) == [QuantumLayer, Mlp, nn.Identity, nn.Identity]
    torch.manual_seed(0)
    quantum = qu_net(**BOTH).state_dict()
    torch.manual_seed(0)
    part = qu_net(control={"skip": "zero"}, **BOTH).state_dict()
    assert part.keys() < quantum.keys()
    assert all(torch.equal(part[key], quantum[key]) for key in part)


def test_the_single_mlp_has_the_whole_budget():
    def size(model):
        return sum(p.numel() for p in model.parameters())

    total, one = size(qu_net(**BOTH)), size(qu_net(control={"skip.cores.0": "mlp"}, **BOTH))
    assert one <= 1.01 * total < one + 4 + 1 + 4


def test_places_that_do_not_exist_are_named():
    with pytest.raises(ConfigError, match=r"Unknown quantum part 'skp'\. Did you mean 'skip"):
        qu_net(control={"skp": "mlp"}, **BOTH)
    with pytest.raises(ConfigError, match=r"Unknown control 'conv'"):
        qu_net(control={"skip": "conv"}, **BOTH)
