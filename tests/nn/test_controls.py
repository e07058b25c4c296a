"""What controls promise each other: interfaces, shared budgets, initial weights, one part or all."""

import itertools
import math
import warnings

import pytest
import torch
from scipy import stats
from torch import nn

from hqzoo.errors import CircuitError, ConfigError
from hqzoo.nn import CONTROLS, Slot, fill
from hqzoo.nn.controls import Mlp, Zero, build_controls, chosen, widest_hidden
from hqzoo.quantum import QuantumLayer, circuits, separable

pytestmark = pytest.mark.filterwarnings("ignore:.*change no output")


def stand_in(control, circuit, rest=0, hidden=None, init="uniform"):
    return build_controls({"core": Slot(circuit, init=init)}, control, rest=rest, hidden=hidden)["core"]


class Unequal(nn.Module):
    """A model with three circuits of different sizes in two places."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(40, 200)
        self.bottleneck = nn.ModuleList([Slot(circuits.hq_unet(2, 2)), Slot(circuits.qufex(4))])
        self.skip = Slot(circuits.qskip())
        self.head = nn.Linear(16, 3).requires_grad_(False)


def size(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("circuit", "control"), itertools.product(circuits.named(), CONTROLS))
def test_every_control_of_every_named_circuit(circuit, control):
    """It has the circuit's interface, or says why it cannot stand there; gradients reach what is trained."""
    circuit = circuits.named()[circuit]()
    if control == "identity" and circuit.n_data != circuit.n_observables:
        with pytest.raises(ConfigError, match=f"has {circuit.n_data} and {circuit.n_observables}"):
            stand_in(control, circuit)
        return
    torch.manual_seed(0)
    layer = stand_in(control, circuit, rest=100_000, hidden=3 if control == "mlp_time" else None)
    angles = torch.rand(2, 3, circuit.n_data, requires_grad=True)
    out = layer(angles)
    assert out.shape == (2, 3, circuit.n_observables)
    assert out.isfinite().all()
    if control not in ("linear", "identity"):
        assert out.abs().max() <= 1 + 1e-5
    trained = [p for p in layer.parameters() if p.requires_grad and p.numel()]
    assert bool(trained) == (control != "frozen" and size(layer) > 0)
    if out.requires_grad:
        gradients = torch.autograd.grad(out.sum(), [angles, *trained], allow_unused=True, materialize_grads=True)
        assert all(gradient.isfinite().all() for gradient in gradients)
    if control in ("quantum", "frozen", "separable"):
        assert layer.weights.shape == (circuit.n_weights,)
        assert layer.circuit == (separable(circuit) if control == "separable" else circuit)


def test_zero_is_nothing_at_all():
    core = stand_in("zero", circuits.hq_unet(2, 2))
    data = torch.full((3, 5, 12), math.nan, dtype=torch.bfloat16)
    assert torch.equal(core(data), torch.zeros(3, 5, 8, dtype=torch.bfloat16))
    assert list(core.parameters()) == []


def test_identity_is_the_input():
    angles = torch.rand(3, 8)
    assert torch.equal(stand_in("identity", circuits.hq_unet(2, 2, encoding="ry_rz"))(angles), angles)


def test_frozen_weights_are_there_but_not_trained():
    core = stand_in("frozen", circuits.hq_unet(2, 2))
    assert [(n, p.requires_grad) for n, p in core.named_parameters()] == [("weights", False)]


def test_wrong_controls_are_named():
    with pytest.raises(ConfigError, match=r"Unknown control 'zeros'\. Did you mean 'zero'"):
        stand_in("zeros", circuits.qufex(4))
    with pytest.raises(ConfigError, match="needs control_hidden"):
        stand_in("mlp_time", circuits.qufex(4))
    with pytest.raises(ConfigError, match="control_hidden=3 goes with control='mlp_time' only; got control='linear'"):
        stand_in("linear", circuits.qufex(4), hidden=3)
    with pytest.raises(ConfigError, match="control_hidden=0: a hidden layer has"):
        stand_in("mlp_time", circuits.qufex(4), hidden=0)


def test_data_that_no_longer_reach_an_output_are_told():
    with pytest.warns(UserWarning, match=r"7 of the circuit's 8 data change no output: data\[0\], .*data\[7\]"):
        stand_in("separable", circuits.qcnn())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stand_in("separable", circuits.hq_unet(2, 2))


def test_widest_hidden_by_brute_force():
    for sizes in ([(48, 32)], [(48, 32), (4, 4)], [(4, 4)] * 3):
        for budget in (0, 50, 81, 1000, 12345):
            fits = [h for h in range(1, 500) if sum(size(Mlp(i, h, o)) for i, o in sizes) <= budget]
            assert widest_hidden(sizes, budget) == max(fits, default=0)


@pytest.mark.parametrize(("rest", "copies"), itertools.product((9_999, 20_011, 84_145), (1, 2, 4)))
def test_copies_of_an_mlp_share_one_percent(rest, copies):
    circuit = circuits.qufex(8)
    built = build_controls({str(k): Slot(circuit) for k in range(copies)}, "mlp", rest=rest)
    quantum = rest + copies * circuit.n_weights
    (each,) = {size(core) for core in built.values()}
    assert rest + copies * each <= 1.01 * quantum
    assert rest + copies * (each + 8 + 1 + 8) > 1.01 * quantum  # one more hidden unit in each would not fit


