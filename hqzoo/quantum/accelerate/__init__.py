"""Other libraries' quantum layers, replaced by exact and fast ones that are proven equal.

``accelerate(model, sample)`` finds the PennyLane ``TorchLayer``s, TorchQuantum modules and Qiskit ``TorchConnector``s
of a model, recovers their circuits from what they do, proves that a :class:`~hqzoo.quantum.QuantumLayer` computes the
same, and returns a copy of the model that uses it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate.layer import Layout, RecoveredLayer, register_by_path
from hqzoo.quantum.accelerate.outside import refuse_outside
from hqzoo.quantum.accelerate.pennylane_layer import PennyLaneSource
from hqzoo.quantum.accelerate.prove import Proof, prove, prove_delivered, prove_in_training, rows_at_once
from hqzoo.quantum.accelerate.qiskit_connector import QiskitSource
from hqzoo.quantum.accelerate.report import LayerReport, Report, measure
from hqzoo.quantum.diagnostics import inert_weights, redundant_directions
from hqzoo.quantum.engines.transforms import in_transform
from hqzoo.quantum.importers.failures import failures
from hqzoo.quantum.importers.imported import entries
from hqzoo.quantum.importers.looking import looking_at
from hqzoo.quantum.importers.recording import Foreign
from hqzoo.quantum.importers.recover import Recovered, Source, recover
from hqzoo.quantum.importers.torchquantum import TorchQuantumSource, is_simulator

__all__ = ["LayerReport", "RecoveredLayer", "Report", "accelerate", "foreign_layers"]

_SOURCES = (PennyLaneSource, TorchQuantumSource, QiskitSource)


def accelerate(
    model: nn.Module, sample: Foreign, *, engine: str = "auto", trials: int = 32, seed: int = 0
) -> tuple[nn.Module, Report]:
    """Return a copy of a model whose foreign quantum layers are replaced by proven equal ones, and a report.

    The copy's parameters have the names, shapes and values of the model's, and are shared where the model's are, so
    state dicts fit both ways (but for the memory of TorchQuantum's devices, which is not kept); build optimizers from
    the copy. The model itself is left as it is.

    A layer may depend on its inputs and its parameters only, and be the same in training and evaluation. Numbers, and
    tensors that are neither the model's parameters or buffers nor trained, count as constants wherever a circuit takes
    them from; an attribute that is assigned anew later is not followed.

    Args:
        model: A module that contains PennyLane ``TorchLayer``s, TorchQuantum modules or Qiskit ``TorchConnector``s,
            or is one.
        sample: What ``model`` is called with: a tensor, a tuple of arguments or a dictionary of keyword arguments.
            Every quantum layer must be reached by it.
        engine: Engine that runs the recovered circuits.
        trials: Number of fresh random inputs and weights on which equality is proven beside the sample, at least 32.
        seed: Seed of the random numbers.

    Returns:
        The accelerated copy and what was found.

    Raises:
        CircuitError: If there is nothing to replace, a circuit cannot be recovered, or equality fails; the message
            names the layer and the reason.
    """
    if trials < 32:
        raise CircuitError(f"trials={trials}: equality is proven on at least 32 random cases.")
    with looking_at(model, training=False):
        calls = _calls(model, sample)
    copies: dict[int, Foreign] = {}  # parameters that layers share, with each other or the model, stay shared
    found = {name: _replace(name, call, model, copies, engine, trials, seed) for name, call in calls.items()}
    for name, (layer, _) in found.items():
        layer.train(calls[name].module.training)
        copies[id(calls[name].module)] = layer
    with looking_at(model, training=False), torch.no_grad():
        _run(model, sample)  # tensors that a model keeps as attributes can be copied only without their gradients
    accelerated: nn.Module = copy.deepcopy(model, copies)
    return accelerated, Report(tuple(report for _, report in found.values()))


class _Call:
    """A foreign layer and what went into it when the model ran on the sample."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.inputs: Tensor | None = None
        self.argument = next(iter(inspect.signature(module.forward).parameters), "inputs")


def _calls(model: nn.Module, sample: Foreign) -> dict[str, _Call]:
    calls = {name: _Call(module) for name, module in foreign_layers(model)}
    if not calls:
        raise CircuitError(
            f"{type(model).__name__} contains no PennyLane TorchLayer, no TorchQuantum module and no Qiskit "
            "TorchConnector; there is nothing to accelerate."
        )

    def refuse_transforms(name: str) -> Foreign:
        def hook(module: nn.Module, arguments: Foreign) -> None:
            if in_transform():
                raise CircuitError(
                    f"Layer '{name}' is called under torch.vmap or another transform of torch.func, which hides its "
                    "inputs. Hand it the whole batch instead, or accelerate the layer alone and put the copy in its "
                    "place: it works under vmap."
                )

        return hook

    def keep(call: _Call) -> Foreign:
        def hook(module: nn.Module, arguments: Foreign, named: Foreign, outputs: Foreign) -> None:
            values = [*arguments, *named.values()]
            if len(values) == 1 and isinstance(values[0], Tensor) and isinstance(outputs, Tensor):
                call.inputs = values[0].detach()
                call.argument = next(iter(named), call.argument)

        return hook

    handles = [call.module.register_forward_pre_hook(refuse_transforms(name)) for name, call in calls.items()]
    handles += [call.module.register_forward_hook(keep(call), with_kwargs=True) for call in calls.values()]
    try:
        # With gradients, so that tensors which the model leaves behind for a layer are known; they keep no memory.
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: None, _never):
            _run(model, sample)
    except failures() as error:
        raise CircuitError(f"The model does not run on the sample: {type(error).__name__}: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
    for name, call in calls.items():
        if call.inputs is None:
            raise CircuitError(
                f"Layer '{name}' was not called with one tensor while the model ran on the sample; give a sample that "
                "reaches it."
            )
    return calls


def _never(kept: Foreign) -> Tensor:
    raise CircuitError("The model differentiates while it runs; that is not followed.")


def _run(model: nn.Module, sample: Foreign) -> Foreign:
    if isinstance(sample, Mapping):
        return model(**sample)
    return model(*sample) if isinstance(sample, tuple | list) else model(sample)


def foreign_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the outermost foreign quantum layers of a model with their names.

    Raises:
        CircuitError: If it holds a layer of Qiskit's whose circuits cannot be read.
    """
    inside: set[int] = set()
    for name, module in model.named_modules():
        if id(module) not in inside and any(source.matches(module) for source in _SOURCES):
            inside.update(id(part) for part in module.modules())
            yield name, module
        elif type(module).__module__.startswith("qiskit_machine_learning"):
            raise CircuitError(
                f"Layer '{name}' is Qiskit's {type(module).__name__}, whose circuits cannot be read. PennyLane's "
                "TorchLayer, TorchQuantum modules and the TorchConnector of qiskit_machine_learning.connectors can."
            )


def _replace(
    name: str, call: _Call, model: nn.Module, copies: dict[int, Foreign], engine: str, trials: int, seed: int
) -> tuple[RecoveredLayer, LayerReport]:
    where = f"Layer '{name}'" if name else "The model"
    refused = f"{where} ({type(call.module).__name__}) cannot be accelerated."
    try:
        return _recover_and_prove(name, call, model, copies, engine, trials, seed)
    except CircuitError as error:
        raise CircuitError(f"{refused} {error}") from error
    except failures() as error:
        raise CircuitError(
            f"{refused} It, or its gradient, does not run on the inputs of the sample, one sample or random inputs: "
            f"{type(error).__name__}: {error}"
        ) from error


def _recover_and_prove(
    name: str, call: _Call, model: nn.Module, copies: dict[int, Foreign], engine: str, trials: int, seed: int
) -> tuple[RecoveredLayer, LayerReport]:
    inputs = call.inputs
    if inputs is None or not inputs.is_floating_point() or not inputs.numel():
        raise CircuitError("Its inputs in the sample are not real numbers, or there are none.")
    parameters = {key: copy.deepcopy(value, copies) for key, value in call.module.named_parameters()}
    with looking_at(model, training=False):
        source, n_dims = _source(call.module, inputs)
        recovered = recover(source, inputs.shape[inputs.dim() - n_dims :].numel(), seed)
        refuse_outside(source, inputs if inputs.dim() == n_dims else inputs[:1], _held(model))
        layout = _layout(source, inputs, n_dims, len(recovered.readout.rows))

        def build(dtype: torch.dtype) -> RecoveredLayer:
            return RecoveredLayer(recovered, layout, parameters, call.argument, engine, dtype, inputs.device)

        exact = build(source.dtype)
        proof = prove(source, exact, inputs, trials, seed)
        layer = build(torch.float64 if inputs.dtype == torch.float64 else torch.float32)
        prove_delivered(source, layer, inputs)
    with looking_at(model, training=True):
        prove_in_training(source, exact, inputs)
    with looking_at(model, training=False):
        _name_again(layer, call.module)
        _keep_buffers(layer, call.module, copies)
        report = _report(name, source, recovered, layer, inputs, proof)
    return layer, report


def _source(module: nn.Module, inputs: Tensor) -> tuple[Source, int]:
    """Return a layer's source, and how many dimensions of its inputs, from the last, are one sample."""
    if PennyLaneSource.matches(module):
        return PennyLaneSource(module, inputs.dim() > 1), 1
    if QiskitSource.matches(module):
        return QiskitSource(module), 1
    return TorchQuantumSource(module, tuple(inputs.shape[1:])), inputs.dim() - 1


def _held(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's parameters and buffers by name, without the memory of TorchQuantum's simulators."""
    scratch = {
        f"{path}.{name}" if path else name
        for path, part in module.named_modules()
        if is_simulator(part)
        for name, _ in part.named_buffers()
    }
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: tensor for name, tensor in held.items() if name not in scratch}


def _keep_buffers(layer: RecoveredLayer, module: nn.Module, copies: dict[int, Foreign]) -> None:
    """Hold the buffers that the circuit does not read, so that state dicts fit."""
    state = module.state_dict()
    for name, tensor in _held(module).items():
        if name in state and not isinstance(tensor, nn.Parameter):
            register_by_path(layer, name, copy.deepcopy(tensor, copies))


def _name_again(layer: RecoveredLayer, module: nn.Module) -> None:
    """Give parameters the further names under which state dicts hold them, such as Qiskit's ``_weights``."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if name != names[id(parameter)]:
            register_by_path(layer, name, layer.get_parameter(names[id(parameter)]))


def _layout(source: Source, inputs: Tensor, n_dims: int, n_outputs: int) -> Layout:
    """Observe how outputs are arranged, on a batch whose size no dimension of the outputs can have."""
    features = inputs.shape[inputs.dim() - n_dims :]
    probe = inputs.reshape(-1, *features)[0]
    if inputs.dim() > n_dims:
        probe = probe.expand(n_outputs + 1, *features)
    with torch.no_grad():
        outputs = source.run(probe, source.parameters())
    return Layout.observe(probe.shape, n_dims, outputs.shape, n_outputs)


def _report(
    name: str, source: Source, recovered: Recovered, layer: RecoveredLayer, inputs: Tensor, proof: Proof
) -> LayerReport:
    plan, circuit = layer.compiled.plan, recovered.circuit
    batched = inputs.dim() > len(layer.layout.features)
    rows = inputs.reshape(-1, *layer.layout.features)[: rows_at_once(circuit.n_wires)]
    timed = rows if batched else rows[0]
    parameters = source.parameters()
    before = measure(lambda x: source.run(x, parameters), timed, parameters.values(), len(rows))
    after = measure(layer, timed, layer.parameters(), len(rows))
    redundant = redundant_directions(circuit)
    entry_names = [entry for key, value in parameters.items() for entry in entries(key, value.shape)]
    unused = set(range(len(entry_names))) - set(recovered.weight_index) if not recovered.n_front else set()
    inert = sorted(unused | {recovered.weight_index[j] for j in inert_weights(circuit)})
    names = tuple(entry_names[j] for j in inert)
    return LayerReport(
        name, source.kind, circuit, plan.engine, plan.largest_piece, recovered.n_front, names, redundant, proof,
        before, after,
    )  # fmt: skip
