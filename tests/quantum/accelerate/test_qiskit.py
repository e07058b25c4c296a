"""Qiskit's TorchConnector, replaced or refused by name; expected values come from Qiskit itself."""

import math

import pytest
import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum import QuantumLayer
from hqzoo.quantum.accelerate import accelerate

pytest.importorskip("qiskit_machine_learning", reason="the extra 'qiskit-ml' is not installed (none on Python 3.13)")

from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.circuit.library import EfficientSU2, RealAmplitudes, ZZFeatureMap
from qiskit.primitives import BackendEstimator, Estimator, Sampler
from qiskit.quantum_info import Operator, SparsePauliOp
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN

N = 3


def connector(features, weights=None, kind=EstimatorQNN, **options):
    """A network of a feature map and, behind it, a circuit of weights, with gradients of its inputs."""
    weights = RealAmplitudes(features.num_qubits, reps=1) if weights is None else weights
    circuit = features.compose(weights)
    options = {"input_gradients": True} | options
    network = kind(circuit=circuit, input_params=features.parameters, weight_params=weights.parameters, **options)
    torch.manual_seed(0)
    return TorchConnector(network)


def turns(n=N):
    """One angle per feature."""
    circuit, x = QuantumCircuit(n), ParameterVector("x", n)
    for k in range(n):
        circuit.ry(x[k], k)
    return circuit


def assert_same_function(old, new, inputs):
    """Outputs, input gradients and parameter gradients, and none of them so flat that all would agree."""
    results = []
    for module in (old, new):
        leaf = inputs.clone().requires_grad_()
        out = module(leaf)
        cotangent = torch.linspace(-1, 1.5, out.numel()).view(out.shape)
        results.append((out, *torch.autograd.grad(out, [leaf, *module.parameters()], cotangent)))
    for theirs, ours in zip(*results, strict=True):
        assert theirs.abs().max() > 1e-3
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_composites_and_several_observables():
    """Strings that tell qubits apart, sums with an identity, and a matrix; RealAmplitudes is one instruction."""
    matrix = Operator(SparsePauliOp.from_list([("IZX", 0.3), ("YIY", -0.7)]))
    observables = [
        SparsePauliOp("IIZ"),
        SparsePauliOp("XZI"),
        SparsePauliOp.from_list([("ZII", 0.5), ("IXX", -1.5), ("III", 2.0)]),
        matrix,
    ]
    model, inputs = connector(turns(), observables=observables), torch.randn(4, N)
    fast, report = accelerate(model, inputs)
    (found,) = report.layers
    assert isinstance(fast, QuantumLayer)
    assert (found.kind, found.circuit.n_data, found.circuit.n_weights) == ("Qiskit TorchConnector", N, 6)
    assert found.n_front == 0
    assert_same_function(model, fast, inputs)
    assert_same_function(model, fast, inputs[0])


def test_products_of_features_become_a_front():
    """ZZFeatureMap turns by (pi - x)(pi - y), which no affine angle is; it reads the default Z...Z."""
    model, inputs = connector(ZZFeatureMap(2, reps=2)), torch.randn(3, 2)
    fast, report = accelerate(model, inputs)
    assert report.layers[0].n_front == 2
    assert_same_function(model, fast, inputs)


@pytest.mark.slow
def test_functions_controls_and_quarter_turns():
    circuit, x, y = QuantumCircuit(3), Parameter("x"), Parameter("y")
    circuit.ry(x.arctan() * 2 + (y * y).exp() / 3, 0)
    circuit.append(QuantumCircuit(1, name="part").compose(turns(1).assign_parameters([x - 1 / (2 + y)])).to_gate(), [1])
    circuit.cu(x, y / 2, 0.3, y.sin() - x, 0, 1)
    circuit.mcp(x * y, [0, 1], 2)
    circuit.sx(2)
    circuit.append(QuantumCircuit(2).compose(turns(2).assign_parameters([y, 0.4])).to_gate().control(1, ctrl_state=0),
                   [2, 0, 1])  # fmt: skip
    circuit.barrier()
    circuit.unitary(Operator.from_label("HT").data, [2, 0])
    circuit.sdg(1)
    model = connector(circuit, EfficientSU2(3, reps=0), observables=[SparsePauliOp("ZXI"), SparsePauliOp("YIZ")])
    inputs = torch.rand(1, 2)
    fast, _ = accelerate(model, inputs)
    assert_same_function(model, fast, inputs)


