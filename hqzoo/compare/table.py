"""Tables: which rows of which recipe are trained on which folds with which seeds, and what is compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal

import numpy as np

from hqzoo.compare.overrides import is_local
from hqzoo.errors import ConfigError, unknown_name
from hqzoo.tasks.metric import Metric

__all__ = [
    "CONTROL",
    "GRADES",
    "OWN_CONTROL",
    "REPEATED",
    "SEED_RULES",
    "Cell",
    "Comparison",
    "Row",
    "SeedRule",
    "Table",
    "recipe_name",
]

REPEATED = "protocol repeated, with deviations"
GRADES = ("replicated", REPEATED, "tested in kind", "implemented")
BASELINES, CONTROLS = "baselines", "controls"  # the families of comparisons
CONTROL = "--model.init_args.architecture_args.control"
OWN_CONTROL = "--control"  # of a LightningModule that is no task of hqzoo
REFERENCE = "quantum"

SeedRule = Literal["per_run", "shared"]
SEED_RULES = ("per_run", "shared")


@dataclass(frozen=True)
class Cell:
    """One run of a table.

    Args:
        row: Name of the row.
        fold: The fold that is tested; 0 where the data have none.
        seed: Number of the repetition, from which the seed of weights and crops follows, see :meth:`run_seed`.
    """

    row: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.row}-fold{self.fold}-seed{self.seed}"

    def run_seed(self, rule: SeedRule) -> int:
        """Return the seed of initial weights and crops; it is the same in every row, so that runs are paired.

        Args:
            rule: ``"per_run"``: every fold of every repetition draws its own, as one lucky draw that all folds share
                would count as many times as there are folds. ``"shared"``: the repetition's number itself, in all
                folds; the rule of tables that were run before there was another.
        """
        if rule == "shared":
            return self.seed
        return int(np.random.SeedSequence((self.seed, self.fold)).generate_state(1)[0])


@dataclass(frozen=True)
class Comparison:
    """A difference that the table is there for: ``row`` minus ``against``.

    Args:
        row: The row.
        against: What it is compared with.
        family: p-values are corrected for the number of comparisons in it.
        of_control: Whether ``against`` is a control of ``row``.
    """

    row: str
    against: str
    family: str
    of_control: bool = False


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        name: Its name, part of file names.
        settings: What it changes in the recipe, ``--key=value``.
        against: Rows that it is compared with.
        repeats: Seeds: None all of the table, a number the first so many, or the seeds.
        label: What readers see; default: the name.
        published: The paper's score: one, or by fold. Never our own.
        control_of: The row whose control this is; the difference is that row minus this one.
        family: Comparisons of this row are a question of their own, with this name, such as a check of precision.
            Default: all comparisons with other rows are one family, all with controls another.
        pretrained_on: What its weights were trained on before, in a few words; empty: nothing.
        in_domain: Whether that were images of the sensor that took the images tested here, of wherever.

    Raises:
        ConfigError: If it is in-domain, but of nothing.
    """

    name: str
    settings: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    repeats: int | tuple[int, ...] | None = None
    label: str = ""
    published: float | Mapping[int, float] | None = None
    control_of: str | None = None
    family: str = ""
    pretrained_on: str = ""
    in_domain: bool = False

    def __post_init__(self) -> None:
        if self.in_domain and not self.pretrained_on:
            raise ConfigError(f"Row '{self.name}' is in_domain: say in pretrained_on what it was pretrained on.")