def test_unequal_circuits_share_one_percent():
    """Frozen weights do not count: a large frozen backbone would make room for any network."""
    quantum, mlp = Unequal(), Unequal()
    fill(quantum)
    fill(mlp, "mlp")
    head = size(quantum.head)
    assert size(mlp) - head <= 1.01 * (size(quantum) - head)
    parts = [*mlp.bottleneck, mlp.skip]
    assert [(part[0].in_features, part[2].out_features) for part in parts] == [(12, 8), (4, 4), (8, 8)]
    (hidden,) = {part[0].out_features for part in parts}
    assert hidden > 0
    assert size(mlp) - head + (12 + 1 + 8) + (4 + 1 + 4) + (8 + 1 + 8) > 1.01 * (size(quantum) - head)


def test_one_part_or_all():
    model = Unequal()
    fill(model, {"bottleneck": "mlp", "bottleneck.1": "zero"})
    kinds = [type(part) for part in (*model.bottleneck, model.skip)]
    assert kinds == [Mlp, Zero, QuantumLayer]
    alone = size(model.bottleneck[0])
    total = 40 * 200 + 200 + 8 + 4 + 16
    assert alone <= 8 + 0.01 * total < alone + 12 + 1 + 8  # the one mlp has the whole budget
    assert chosen({"a": "mlp"}, ["a", "ab", "a.b"]) == {"a": "mlp", "ab": "quantum", "a.b": "mlp"}
    with pytest.raises(ConfigError, match=r"Unknown quantum part 'skp'\. Did you mean 'skip'"):
        fill(Unequal(), {"skp": "mlp"})
    with pytest.raises(ConfigError, match=r"Unknown control 'mpl'\. Did you mean 'mlp'"):
        fill(Unequal(), {"skip": "mpl"})


def test_circuits_that_leave_no_room_are_named():
    with pytest.raises(ConfigError, match="between 8 inputs and 8 outputs, 4 times"):
        build_controls({str(k): Slot(circuits.qufex(8)) for k in range(4)}, "mlp", rest=1500)
    parts = {"a": Slot(circuits.hq_unet(2, 2)), "b": Slot(circuits.qufex(4))}
    with pytest.raises(ConfigError, match="between 12 inputs and 8 outputs and between 4 inputs and 4 outputs"):
        build_controls(parts, "mlp", rest=300)


def test_a_slot_that_was_not_filled_says_so():
    with pytest.raises(ConfigError, match="empty slot"):
        Slot(circuits.qufex(4))(torch.rand(1, 4))
    shared = Slot(circuits.qufex(4))
    model = nn.ModuleDict({"a": shared, "b": shared})
    fill(model, "linear")
    assert model["a"] is model["b"]
    assert isinstance(model["a"], nn.Linear)


@pytest.mark.parametrize(("init", "low", "high"), [("uniform", 0, 2 * math.pi), ("keras", -math.sqrt(1.5), 1.5**0.5)])
def test_initial_weights_are_drawn_evenly_between_bounds(init, low, high):
    torch.manual_seed(0)
    cores = [stand_in("quantum", circuits.qufex(4, n_layers=4), init=init) for _ in range(30)]
    values = torch.cat([core.weights.detach() for core in cores])
    assert stats.kstest(values.numpy(), stats.uniform(low, high - low).cdf).pvalue > 0.01
    assert low <= values.min() < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < values.max() <= high


def test_frozen_and_separable_circuits_start_alike():
    for control in ("quantum", "frozen", "separable"):
        torch.manual_seed(1)
        core = stand_in(control, circuits.qufex(4), init="keras")
        torch.manual_seed(1)
        assert torch.equal(core.weights, QuantumLayer(circuits.qufex(4), init="keras").weights)
    with pytest.raises(CircuitError, match="init='glorot' is not one of uniform, zeros, keras"):
        stand_in("quantum", circuits.qufex(4), init="glorot")


class Cosine(nn.Module):
    """A classical similarity of two registers' angles with the interface of their fidelity."""

    def forward(self, angles):
        student, teacher = angles.chunk(2, -1)
        return torch.cosine_similarity(student, teacher, dim=-1).unsqueeze(-1)


class Agreement(nn.Module):
    """A quantum loss, small: one minus the fidelity of two encoded vectors."""

    def __init__(self):
        super().__init__()
        why = "A similarity that is learned may learn to say yes."
        self.fidelity = Slot(
            circuits.fidelity(2, layers=1, predictor_layers=0),
            own={"cosine": Cosine},
            refused=dict.fromkeys(("mlp", "mlp_time", "linear", "constant"), why),
        )

    def forward(self, student, teacher):
        return 1 - self.fidelity(torch.cat([student, teacher], dim=-1)).mean()


@pytest.mark.parametrize("control", ["quantum", "separable", "frozen", "zero", "cosine"])
def test_a_quantum_loss_has_controls_with_its_interface(control):
    loss, student, teacher = Agreement(), torch.rand(5, 4, requires_grad=True), torch.rand(5, 4)
    fill(loss, control)
    value = loss(student, teacher)
    assert value.shape == ()
    if control != "zero":
        value.backward()
        assert student.grad.abs().max() > 0
        assert loss(teacher, teacher).abs() < 1e-5 < value


def test_a_quantum_loss_refuses_what_makes_no_sense():
    with pytest.raises(ConfigError, match=r"control='mlp' cannot stand here\. A similarity that is learned may learn"):
        fill(Agreement(), "mlp")
    with pytest.raises(ConfigError, match=r"Unknown control 'cosin'\. Did you mean 'cosine'"):
        fill(Agreement(), "cosin")
