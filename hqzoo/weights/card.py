"""The model card: what a spec says, for people."""

from __future__ import annotations

from collections.abc import Iterator

from hqzoo.weights.evidence import Score
from hqzoo.weights.spec import WeightSpec

__all__ = ["card"]


def card(spec: WeightSpec, panel: str | None = None) -> str:
    """Return a model card in Markdown.

    Args:
        spec: The weights.
        panel: File of a picture beside the card; None: there is none.
    """
    return "\n".join(_lines(spec, panel)) + "\n"


def _lines(spec: WeightSpec, panel: str | None) -> Iterator[str]:
    yield from (f"# {spec.name}", "", spec.summary, "")
    if panel:
        yield from (f"![Images, labels and predictions]({panel})", "")
    if spec.caveats:
        yield from ("## Read first", "", *(f"- {each}" for each in spec.caveats), "")
    yield from ("## Use", "", "```bash", f"pip install {spec.distribution}", *_commands(spec), "```", "")
    yield from ("```python", "import hqzoo", "", f'task = hqzoo.load("{spec.name}")  # in eval()', "```", "")
    yield from _images(spec)
    yield from _evidence(spec)
    yield from _model(spec)
    yield from _provenance(spec)


def _commands(spec: WeightSpec) -> list[str]:
    if spec.targets is not None and spec.targets.kind == "mask":
        return [f"hqzoo map SCENE.tif --weights {spec.name} -o MAP.tif"]
    return [f"hqzoo weights info {spec.name}"]


def _images(spec: WeightSpec) -> Iterator[str]:
    yield from ("## Images and classes", "")
    for name, sensor in spec.sensors.items():
        yield f"- `{name}`: {', '.join(sensor.bands)}; {sensor.unit}, full scale {sensor.scale:g}" + "".join(
            f"; {part}"
            for part in (
                f"offset {sensor.offset:g}" if sensor.offset else "",
                f"{sensor.gsd:g} m a pixel" if sensor.gsd else "",
                sensor.level,
            )
            if part
        )
    if spec.targets is not None:
        yield f"- classes ({spec.targets.kind}): {', '.join(spec.targets.classes)}"
    known = any(sensor.gsd for sensor in spec.sensors.values())
    resolution = (
        ", and scenes of another resolution" if known else "; the resolution of the training data is not stated"
    )
    yield from ("", f"Images of other bands or units are refused{resolution}.", "")


def _evidence(spec: WeightSpec) -> Iterator[str]:
    yield from ("## Scores", "")
    if not spec.scores:
        yield from ("None is stated: nothing here says how good these weights are.", "")
    else:
        yield from _table(spec.scores)
    yield from ("On data of another kind:", "", *_table(spec.out_of_domain)) if spec.out_of_domain else (
        "Not scored on data of another kind.", "")  # fmt: skip
    control = spec.control
    if control is None:
        if spec.circuits:
            yield from ("No control was run: nothing here says what the circuit is worth.", "")
        return
    interval = f" (from {control.interval[0]:+.4f} to {control.interval[1]:+.4f})" if control.interval else ""
    yield f"With the control `{control.name}` in the circuit's place: {control.metric} {control.value:.4f}, that is"
    yield f"{control.difference:+.4f}{interval} for the circuit. Verdict: {control.verdict}."
    if control.verdict != "better":
        yield "**The circuit is not better than its control.**"
    yield ""


def _table(scores: tuple[Score, ...]) -> Iterator[str]:
    yield "| score | value | interval | data | split | images | folds | seeds |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in scores:
        interval = f"{each.interval[0]:.4f} to {each.interval[1]:.4f} ({each.confidence:.0%})" if each.interval else ""
        images = "" if each.images is None else f"{each.images:,}"
        where = (each.data, each.split, images, _listed(each.folds), _listed(each.seeds))
        cells = (each.label or each.metric, f"{each.value:.4f}", interval, *where)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _model(spec: WeightSpec) -> Iterator[str]:
    arguments = ", ".join(f"{key}={value!r}" for key, value in spec.architecture_args.items())
    yield from ("## Model", "", f"`{spec.architecture}`" + (f" with {arguments}" if arguments else "") + ".", "")
    for name, circuit in spec.circuits.items():
        yield (
            f"- circuit `{name}`: {circuit.qubits} qubits, {circuit.gates} gates, {circuit.weights} weights, "
            f"{circuit.outputs} outputs; engine `{circuit.engine}`"
        )
    for place, origin in spec.frozen.items():
        licence = origin.licence or "random weights"
        yield f"- `{place}` is not in the file: {origin.source} ({licence}), SHA-256 `{origin.sha256}`"
    for place, origin in spec.started_from.items():
        yield f"- `{place}` was trained from {origin.source} ({origin.licence}), SHA-256 `{origin.sha256}`"
    yield ""


def _provenance(spec: WeightSpec) -> Iterator[str]:
    yield from ("## Where they come from", "")
    for data in spec.training_data:
        link = f"[{data.name}]({data.url})" if data.url else data.name
        yield f"- trained on {link}, licence {data.licence}" + (f". {data.citation}" if data.citation else "")
    facts = {
        "licence of the weights": spec.licence,
        "command": f"`{spec.command}`" if spec.command else "",
        "recipe (SHA-256)": f"`{spec.recipe_sha256}`" if spec.recipe_sha256 else "",
        "trained with": f"hqzoo {spec.code_version}, {spec.steps} steps",
        "loads with": f"hqzoo {spec.min_hqzoo} or newer",
        "file (SHA-256)": f"`{spec.sha256}`, {spec.size:,} bytes",
    }
    yield from (f"- {key}: {value}" for key, value in facts.items() if value)


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
