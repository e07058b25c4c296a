"""Show a named circuit: its drawing, how it runs, what can be known about it, what it costs on hardware.

    hqzoo circuit                                    lists the names
    hqzoo circuit hq_unet --plan --hardware grid
    hqzoo circuit hq_unet --arg n_layers=2 --arg periodic=true --diagnose
    hqzoo circuit qufex --draw qufex.pdf --qasm qufex.qasm

Without an option the circuit is drawn as text.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Parameter

    from hqzoo.quantum import Circuit
    from hqzoo.quantum.diagnostics import Plateau

__all__ = ["add_arguments", "run"]

# Arguments of the same circuit at growing sizes, for the variance of its gradients.
_SIZES: dict[str, list[dict[str, int]]] = {
    "hq_unet": [{"rows": side, "cols": side} for side in (2, 4, 6)],
    "qufex": [{"n_qubits": n} for n in (4, 8, 12)],
    "qcnn": [{"n_qubits": n} for n in (4, 8)],
    "swap_test": [{"n": n} for n in (2, 3, 4, 5)],
    "fidelity": [{"n": n} for n in (2, 3, 4, 5)],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the circuit, and what to show of it."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of the circuit; without it, names are listed")
    parser.add_argument(
        "--arg", action="append", default=[], metavar="KEY=VALUE", help="argument of the circuit, such as n_layers=2"
    )
    parser.add_argument("--draw", metavar="FILE", help="draw it into a .png, .pdf, .svg or .txt file")
    parser.add_argument("--plan", action="store_true", help="which engine runs it, why, and at what cost")
    parser.add_argument(
        "--diagnose",
        action="store_true",
        help="light cones, inert and redundant weights, expressibility, entanglement, gradients, frequencies",
    )
    parser.add_argument(
        "--hardware",
        metavar="H",
        help="cost on hardware: grid, heavy-hex, line, ring or all (every pair couples); needs Qiskit",
    )
    parser.add_argument(
        "--circuits-per-patch", type=int, default=1, metavar="N", help="circuits that an image patch needs (default: 1)"
    )
    parser.add_argument("--qasm", metavar="FILE", help="write it as OpenQASM 3")
    parser.add_argument("--json", metavar="FILE", help="write plan, diagnosis and cost, as far as asked for, as JSON")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers of --diagnose (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Show what was asked for."""
    import json
    import sys
    from dataclasses import asdict

    from hqzoo.errors import CircuitError, unknown_name
    from hqzoo.quantum import circuits, plan
    from hqzoo.quantum.diagnostics import diagnose, hardware_cost
    from hqzoo.quantum.drawing import draw
    from hqzoo.quantum.export import to_qasm

    known = circuits.named()
    if args.name is None:
        sys.stdout.write(_listing(known))
        return 0
    if args.name not in known:
        raise CircuitError(unknown_name("circuit", args.name, known))
    options = _options(args.name, known[args.name], args.arg)
    circuit = known[args.name](**options)
    found: dict[str, Any] = {"circuit": args.name, "arguments": options}
    sys.stdout.write(str(circuit).splitlines()[0].replace("Circuit", args.name, 1) + "\n")
    if args.draw:
        _draw(circuit, args.draw)
    if args.qasm:
        _write(args.qasm, to_qasm(circuit))
    if args.plan:
        how = plan(circuit)
        found["plan"] = asdict(how)
        sys.stdout.write(
            f"plan           {how.engine}: {how.reason}; {how.flops:,} FLOP and {how.bytes:,} bytes per sample\n"
        )
    if args.diagnose:
        diagnosis = diagnose(circuit, args.seed)
        found["diagnosis"] = diagnosis.to_dict()
        sys.stdout.write(f"{diagnosis}\n")
        plateau = _plateau(args.name, known[args.name], options, args.seed)
        if plateau:
            found["plateau"] = asdict(plateau)
            sizes = ", ".join(f"{size.mean:.3g} at {size.n_wires} qubits" for size in plateau.sizes)
            sys.stdout.write(f"at sizes       variance {sizes}: {plateau.slope:+.3f} in its logarithm per qubit\n")
    if args.hardware:
        cost = hardware_cost(circuit, args.hardware, circuits_per_patch=args.circuits_per_patch)
        found["hardware"] = cost.to_dict()
        sys.stdout.write(f"hardware       {cost}\n")
    if args.json:
        _write(args.json, json.dumps(found, indent=2) + "\n")
    if not any((args.draw, args.qasm, args.plan, args.diagnose, args.hardware, args.json)):
        sys.stdout.write(draw(circuit) + "\n")
    return 0


def _listing(known: dict[str, Callable[..., Circuit]]) -> str:
    import inspect

    width = max(map(len, known))
    lines = []
    for name, build in known.items():
        arguments = ", ".join(f"{p.name}={p.default}" for p in inspect.signature(build).parameters.values())
        lines.append(f"{name:{width}}  {(inspect.getdoc(build) or '').splitlines()[0]}\n")
        lines.append(f"{'':{width}}  {arguments or 'no arguments'}\n")
    return "".join(lines)


def _options(name: str, build: Callable[..., Circuit], given: list[str]) -> dict[str, Any]:
    """Return the arguments of a circuit from ``key=value`` texts, each of the type of its default."""
    import inspect

    from hqzoo.errors import ConfigError, did_you_mean

    known = inspect.signature(build).parameters
    options = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--arg {text} is not KEY=VALUE, such as --arg n_layers=2.")
        if key not in known:
            raise ConfigError(
                f"Circuit '{name}' has no argument '{key}'.{did_you_mean(key, known)} "
                f"Its arguments: {', '.join(known) or 'none'}."
            )
        options[key] = _value(known[key], value)
    return options


def _value(parameter: Parameter, text: str) -> Any:  # noqa: ANN401 - whatever the circuit takes
    from hqzoo.errors import ConfigError

    kind = type(parameter.default)
    if kind is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise ConfigError(f"{parameter.name}={text}: give true or false.")
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"{parameter.name}={text}: a number such as {parameter.default} is needed.") from None


def _plateau(name: str, build: Callable[..., Circuit], options: dict[str, Any], seed: int) -> Plateau | None:
    """Return gradient variances at growing sizes, for circuits that have a size and can be run at each of them."""
    from hqzoo.quantum.diagnostics import affordable_gradients, barren_plateau

    sizes = [build(**{**options, **size}) for size in _SIZES.get(name, [])]
    if not sizes or not all(affordable_gradients(size) for size in sizes):
        return None
    return barren_plateau(sizes, seed=seed)


def _draw(circuit: Circuit, path: str) -> None:
    from hqzoo.quantum.drawing import draw, draw_figure

    if path.lower().endswith(".txt"):
        _write(path, draw(circuit) + "\n")
    else:
        draw_figure(circuit, path)


def _write(path: str, text: str) -> None:
    from pathlib import Path

    from hqzoo.errors import ConfigError

    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be written: {error.strerror}.") from None
