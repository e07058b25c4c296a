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
    yield from _floors(spec)
    yield from _control(spec)


def _table(scores: tuple[Score, ...]) -> Iterator[str]:
    """Return a table with the columns that at least one score fills."""
    rows = [_cells(each) for each in scores]
    kept = [name for name in rows[0] if any(row[name] for row in rows)]
    yield f"| {' | '.join(kept)} |"
    yield "|---" * len(kept) + "|"
    yield from (f"| {' | '.join(row[name] for name in kept)} |" for row in rows)
    yield ""


def _cells(score: Score) -> dict[str, str]:
    return {
        "score": score.label or score.metric,
        "value": f"{score.value:.4f}",
        "interval": f"{_ends(score.interval)} ({score.confidence:.0%})" if score.interval else "",
        "trivial": _floor(score),
        "control": "" if score.control is None else f"{score.control:.4f}",
        "difference": "" if score.control_interval is None else _ends(score.control_interval, "+"),
        "data": score.data,
        "split": score.split,
        "images": "" if score.images is None else f"{score.images:,}",
        "folds": ", ".join(map(str, score.folds)),
        "seeds": ", ".join(map(str, score.seeds)),
    }


def _floor(score: Score) -> str:
    if score.floor is None:
        return ""
    return f"{score.floor:.4f} ({score.floor_name})" if score.floor_name else f"{score.floor:.4f}"


def _ends(interval: tuple[float, float], sign: str = "") -> str:
    low, high = (f"{end:{sign}.4f}" for end in interval)
    return f"{low} to {high}"


def _floors(spec: WeightSpec) -> Iterator[str]:
    """Say which scores are no better than a trivial answer."""
    told = [each for each in (*spec.scores, *spec.out_of_domain) if each.above_floor is not None]
    missed = [f"{each.label or each.metric} on {each.data}" for each in told if not each.above_floor]
    if missed:
        yield from (f"**Not better than a trivial answer by more than the interval: {'; '.join(missed)}.**", "")
    elif told:
        yield from ("Better than a trivial answer by more than the interval, wherever both are stated.", "")


def _control(spec: WeightSpec) -> Iterator[str]:
    control = spec.control
    if control is None:
        if spec.circuits:
            yield from ("No control was run: nothing here says what the circuit is worth.", "")
        return
    interval = f" (from {control.interval[0]:+.4f} to {control.interval[1]:+.4f})" if control.interval else ""
    yield f"With the control `{control.name}` in the circuit's place: {control.metric} {control.value:.4f}, that is"
    yield f"{control.difference:+.4f}{interval} for the circuit. Verdict: {control.verdict}."
    if control.how:
        yield f"{control.how[0].upper()}{control.how[1:]}."
    if control.verdict != "better":
        yield "**The circuit is not better than its control.**"
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
