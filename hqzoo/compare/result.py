"""One finished run of a table: its report, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from hqzoo.compare.table import Cell, SeedRule
from hqzoo.tasks.report import Report

__all__ = ["Identity", "Result", "Results", "SampleFile"]


@dataclass(frozen=True)
class Identity:
    """Which run of which recipe: what a run, finished or not, must share with its table.

    Args:
        cell: The cell of the table.
        recipe: Recipe file or short name.
        recipe_digest: What the recipe said, see :func:`hqzoo.compare.cells.recipe_digest`; empty: not known.
        settings: What was changed in the recipe; None: not known.
        content: Fingerprint of its data, see :func:`hqzoo.data.contents.content_of`; empty: not known.
        seed_rule: How its seed follows from the cell.
    """

    cell: Cell
    recipe: str
    recipe_digest: str = ""
    settings: tuple[str, ...] | None = None
    content: str = ""
    seed_rule: SeedRule = "per_run"

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, on one level."""
        settings = None if self.settings is None else list(self.settings)
        return {
            **asdict(self.cell), "recipe": self.recipe, "recipe_digest": self.recipe_digest, "settings": settings,
            "content": self.content, "seed_rule": self.seed_rule,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build it from :meth:`to_dict`'s result, further keys aside.

        Raises:
            KeyError: If a key is missing.
        """
        settings = values["settings"]
        return cls(
            Cell(values["row"], values["fold"], values["seed"]), values["recipe"], values["recipe_digest"],
            None if settings is None else tuple(settings),
            values.get("content", ""),  # published tables were run before it was kept
            values.get("seed_rule", "shared"),  # and before there was another
        )  # fmt: skip


@dataclass(frozen=True)
class SampleFile:
    """The file of what was found of every sample, see :mod:`hqzoo.compare.samples`.

    Args:
        file: Its name.
        sha256: Digest of its content.
    """

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished cell.

    Args:
        identity: Which run of which recipe it is.
        report: What the test of its last checkpoint found; costs are those of its training as well.
        best: Scores of the checkpoint that was best on validation data; None where there was none.
        losses: Mean training loss of every epoch.
        curve: Mean training loss of equal parts of what was logged, at most 16; empty: not known.
        samples: File of what was found of every sample; None where none was kept.
        command: The command that trains it.
        machine: What it ran on, see :func:`hqzoo.compare.machine.describe_machine`.
        finished: When, in ISO 8601.
    """

    identity: Identity
    report: Report
    best: Report | None = None
    losses: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()
    samples: SampleFile | None = None
    command: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    finished: str = ""

    @property
    def cell(self) -> Cell:
        """The cell of the table."""
        return self.identity.cell

    def to_dict(self) -> dict[str, Any]:
        """Return plain types; the reports in it say which schema they follow."""
        return {
            **self.identity.to_dict(), "command": self.command, "machine": dict(self.machine),
            "finished": self.finished, "samples": None if self.samples is None else asdict(self.samples),
            "losses": list(self.losses), "curve": list(self.curve), "report": self.report.to_dict(),
            "best": None if self.best is None else self.best.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the result from :meth:`to_dict`'s result.

        Raises:
            KeyError: If a key is missing.
            ConfigError: If its reports follow another schema.
        """
        best, samples = values["best"], values["samples"]
        return cls(
            identity=Identity.from_dict(values),
            report=Report.from_dict(values["report"]),
            best=None if best is None else Report.from_dict(best),
            losses=tuple(values["losses"]),
            curve=tuple(values.get("curve", ())),  # published tables were run before it was kept
            samples=None if samples is None else SampleFile(**samples),
            command=values["command"],
            machine=values["machine"],
            finished=values["finished"],
        )


Results = dict[str, dict[tuple[int, int], Result]]  # row -> (fold, seed) -> result
