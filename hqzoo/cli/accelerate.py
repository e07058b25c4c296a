"""Replace the PennyLane, TorchQuantum and Qiskit layers of your own model by proven equal, faster ones, and report.

MODULE:FACTORY names a function without arguments that returns the model, or the model and a sample to call it with:

    hqzoo accelerate mypackage.models:build --input-shape 8 16
    hqzoo accelerate train.py:build_with_sample --save fast.pt

Nothing of yours is changed. In your program: model, report = hqzoo.accelerate(model, sample).
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, its sample, and what to do with the result."""
    parser.add_argument("factory", metavar="MODULE:FACTORY", help="module (or file.py) and function that builds it")
    shape = "shape of a random sample, batch first, where FACTORY returns none"
    parser.add_argument("--input-shape", type=int, nargs="+", metavar="N", help=shape)
    parser.add_argument("--engine", default="auto", help="engine that runs the recovered circuits (default: auto)")
    parser.add_argument("--trials", type=int, default=32, help="random cases to prove equality on (default: 32)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random cases (default: 0)")
    parser.add_argument("--save", metavar="FILE", help="write the accelerated model's state dict")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Accelerate, print the report."""
    import json
    import sys
    from pathlib import Path

    import torch

    from hqzoo.quantum.accelerate import accelerate

    model, sample = _build(args.factory, args.input_shape)
    fast, report = accelerate(model, sample, engine=args.engine, trials=args.trials, seed=args.seed)
    sys.stdout.write(f"{report}\n")
    if args.save:
        torch.save(fast.state_dict(), args.save)
    if args.json:
        Path(args.json).write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    return 0


def _build(factory: str, shape: list[int] | None) -> tuple[nn.Module, Any]:
    """Return the model and its sample."""
    import torch
    from torch import nn

    from hqzoo.errors import ConfigError

    built = _function(factory)()
    model, sample = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"{factory} returned {type(model).__name__}; a torch.nn.Module, or one and a sample, is needed."
        )
    if shape:
        sample = torch.rand(shape)
    if sample is None:
        raise ConfigError(f"{factory} returned no sample; give the shape of one: --input-shape 8 16")
    return model, sample


def _function(name: str) -> Any:  # noqa: ANN401 - whatever stands under that name
    from hqzoo._own_code import import_own, load_script
    from hqzoo.errors import ConfigError, did_you_mean

    module, _, attribute = name.rpartition(":")
    if not module or not attribute:
        raise ConfigError(f"'{name}' is not MODULE:FACTORY, such as mypackage.models:build or train.py:build.")
    members = vars(load_script(module) if module.endswith(".py") else import_own(module, name))
    if not callable(members.get(attribute)):
        raise ConfigError(f"{module} has no function '{attribute}'.{did_you_mean(attribute, members)}")
    return members[attribute]