@dataclass(frozen=True)
class Table:
    """Rows x folds x seeds of one recipe.

    Args:
        name: Its name, part of file names.
        recipe: Recipe file or short name.
        rows: The rows.
        folds: Folds to leave out in turn; empty: the data have no folds.
        seeds: Seeds of weights and crops.
        title: Heading; default: the name.
        metric: The score that is compared: one of the test reports, ``miou``, or of one class, ``iou/lesion``. Empty:
            the first one of the reports, the one that the task thinks of first.
        meaning: What that score means; None: what the reports say.
        grade: How close the table is to the published experiment, one of ``GRADES``, or empty. ``"replicated"``: data,
            protocol and settings are the authors'.
        deviations: What differs from the published experiment where its protocol was repeated.
        units: Name of the table's score, if its differences are told image by image (or by whatever is scored one by
            one) rather than by folds or seeds, see :mod:`hqzoo.compare.unit_verdicts`; empty: by folds or seeds.
        margin: The difference in the metric that nobody would mind; None: that of its meaning, which may have none.
        settings: What all rows change in the recipe.
        seed_rule: How the seeds of runs follow from fold and seed, see :meth:`Cell.run_seed`.

    Raises:
        ConfigError: If a name cannot be part of a file name, or names a row that does not exist.
    """

    name: str
    recipe: str
    rows: tuple[Row, ...]
    folds: tuple[int, ...] = ()
    seeds: tuple[int, ...] = (0,)
    title: str = ""
    metric: str = ""
    meaning: Metric | None = None
    grade: str = ""
    margin: float | None = None
    settings: tuple[str, ...] = ()
    seed_rule: SeedRule = "per_run"
    deviations: tuple[str, ...] = ()
    units: str = ""

    def __post_init__(self) -> None:
        for name in (self.name, *(row.name for row in self.rows)):
            if not re.fullmatch(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*", name):
                raise ConfigError(f"'{name}' names files: use letters, digits and _ . + - only.")
        if not self.rows:
            raise ConfigError(f"Table '{self.name}' has no rows.")
        if not self.seeds:
            raise ConfigError(f"Table '{self.name}' has no seeds: give at least one, such as seeds: [0].")
        if self.grade and self.grade not in GRADES:
            raise ConfigError(unknown_name("grade", self.grade, GRADES))
        if (self.grade == REPEATED) != bool(self.deviations):
            raise ConfigError(
                f"Grade '{self.grade}' with {len(self.deviations)} deviations: '{REPEATED}' lists what differs from "
                "the published experiment, no other grade does."
            )
        if self.seed_rule not in SEED_RULES:
            raise ConfigError(unknown_name("seed_rule", self.seed_rule, SEED_RULES))
        if self.meaning and self.meaning.name != self.metric.partition("/")[0]:
            raise ConfigError(f"The table compares '{self.metric}', but says what '{self.meaning.name}' means.")
        if self.units and self.units != self.metric:
            raise ConfigError(
                f"units: {self.units} tells differences in that score image by image, but the table compares "
                f"'{self.metric}'. Say metric: {self.units} as well."
            )
        for what, numbers in (("folds", self.folds), ("seeds", self.seeds)):
            if len(set(numbers)) < len(numbers):
                raise ConfigError(f"{what}: {list(numbers)} names one twice.")
        if self.margin is not None and self.margin <= 0:
            raise ConfigError(f"margin: {self.margin} must be positive, such as 0.01.")
        for row in self.rows:
            for other in (*row.against, *([row.control_of] if row.control_of else [])):
                if other not in self.row_names:
                    raise ConfigError(f"Row '{row.name}': " + unknown_name("row", other, self.row_names))
                if other == row.name:
                    raise ConfigError(f"Row '{row.name}' cannot be compared with itself.")
            self.seeds_of(row)

    @classmethod
    def of_controls(
        cls,
        recipe: str,
        controls: Sequence[str],
        folds: Sequence[int] = (),
        seeds: Sequence[int] = (0,),
        key: str = CONTROL,
    ) -> Table:
        """Return a table with one row per control of a recipe's model.

        All other rows are controls of ``quantum`` or, where it is not among them, of the first.

        Args:
            recipe: Recipe file or short name.
            controls: Names of the controls.
            folds: Folds; empty: the data have none.
            seeds: Seeds.
            key: The option that sets the control: of an architecture, or :data:`OWN_CONTROL`.

        Raises:
            ConfigError: If there are no controls, or one is given twice.
        """
        if not controls or len(set(controls)) < len(controls):
            raise ConfigError(f"Give different controls, such as quantum mlp constant; got {' '.join(controls)!r}.")
        reference = REFERENCE if REFERENCE in controls else controls[0]
        rows = tuple(
            Row(name, (f"{key}={name}",), control_of=None if name == reference else reference) for name in controls
        )
        name = recipe_name(recipe).replace("/", "-")
        return cls(name, recipe, rows, tuple(folds), tuple(seeds))

    @property
    def row_names(self) -> tuple[str, ...]:
        """Names of the rows."""
        return tuple(row.name for row in self.rows)

    def row(self, name: str) -> Row:
        """Return a row by name.

        Raises:
            ConfigError: If there is none.
        """
        if name not in self.row_names:
            raise ConfigError(unknown_name("row", name, self.row_names))
        return self.rows[self.row_names.index(name)]

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        """Return the seeds of a row.

        Raises:
            ConfigError: If it repeats more often than the table has seeds.
        """
        if row.repeats is None:
            return self.seeds
        if not isinstance(row.repeats, int):
            return row.repeats
        if not 1 <= row.repeats <= len(self.seeds):
            raise ConfigError(
                f"Row '{row.name}' repeats {row.repeats} times, but the table has {len(self.seeds)} seeds "
                f"{list(self.seeds)}: it runs the first so many of them."
            )
        return self.seeds[: row.repeats]

    def cells(
        self, rows: Sequence[str] | None = None, folds: Sequence[int] | None = None, seeds: Sequence[int] | None = None
    ) -> list[Cell]:
        """Return the cells, or those of some rows, folds and seeds: all rows of a fold before the next fold.

        Raises:
            ConfigError: If the table has no such row, fold or seed.
        """
        seeds_of_rows = (seed for row in self.rows for seed in self.seeds_of(row))
        every = [
            Cell(row.name, fold, seed)
            for seed in dict.fromkeys((*self.seeds, *seeds_of_rows))
            for fold in self.folds or (0,)
            for row in self.rows
            if seed in self.seeds_of(row)
        ]
        for what, wanted in (("row", rows), ("fold", folds), ("seed", seeds)):
            known = {getattr(cell, what) for cell in every}
            for each in wanted or ():
                if each not in known:
                    raise ConfigError(unknown_name(f"{what} of table {self.name}", str(each), map(str, known)))
            every = [cell for cell in every if wanted is None or getattr(cell, what) in wanted]
        return every

    def settings_of(self, name: str) -> list[str]:
        """Return what a row changes in the recipe: what all rows change, then its own."""
        return [*self.settings, *self.row(name).settings]

    def comparisons(self) -> list[Comparison]:
        """Return the differences that the table is there for, in the order of its rows."""
        found: dict[tuple[str, str], Comparison] = {}
        for row in self.rows:
            if row.control_of:
                control = Comparison(row.control_of, row.name, row.family or CONTROLS, of_control=True)
                found[row.control_of, row.name] = control
            for other in row.against:
                if other != row.control_of:
                    found.setdefault((row.name, other), Comparison(row.name, other, row.family or BASELINES))
        return list(found.values())

    def widened(self, earlier: Table) -> Table:
        """Return the table of controls with the rows, folds and seeds of an earlier one of the same recipe as well.

        Raises:
            ConfigError: If the earlier one is no table of controls of this recipe, or has other settings.
        """
        key = self.rows[0].settings[0].partition("=")[0]
        plain = Table.of_controls(earlier.recipe, earlier.row_names, earlier.folds, earlier.seeds, key)
        scored = replace(plain, metric=self.metric, meaning=self.meaning, seed_rule=earlier.seed_rule)
        if recipe_name(self.recipe) != recipe_name(earlier.recipe) or scored != replace(earlier, settings=()):
            raise ConfigError(
                f"There is another table already, '{earlier.name}' of recipe {earlier.recipe}. Use another --out."
            )
        if set(self.settings) != set(earlier.settings):
            raise ConfigError(
                f"The table that is there has the overrides {' '.join(earlier.settings) or '(none)'}, this one "
                f"{' '.join(self.settings) or '(none)'}. Give the same, or use another --out."
            )
        names, folds, seeds = (
            tuple(dict.fromkeys((*getattr(earlier, what), *getattr(self, what))))
            for what in ("row_names", "folds", "seeds")
        )
        wider = Table.of_controls(self.recipe, names, folds, seeds, key)
        wider = replace(wider, settings=earlier.settings, seed_rule=earlier.seed_rule)
        return replace(wider, metric=self.metric, meaning=self.meaning)

    def scored_by(self, metric: str) -> Table:
        """Return the table with another score, beside which nothing was published."""
        if metric == self.metric:
            return self
        rows = tuple(replace(row, published=None) for row in self.rows)
        units = metric if self.units else ""
        return replace(self, metric=metric, meaning=None, margin=None, rows=rows, units=units)

    def with_settings(self, settings: Sequence[str]) -> Table:
        """Return the table with further settings of all rows; those that name a place are left out."""
        further = [each for each in settings if not is_local(each) and each not in self.settings]
        return replace(self, settings=(*self.settings, *further))


def recipe_name(recipe: str) -> str:
    """Return the short name of a recipe: ``hq_unet/ph2`` for ``recipes/hq_unet/ph2.yaml``."""
    path = PurePath(recipe)
    parts = path.with_suffix("").parts if path.suffix in (".yaml", ".yml") else path.parts
    places = [place for place, part in enumerate(parts) if part == "recipes"]
    return "/".join(part for part in parts[places[-1] + 1 if places else 0 :] if part not in ("/", ".", ".."))
