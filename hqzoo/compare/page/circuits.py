"""The circuits of models, drawn, with the engine that runs them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hqzoo.compare.page.folders import Comparison, Run
from hqzoo.compare.page.markup import Markup, bullets, figure, join, tag
from hqzoo.errors import ConfigError, HqzooError

if TYPE_CHECKING:
    from torch import nn

    from hqzoo.quantum import Circuit, QuantumLayer

__all__ = ["drawn_circuits"]

SHRUNK = 1.0  # pixels of the page for a point of the drawing
BANDS, CLASSES = 3, 2
"""What a model is built with to see its circuits, where no checkpoint says it: they depend on neither. CHOICE"""


def drawn_circuits(runs: Iterable[Run], tables: Iterable[Comparison]) -> Markup:
    """Return every circuit once, with the models that have it, and why any other one is not drawn."""
    users: dict[tuple[Circuit, str], list[str]] = {}
    layers: dict[tuple[Circuit, str], QuantumLayer] = {}
    missing = []
    for name, build in _models(runs, tables):
        try:
            found = _layers(build())
        except HqzooError as error:
            missing.append(f"{name}: not drawn. {error}")
            continue
        for part, layer in found.items():
            key = layer.circuit, layer.compiled.plan.engine
            layers.setdefault(key, layer)
            users.setdefault(key, []).append(f"{name}, {part}")
    return join([*(_figure(layer, users[key]) for key, layer in layers.items()), bullets(missing)])


def _models(runs: Iterable[Run], tables: Iterable[Comparison]) -> Iterable[tuple[str, Any]]:
    """Yield what each model with a circuit is called, and what builds it."""
    for run in runs:
        if run.report is None or run.report.model.get("quantum_parameters"):
            yield run.name, lambda run=run: _of_run(run)
    for table in tables:
        for row, cells in table.results.items():
            model = next((cell.report.model for cell in cells.values()), {})
            if model.get("quantum_parameters") and model.get("architecture"):
                yield f"{table.name}, row {row}", lambda model=model: _fresh(model)


def _of_run(run: Run) -> nn.Module:
    """Return the model of a run's checkpoint or, where that is gone, one like it."""
    if any((run.path / "checkpoints").glob("*.ckpt")):
        from hqzoo.weights import load

        return load(run.path, own_architecture=run.own_architecture).model
    model = run.report.model if run.report else run.model
    return _fresh(model)


def _fresh(model: Mapping[str, Any]) -> nn.Module:
    from hqzoo.models import create_model

    if "." in str(model.get("architecture", ".")):
        raise ConfigError("Its architecture is none of hqzoo's, and its checkpoint is not there.")
    name = str(model["architecture"])
    arguments = dict(model.get("architecture_args") or {})
    return create_model(name, in_channels=BANDS, num_classes=CLASSES, **arguments)


def _layers(model: nn.Module) -> dict[str, QuantumLayer]:
    from hqzoo.models import as_model
    from hqzoo.quantum import QuantumLayer

    parts = as_model(model).quantum_parts()
    return {name: part for name, part in parts.items() if isinstance(part, QuantumLayer)}


def _figure(layer: QuantumLayer, users: list[str]) -> Markup:
    from hqzoo.quantum.drawing import draw_figure

    circuit, plan = layer.circuit, layer.compiled.plan
    sizes = (
        f"{circuit.n_wires} qubits, {len(circuit.gates)} gates, {circuit.n_data} data, {circuit.n_weights} weights, "
        f"{circuit.n_observables} outputs"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "circuit.svg"
        draw_figure(circuit, path)
        svg = path.read_bytes()
    size = re.search(rb'<svg[^>]* width="([\d.]+)pt"', svg)
    width = f"{SHRUNK * float(size[1]):.0f}" if size else "auto"
    address = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    drawing = tag("img", src=address, width=width, alt=f"Drawing of a circuit of {sizes}")
    box = tag("div", drawing, class_="scroll circuit", role="region", tabindex=0, aria_label=f"Circuit of {sizes}")
    facts = [
        tag("strong", sizes), ". Engine ", tag("strong", plan.engine),
        f": {plan.reason}; pieces of at most {plan.largest_piece} qubit(s), {plan.flops:,} FLOP and {plan.bytes:,} "
        f"bytes per sample. In {'; '.join(users)}.",
    ]  # fmt: skip
    return figure(box, join(facts))