def test_hybrid_models_keep_their_state_dict():
    """Qiskit holds its weights under two names, of which both must load, and stay one parameter."""
    torch.manual_seed(1)
    observables = [SparsePauliOp("IZ"), SparsePauliOp("ZI")]
    model = nn.Sequential(nn.Linear(5, 2), connector(ZZFeatureMap(2, reps=1), observables=observables), nn.Linear(2, 3))
    inputs = torch.randn(4, 5)
    fast, report = accelerate(model, inputs)
    assert [layer.name for layer in report.layers] == ["1"]
    assert list(fast.state_dict()) == list(model.state_dict())
    assert "1._weights" in fast.state_dict()
    assert [name for name, _ in fast.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert_same_function(model, fast, inputs)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-1, 1)
    fast.load_state_dict(model.state_dict())
    assert_same_function(model, fast, inputs)


def test_without_input_gradients_the_replacement_gives_the_true_ones():
    plain, full = (connector(turns(2), input_gradients=given) for given in (False, True))
    inputs = torch.randn(3, 2)
    fast, _ = accelerate(plain, inputs)
    assert plain.neural_network.input_gradients is False
    assert_same_function(full, fast, inputs)


def test_samplers_count_from_the_last_qubit():
    """Three different turns tell all eight outcomes apart."""
    model, inputs = connector(turns(), kind=SamplerQNN), torch.tensor([[0.4, 1.1, 2.0], [2.5, 0.1, 0.7]])
    fast, _ = accelerate(model, inputs)
    assert fast(inputs).shape == (2, 8)
    assert_same_function(model, fast, inputs)


def test_samplers_sum_what_interpret_puts_together():
    def interpret(outcome):
        return 2 if outcome == 6 else bin(outcome).count("1") % 2

    model = connector(turns(), kind=SamplerQNN, interpret=interpret, output_shape=4)  # nothing is ever 3
    inputs = torch.randn(3, N)
    fast, _ = accelerate(model, inputs)
    assert_same_function(model, fast, inputs)


def test_samplers_with_their_own_measurements():
    weights = RealAmplitudes(N, reps=1)
    circuit = turns().compose(weights)
    inputs_of = sorted(set(circuit.parameters) - set(weights.parameters), key=lambda p: p.index)
    circuit.add_register(*QuantumCircuit(N, 2).cregs)
    circuit.measure([2, 0], [0, 1])
    network = SamplerQNN(
        circuit=circuit, input_params=inputs_of, weight_params=weights.parameters, input_gradients=True
    )
    model, inputs = TorchConnector(network), torch.randn(3, N)
    fast, _ = accelerate(model, inputs)
    assert fast(inputs)[:, 4:].abs().max() == 0
    assert_same_function(model, fast, inputs)


def reset():
    circuit = turns(2)
    circuit.reset(0)
    return connector(circuit)


def shots():
    return connector(turns(2), estimator=Estimator(options={"shots": 100}))


def sampler_shots():
    return connector(turns(2), kind=SamplerQNN, sampler=Sampler(options={"shots": 100}))


def backend():
    from qiskit.providers.basicaer import QasmSimulatorPy

    return connector(turns(2), estimator=BackendEstimator(QasmSimulatorPy()))


def absolute():
    circuit = turns(2)
    circuit.rx(abs(circuit.parameters[0]), 1)
    return connector(circuit)


def imaginary():
    return connector(turns(2), observables=SparsePauliOp.from_list([("ZZ", 1.0), ("XI", 0.5j)]))


def grid():
    return connector(turns(2), kind=SamplerQNN, interpret=lambda k: (k // 2, k % 2), output_shape=(2, 2))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (reset, "'reset' on qubits \\(0,\\)"),
        (shots, "Estimator measures with 100 shots"),
        (sampler_shots, "Sampler measures with 100 shots"),
        (backend, "BackendEstimator; equality"),
        (absolute, "Qiskit itself cannot differentiate it"),
        (imaginary, "XI is not real"),
        (grid, "output_shape is \\(2, 2\\)"),
    ],
)
def test_what_cannot_be_equal_is_refused_by_name(build, message):
    with pytest.raises(CircuitError, match=rf"Layer '1' \(TorchConnector\) cannot be accelerated. .*{message}"):
        accelerate(nn.Sequential(nn.Identity(), build()), torch.rand(2, 2))


def test_a_circuit_that_qiskit_runs_otherwise_than_it_says_is_not_replaced():
    """The proof runs Qiskit's own forward and backward pass, and sees when they are not its circuit's."""

    class Shifted(TorchConnector):
        def forward(self, input_data=None):
            return super().forward(input_data) * math.cos(0.1)

    model = Shifted(connector(turns(2)).neural_network)
    with pytest.raises(CircuitError, match="does not reproduce it: on the sample the outputs differ"):
        accelerate(model, torch.rand(2, 2))
