"""Every named circuit against PennyLane: outputs and gradients, every exact engine, both precisions."""

import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, circuits, compile_circuit
from tests.quantum.circuits.judge import pennylane, sample

# The published size where PennyLane's backward pass takes seconds; smaller grids of the same family otherwise.
NAMED = {
    "hq_unet": circuits.hq_unet(),
    "hq_unet_3x3_periodic": circuits.hq_unet(3, 3, periodic=True),
    "hq_unet_2x2_two_layers": circuits.hq_unet(2, 2, n_layers=2),
    "qufex_4": circuits.qufex(4),
    "qufex_8": circuits.qufex(8),
    "qufex_8_kind_2": circuits.qufex(8, kind=2),
    "qufex_4_two_layers": circuits.qufex(4, n_layers=2),
    "qskip": circuits.qskip(),
    "qmoe_local": circuits.qmoe("local"),
    "qmoe_global": circuits.qmoe("global"),
    "qmoe_diagonal": circuits.qmoe("diagonal"),
    "swap_test_3": circuits.swap_test(3),
    "swap_test": circuits.swap_test(),
    "fidelity_3": circuits.fidelity(3),
    "fidelity": circuits.fidelity(),
    "fqcnn": circuits.fqcnn(),
    "mqcnn": circuits.mqcnn(),
    "coqcnn": circuits.coqcnn(),
    "quanvolution": circuits.quanvolution(),
    "quanvolution_2_trainable": circuits.quanvolution(2, seed=3, trainable=True),
    "qcnn": circuits.qcnn(),
}
FULL_STATE = 11  # wires up to which the state vector engine is asked too


def engines(circuit: Circuit) -> list[str]:
    """The engines that run the circuit in a sensible time; ``auto`` always does."""
    return ["auto", "statevector", "density", "pennylane"] if circuit.n_wires <= FULL_STATE else ["auto", "density"]


def gradients(outputs, inputs, weights):
    cotangent = torch.linspace(-1, 1, outputs.numel() + 1, dtype=outputs.dtype)[1:].view(outputs.shape)
    return torch.autograd.grad(outputs, (inputs, weights), cotangent, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("name", NAMED)
def test_outputs_and_gradients(name):
    circuit = NAMED[name]
    inputs, weights = sample(circuit)
    expected = pennylane(circuit, inputs, weights)
    reference = gradients(expected, inputs, weights)
    largest = max(grad.abs().max().item() for grad in reference if grad.numel())
    for engine in engines(circuit):
        for dtype, value_bound, gradient_bound in ((torch.float64, 1e-10, 1e-8), (torch.float32, 1e-5, 1e-4)):
            x, w = (tensor.detach().to(dtype).requires_grad_() for tensor in (inputs, weights))
            outputs = compile_circuit(circuit, engine, dtype)(x, w)
            assert (outputs - expected).abs().max() <= value_bound, (engine, dtype)
            for ours, theirs in zip(gradients(outputs, x, w), reference, strict=True):
                error = (ours - theirs).abs().max().item() if ours.numel() else 0.0
                assert error <= gradient_bound * largest, (engine, dtype)


@pytest.mark.parametrize("name", ["qufex_4", "qufex_8_kind_2", "qskip", "fqcnn", "fidelity_3", "coqcnn"])
def test_the_cone_engine_agrees_where_auto_may_prefer_a_state_vector(name):
    circuit = NAMED[name]
    inputs, weights = sample(circuit)
    outputs = compile_circuit(circuit, "cone", torch.float64)(inputs, weights)
    torch.testing.assert_close(outputs, pennylane(circuit, inputs, weights), atol=1e-10, rtol=0)


def test_the_registry_builds_every_circuit_without_arguments():
    named = circuits.named()
    assert set(named) == set(circuits.__all__) - {"named"}
    for name, function in named.items():
        assert function.__name__ == name
        assert "Return" in function.__doc__
        assert isinstance(function(), Circuit)
        assert function() == function()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: circuits.qufex(5), "n_qubits=5"),
        (lambda: circuits.qufex(4, kind=3), "kind=3 is not one of 1, 2"),
        (lambda: circuits.qufex(2), "at least 4"),
        (lambda: circuits.qskip(0), "n_layers=0"),
        (lambda: circuits.qmoe("diagnal"), "Did you mean 'diagonal'"),
        (lambda: circuits.swap_test(1), "at least 2 qubits"),
        (lambda: circuits.fidelity(layers=0), "layers=0"),
        (lambda: circuits.quanvolution(0), "size=0"),
        (lambda: circuits.quanvolution(connection=1.5), r"connection=1\.5"),
        (lambda: circuits.qcnn(6), "power of two"),
    ],
)
def test_options_that_make_no_sense_are_named(build, message):
    with pytest.raises(CircuitError, match=message):
        build()
