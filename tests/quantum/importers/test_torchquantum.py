"""TorchQuantum modules as circuits, by their own outputs, and what is refused by name."""

import sys

import pytest
import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum import compile_circuit, from_torchquantum

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="TorchQuantum's pins have no wheels for 3.13")


def module(tq, gates, encoder=("ry", "rx", "rz"), read=None):
    """A module that encodes three values twice and runs ``gates(device)``."""

    class Module(tq.QuantumModule):
        def __init__(self):
            super().__init__()
            self.theta = nn.Parameter(torch.rand(4, generator=torch.Generator().manual_seed(0)))
            wires = [{"input_idx": [k], "func": name, "wires": [k]} for k, name in enumerate(encoder)]
            self.encoder = tq.GeneralEncoder(wires)
            self.measure = tq.MeasureAll(tq.PauliZ)

        def forward(self, x):
            device = tq.QuantumDevice(n_wires=3, bsz=len(x))
            for wire in range(3):
                tq.functional.h(device, wires=wire)
            self.encoder(device, x)
            gates(device, self.theta, x)
            for wire in range(3):
                tq.functional.rx(device, wires=wire, params=self.theta[wire])
            return self.measure(device) if read is None else read(device)

    return Module()


@pytest.fixture(scope="module")
def tq():
    return pytest.importorskip("torchquantum")


def call(name, wires, *angles):
    """A gate of TorchQuantum's functions with entries of theta as angles."""

    def gates(device, theta, x):
        import torchquantum as tq

        params = torch.stack([theta[k] for k in angles]).unsqueeze(0) if angles else None
        tq.functional.func_name_dict[name](device, wires=wires, params=params)

    return gates


@pytest.mark.parametrize(
    ("name", "wires", "angles"),
    [
        ("cu3", [0, 1], (0, 1, 2)), ("cu", [2, 0], (0, 1, 2, 3)), ("u3", [1], (0, 3, 2)), ("r", [2], (0, 1)),
        ("rzx", [0, 2], (3,)), ("xxplusyy", [0, 1], (0, 3)), ("xxminyy", [2, 1], (0, 3)), ("rxx", [0, 2], (1,)),
        ("crot", [0, 2], (0, 1, 3)), ("phaseshift", [1], (2,)), ("cswap", [0, 1, 2], ()), ("ecr", [0, 1], ()),
        ("sx", [0], ()),
    ],
)  # fmt: skip
def test_gates_mean_the_same(tq, name, wires, angles):
    theirs = module(tq, call(name, wires, *angles))
    sample = torch.rand(1 if name in ("xxplusyy", "xxminyy") else 3, 3)
    found = from_torchquantum(theirs, sample)
    assert found.data == ("inputs[0]", "inputs[1]", "inputs[2]")
    assert set(found.weights) <= {f"theta[{k}]" for k in range(4)}
    fresh = torch.rand_like(sample) * 6 - 3
    weights = torch.stack([theirs.theta[int(name[6])] for name in found.weights])
    ours = compile_circuit(found.circuit, "statevector")(fresh, weights)
    torch.testing.assert_close(ours, theirs(fresh), atol=1e-4, rtol=0)


def prepared(device, theta, x):
    device.set_states(torch.tensor([[0.6] + [0.0] * 6 + [0.8]]).repeat(len(x), 1).to(torch.complex64))


def forgotten(device, theta, x):
    device.reset_states(len(x))


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        (prepared, "prepares a state without gates"),
        (forgotten, "prepares a state without gates"),
        (lambda device, theta, x: device.rx(wires=0, params=x[:, 0] ** 2), r"RX on \(0,\) are not affine"),
        (lambda device, theta, x: 1 / 0, "does not run.*division by zero"),
    ],
)
def test_what_is_refused_by_name(tq, gates, message):
    with pytest.raises(CircuitError, match=message):
        from_torchquantum(module(tq, gates), torch.rand(2, 3))


def test_outputs_that_are_not_measured_are_refused(tq):
    def states(device):
        return device.get_states_1d().abs()

    with pytest.raises(CircuitError, match="measured nothing"):
        from_torchquantum(module(tq, lambda *arguments: None, read=states), torch.rand(2, 3))


def test_only_modules_on_batches_are_taken(tq):
    with pytest.raises(CircuitError, match="A Linear was given"):
        from_torchquantum(nn.Linear(3, 3), torch.rand(2, 3))
    with pytest.raises(CircuitError, match=r"The sample \(3,\) is no batch"):
        from_torchquantum(module(tq, lambda *arguments: None), torch.rand(3))
