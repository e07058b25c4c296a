"""QuFeX: patches, mixing, filters, residual."""

import itertools
import math

import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hqzoo.errors import CircuitError, ConfigError
from hqzoo.nn import QuFeX
from hqzoo.nn.controls import Zero
from hqzoo.quantum import QuantumLayer, circuits, compile_circuit

PUBLISHED = [
    # channels, patch, maps, filters, qubits, map's height and width
    (8, (2, 2), 1, 1, 4, (6, 8)),
    (8, (2, 2), 1, 2, 4, (6, 8)),
    (8, (2, 2), 2, 2, 8, (6, 8)),
    (9, (2, 2), 3, 1, 12, (6, 8)),
    (8, (3, 2), 1, 2, 6, (6, 8)),
    (8, (3, 2), 2, 1, 12, (6, 8)),
    (8, (3, 4), 1, 2, 12, (6, 8)),
]


def identity(circuit, engine, init):
    return nn.Identity()


def zero(circuit, engine, init):
    return Zero(circuit.n_observables)


def by_hand(block: QuFeX, features, channels, patch, maps):
    """The filters without residual, one circuit run at a time, index by index (specs, section 3)."""
    (rows, columns), (_, _, height, width) = patch, features.shape
    out = torch.zeros(len(features), len(block.cores) * channels, height, width)
    for f, core in enumerate(block.cores):
        run = compile_circuit(circuits.qufex(rows * columns * maps, f + 1), "statevector")
        for image, group, top, left in itertools.product(
            range(len(features)), range(channels // maps), range(0, height, rows), range(0, width, columns)
        ):
            places = [
                (group * maps + k, top + i, left + j)
                for i, j, k in itertools.product(range(rows), range(columns), range(maps))
            ]
            values = run(torch.stack([features[(image, *place)] for place in places]), core.weights.detach())
            for (channel, row, column), value in zip(places, values, strict=True):
                out[image, f * channels + channel, row, column] = value
    return out


@pytest.mark.parametrize(("channels", "patch", "maps", "n_filters", "n", "size"), PUBLISHED)
def test_values_go_where_they_came_from(channels, patch, maps, n_filters, n, size):
    block = QuFeX(channels, patch, maps, n_filters)
    assert block.n_qubits == n
    assert sum(p.numel() for p in block.parameters()) == 4 * n_filters
    features = torch.randn(1 if n == 12 else 2, channels, *size)
    expected = torch.cat([features] * n_filters, dim=1) + by_hand(block, features, channels, patch, maps)
    torch.testing.assert_close(block(features), expected, atol=1e-5, rtol=1e-5)


def paper(kind: int, n: int):
    """The circuits of the specification (section 2) in PennyLane's own words."""
    embed = {1: qml.RY, 2: qml.RZ}[kind]
    first, second = {1: ((qml.RX, qml.RZ), (qml.RX, qml.RY)), 2: ((qml.RY, qml.RX), (qml.RZ, qml.RX))}[kind]

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def run(x, a0, a1, b0, b1):
        for i in range(n):
            if kind == 2:
                qml.Hadamard(i)
            embed(math.pi * x[i], wires=i)
        for stride, count, gates, angles in ((1, n // 2, first, (a0, a1)), (2, n // 4, second, (b0, b1))):
            for i in [2 * pair for pair in range(count)] + [2 * pair - 1 for pair in range(1, count)]:
                left, right = stride * i, stride * (i + 1)
                gates[0](angles[0], wires=left)
                gates[1](angles[1], wires=right)
                qml.CNOT([left, right])
            for pair in range(count):
                qml.CZ([stride * 2 * pair, stride * (2 * pair + 1)])
        return [qml.expval((qml.PauliZ if kind == 1 else qml.PauliX)(i)) for i in range(n)]

    return run


@pytest.mark.parametrize(("patch", "maps"), [((2, 2), 1), ((3, 2), 1), ((2, 2), 2), ((3, 4), 1)])
def test_filters_are_those_of_the_paper(patch, maps):
    """One patch of all channels, so that PennyLane sees the values in the order (row, column, channel)."""
    torch.manual_seed(3)
    block = QuFeX(maps, patch, maps, n_filters=2, residual_weight=0.0)
    features = 3 * torch.rand(1, maps, *patch)
    values = features[0].permute(1, 2, 0).flatten().double()
    for f, core in enumerate(block.cores):
        expected = torch.stack(list(paper(f + 1, len(values))(values, *core.weights.detach().double())))
        ours = block(features)[0, f * maps : (f + 1) * maps].permute(1, 2, 0).flatten()
        torch.testing.assert_close(ours.double(), expected.double(), atol=2e-6, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_joining_inverts_cutting(data):
    """Whatever the shape: the identity in the circuit's place gives (residual_weight + 1) x."""
    rows, columns, maps, groups, below, beside, batch = (data.draw(st.integers(1, 3)) for _ in range(7))
    if rows * columns * maps < 4 or rows * columns * maps % 2:
        maps *= 4
    block = QuFeX(groups * maps, (rows, columns), maps, residual_weight=0.5, layer=identity)
    features = torch.randn(batch, groups * maps, rows * below, columns * beside)
    torch.testing.assert_close(block(features), 1.5 * features)


def test_zero_leaves_the_residual():
    features = torch.randn(2, 8, 4, 6)
    assert torch.equal(QuFeX(8, n_filters=2, layer=zero)(features), torch.cat([features, features], dim=1))


def test_values_wrap_around_unless_squashed():
    torch.manual_seed(0)
    plain = QuFeX(4, maps=2, n_filters=2, residual_weight=0.0)
    squashed = QuFeX(4, maps=2, n_filters=2, residual_weight=0.0, squash="tanh")
    squashed.load_state_dict(plain.state_dict())
    features = torch.rand(2, 4, 4, 4)
    torch.testing.assert_close(plain(features + 2), plain(features), atol=1e-5, rtol=0)
    torch.testing.assert_close(squashed(features), plain(features.tanh()))
    torch.testing.assert_close(
        QuFeX(4, layer=identity, squash="tanh", residual_weight=-2.0)(features), features.tanh() - 2 * features
    )
    values = torch.tensor([0.0, 1.0, -1.0, 1.01, -1.01, 5.0, -5.0, 0.5]).view(1, 2, 2, 2)
    assert QuFeX(2).wrapped_share(values).item() == 0.5
    assert QuFeX(2, squash="tanh").wrapped_share(values).item() == 0.0


@pytest.mark.parametrize(("channels", "patch", "maps", "n_filters", "n", "size"), PUBLISHED)
def test_evaluations_are_the_circuits_that_run(channels, patch, maps, n_filters, n, size):
    block = QuFeX(channels, patch, maps, n_filters)
    rows = []
    for core in block.cores:
        core.register_forward_hook(lambda module, inputs, output: rows.append(inputs[0].shape[:-1].numel()))
    block(torch.zeros(1, channels, *size))
    assert block.evaluations(*size) == sum(rows) == n_filters * size[0] * size[1] * channels // n
    assert QuFeX(channels, patch, maps, n_filters, layer=identity).evaluations(*size) == 0


def test_circuits_run_in_single_precision_under_autocast():
    block, seen = QuFeX(4, n_filters=2), []
    for core in block.cores:
        assert isinstance(core, QuantumLayer)
        core.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs[0], output)))
    features = torch.rand(1, 4, 4, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert block(features).dtype == torch.bfloat16
    for core, patches, values in seen:
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, core.forward(patches.float()))


def test_two_filters_and_their_gradients_are_apart():
    block = QuFeX(2, n_filters=2)
    block(torch.rand(1, 2, 4, 4))[:, 2:].sum().backward()
    assert block.cores[0].weights.grad.abs().max() == 0
    assert block.cores[1].weights.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 8, "maps": 3}, r"maps=3 does not divide 8 channels. Choose one of 1, 2, 4, 8"),
        ({"channels": 8, "patch": (1, 1)}, r"make 1 qubits.*Choose maps=4, 8, or another patch"),
        ({"channels": 8, "patch": (3, 3)}, r"make 9 qubits.*Choose maps=2, 4, 8"),
        ({"channels": 5, "patch": (3, 3)}, r"make 9 qubits.*Choose another patch: \(2, 2\)"),
        ({"channels": 8, "patch": (2, 0)}, r"patch=\(2, 0\): give its height and width"),
        ({"channels": 8, "patch": 2}, r"patch=2: give its height and width"),
        ({"channels": 8, "n_filters": 3}, "n_filters=3: QuFeX has one or two"),
        ({"channels": 8, "squash": "relu"}, "squash='relu' is not one of none, tanh"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        QuFeX(**arguments)


def test_wrong_maps_are_named():
    with pytest.raises(CircuitError, match="n_layers=0"):
        QuFeX(8, n_layers=0)
    block = QuFeX(8, (3, 4))
    with pytest.raises(ConfigError, match=r"patch=\(3, 4\) does not divide a map of 7x8.*9x8"):
        block(torch.zeros(1, 8, 7, 8))
    with pytest.raises(ConfigError, match=r"6x10.*6x12"):
        block.evaluations(6, 10)
    with pytest.raises(ConfigError, match="maps of 8 channels, got 4"):
        block(torch.zeros(1, 4, 6, 8))


def test_layers_repeat_with_weights_of_their_own():
    block = QuFeX(1, n_layers=2, residual_weight=0.0)
    assert block.cores[0].weights.shape == (8,)
    once = QuFeX(1, residual_weight=0.0)
    with torch.no_grad():
        once.cores[0].weights.copy_(block.cores[0].weights[:4])
    features = torch.rand(1, 1, 2, 2)
    assert not torch.allclose(block(features), once(features), atol=1e-3)


def test_state_is_the_weights_of_the_filters():
    assert list(QuFeX(8, n_filters=2).state_dict()) == ["cores.0.weights", "cores.1.weights"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"patch": (6, 8), "engine": "statevector"},
            r"patch=\(6, 8\), maps=1 make 6 x 8 x 1 = 48 qubits.*engine='statevector'.*limit is 24.*"
            r"Choose engine='auto', or with maps=1 a patch such as \(6, 4\) \(24 qubits\), \(3, 8\)",
        ),
        (
            {"patch": (2, 4), "maps": 4, "engine": "statevector"},
            r"make 2 x 4 x 4 = 32 qubits.*with maps=4 a patch such as .*\(2, 2\) \(16 qubits\)"
            r".*with this patch maps=1, 2\.",
        ),
    ],
)
def test_too_many_qubits_are_told_by_the_arguments_that_make_them(arguments, message):
    with pytest.raises(CircuitError, match=message):
        QuFeX(8, **arguments)


def test_patches_that_divide_a_map_are_named():
    with pytest.raises(ConfigError, match=r"Patches that divide this map: .*\(3, 4\).*\(2, 4\)"):
        QuFeX(8, (5, 2)).evaluations(6, 8)
