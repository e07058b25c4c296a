"""GEO-Bench version 1: six of its data sets, in their own layout, without the benchmark's package."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hqzoo.data.any_targets import AnyTargetsDataModule
from hqzoo.data.base import Split
from hqzoo.data.faults import refuse
from hqzoo.data.files.listing import some
from hqzoo.data.geobench.bands import (
    SENTINEL2,
    BandMap,
    Measured,
    Order,
    find_order,
    map_bands,
    read_statistics,
)
from hqzoo.data.geobench.files import Bands, LabelledSample, MaskedSample, open_sample, read_bands
from hqzoo.data.geobench.sets import SETS, GeoBenchSet
from hqzoo.data.labels import IGNORE_INDEX, ClassMap
from hqzoo.data.records import Record
from hqzoo.data.resized import Resized, ResizedWhole
from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.data.targets import Targets
from hqzoo.errors import ConfigError, DataError, LeakError, unknown_name

__all__ = ["GeoBenchDataModule"]

DEFAULT = "default"
STATISTICS = "band_stats.json"
_PARTITION = "_partition.json"
_THEIRS: Mapping[Split, str] = {"train": "train", "val": "valid", "test": "test"}
_LOOKED_AT = 8  # samples that are compared with the statistics. CHOICE


class GeoBenchDataModule(AnyTargetsDataModule):
    """A data set of GEO-Bench version 1 in the layout that the benchmark downloads, of which nothing is run.

    The layout is one HDF5 file a sample, ``default_partition.json`` and ``0.01x_train_partition.json`` to
    ``1.00x_train_partition.json``, and ``band_stats.json``. Labels are in ``label_stats.json`` where that is there,
    else in a pickle inside each sample, which is read as plain data (:mod:`hqzoo.data.geobench.plain_pickle`); the
    benchmark's ``task_specs.pkl`` is not needed and not opened. Known are m-bigearthnet (43 labels at once), m-eurosat,
    m-so2sat and m-brick-kiln (one label), m-SA-crop-type and m-cashew-plant (masks; cloud masks are left out).

    Two of them were published with names of bands that are not true. In m-eurosat 08A holds B09, 09 holds B10, 10
    holds B11, 11 holds B12 and 12 holds B8A. In m-brick-kiln 06 holds B07, 07 holds B8A, 08A holds B11, 09 holds B12,
    10 to 12 hold true colour of 8 bits, and B06, B09 and B10 are absent. Which order the files have, published or
    mended, is told from ``band_stats.json`` and stated in reports; any other is refused.

    Values are reflectance x 1e4, but 8-bit numbers in m-SA-crop-type; the bands of Sentinel-1 in m-so2sat are linear.

    If you use these data in research, cite https://arxiv.org/abs/2306.03831 and the authors of the data set.

    Args:
        root: Folder of the data set, with its HDF5 files.
        dataset: Its name, such as ``m-eurosat``; None: the folder's.
        partition: Which partition divides it: ``default``, ``0.01x_train``, ..., ``1.00x_train``.
        bands: Names of bands in the order wanted, such as ``B8A`` or, in m-so2sat, ``VH.Real``; None: all of
            Sentinel-2, in its order. Where both satellites are asked for, samples hold ``s2`` and ``s1``, else
            ``image``.
        band_map: What bands are called in the two faulty sets: ``true``, what they hold; ``by_name``, what the files
            say, as most published numbers took them. CHOICE: true.
        impute: Band that is absent to the one that stands in for it: ``{B06: B07, B09: B8A}`` makes twelve bands of
            the published m-brick-kiln. None: nothing is made up.
        rescale: Whether the reflectances of m-so2sat (0 to 2.8) are multiplied by 1e4, which brings them to the unit
            of the other sets. CHOICE.
        band_stats: Whether images are normalised by ``band_stats.json``, as in published results; else by what the
            training split has.
        ignore: Mask values of pixels that are not counted. None: all count, also class 0 (no data), as in the
            benchmark's own scores.
        **kwargs: Arguments of :class:`~hqzoo.data.any_targets.AnyTargetsDataModule` (``size``, ``crop_size``,
            ``augment``, ...) and :class:`~hqzoo.data.base.DataModule` (``batch_size``, ``seed``, ``inner_val``, ...).

    Raises:
        ConfigError: If there is no such data set or band map.
    """

    layout = "GEO-Bench v1 (default_partition.json, band_stats.json, *.hdf5)"

    def __init__(
        self,
        root: str = "data/geobench/m-eurosat",
        dataset: str | None = None,
        partition: str = DEFAULT,
        bands: list[str] | None = None,
        band_map: Literal["by_name", "true", True] = "true",  # YAML reads a bare `true` as the truth value
        impute: dict[str, str] | None = None,
        rescale: bool = True,
        band_stats: bool = True,
        ignore: list[int] | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        self.root = Path(root).expanduser()
        self.dataset = _name_of(self.root) if dataset is None else dataset
        if self.dataset not in SETS:
            raise ConfigError(unknown_name("data set of GEO-Bench v1", str(self.dataset), SETS))
        if band_map not in ("by_name", "true", True):
            raise ConfigError(unknown_name("band map", str(band_map), ("by_name", "true")))
        self.band_map: BandMap = "by_name" if band_map == "by_name" else "true"
        self.partition, self.bands, self.impute = partition, bands, dict(impute or {})
        self.rescale, self.band_stats, self.ignore = rescale, band_stats, tuple(ignore or ())

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds a partition, statistics and a sample."""
        files = (f"{DEFAULT}{_PARTITION}", STATISTICS)
        return all((root / name).is_file() for name in files) and any(root.glob("*.hdf5"))

    def load_records(self, split: Split) -> Sequence[Record]:
        """Return the samples of a split."""
        return [self._record(name) for name in self._divided[split]]

    def scene_of(self, record: Record) -> str:
        """Return the place that several samples show, where their names tell it; else each is its own."""
        found = re.search(self._set.scene, record.name) if self._set.scene else None
        return found[0] if found else record.name

    def where(self) -> str:
        """Say which partition the splits come from."""
        return f"the partition '{self.partition}' of {self.root}"

    def incomplete(self) -> str | None:
        """Say in a sentence that the published partition has another number of samples, or return None."""
        found = tuple(map(len, self._divided.values()))
        if self.partition != DEFAULT or found == self._set.published:
            return None
        shown = ["/".join(map(str, counts)) for counts in (self._set.published, found)]
        return f"The published {self.dataset} has {shown[0]} samples (train/val/test), this one {shown[1]}."

    def notes(self) -> list[str]:
        """Say in which order the bands lie, what they are called here, and what was imputed."""
        notes = list(super().notes())
        if self._order is not None:
            untrue = [f"{claim} holds {truth}" for claim, truth in self._set.faulty.items()]
            what = f"in the published, faulty order ({', '.join(untrue)})" if self._order == "published" else "mended"
            called = "what the files say" if self.band_map == "by_name" else "what they hold"
            notes.append(f"The bands of {self.dataset} are {what}, as {STATISTICS} tells, and called {called}.")
        notes += [f"{instead} stands in for {band}, which is absent." for band, instead in self.impute.items()]
        return notes

    # Sensors, targets and statistics

    @cached_property
    def sensors(self) -> dict[str, Sensor]:  # type: ignore[override]
        """One sensor, or Sentinel-2 and Sentinel-1 where bands of both are asked for."""
        return {name: self._sensor(bands) for name, bands in self._families.items()}

    @cached_property
    def targets(self) -> Targets:  # type: ignore[override]
        """What there is to learn."""
        if self._set.kind != "mask":
            return Targets(self._set.kind, self._set.classes)
        classes = self._class_map
        return Targets("mask", classes.names, classes.palette or (), IGNORE_INDEX, classes.codes)

    def image_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shape of the first sample's images."""
        return {name: (len(bands), *self._side) for name, bands in self._families.items()}

    def compute_statistics(self) -> dict[str, Statistics]:
        """Return what ``band_stats.json`` says, in the sensor's unit, or what the training split has."""
        if not self.band_stats:
            return self.measure_statistics()
        found = {}
        for name, bands in self._families.items():
            measured, factor = [self._measured[self._sources[band]] for band in bands], self._factor(bands)
            std = tuple(each.std * factor or 1.0 for each in measured)  # a constant band carries nothing
            found[name] = Statistics(tuple(each.mean * factor for each in measured), std)
        return found

    @property
    def _set(self) -> GeoBenchSet:
        return SETS[self.dataset]

    def _sensor(self, bands: tuple[str, ...]) -> Sensor:
        if bands[0] not in SENTINEL2:
            return Sensor(bands, "linear backscatter", 1.0, gsd=10.0)
        if self._set.factor is None:
            return Sensor(bands, gsd=10.0)
        if self._set.factor != 1 and not self.rescale:
            return Sensor(bands, "reflectance", 1.0, gsd=10.0, level=self._set.level)
        return Sensor(bands, "reflectance x 1e4", 10_000.0, gsd=10.0, level=self._set.level)

    def _factor(self, bands: tuple[str, ...]) -> float:
        return (self._set.factor or 1.0) if self.rescale and bands[0] in SENTINEL2 else 1.0

    @cached_property
    def _class_map(self) -> ClassMap:
        kept = tuple(value for value in range(len(self._set.classes)) if value not in self.ignore)
        return ClassMap(tuple(self._set.classes[value] for value in kept), kept, ignore=self.ignore)

    # Bands

    @cached_property
    def _measured(self) -> dict[str, Measured]:
        return read_statistics(self.root / STATISTICS)

    @cached_property
    def _order(self) -> Order | None:
        """In which order the bands lie; None for the data sets whose names are true."""
        if not self._set.faulty:
            return None
        means = {band: each.mean for band, each in self._measured.items()}
        if (found := self._order_of(means)) is None:
            shown = ", ".join(f"{band} {mean:.4g}" for band, mean in means.items())
            raise DataError(
                f"The bands of {self.dataset} lie neither in the published nor in the mended order, by the means of "
                f"{self.root / STATISTICS}: {shown}. Get the data set again, with its own statistics."
            )
        return found

    @cached_property
    def _sources(self) -> dict[str, str]:
        """Band to the claimed band of the files that it is read from, in the order wanted."""
        truth = self._set.faulty if self._order == "published" and self.band_map == "true" else {}
        return map_bands(list(self._measured), truth, self.bands, self.impute)

    @cached_property
    def _families(self) -> dict[str, tuple[str, ...]]:
        """Name of a sensor to its bands."""
        optical = tuple(band for band in self._sources if band in SENTINEL2)
        radar = tuple(band for band in self._sources if band not in SENTINEL2)
        return {"s2": optical, "s1": radar} if optical and radar else {"image": optical or radar}

    def _read(self, bands: tuple[str, ...]) -> Bands:
        return Bands(tuple(self._sources[band] for band in bands), self._factor(bands))

    # Samples

    @cached_property
    def _divided(self) -> dict[Split, list[str]]:
        """Split to the names of its samples that are there."""
        path = self.root / f"{self.partition}{_PARTITION}"
        divided = self._read_partition(path)
        there = {file.stem for file in self.root.glob("*.hdf5")}
        named = [name for names in divided.values() for name in names]
        if absent := [name for name in named if name not in there]:
            refuse(
                DataError(
                    f"{len(absent)} of {len(named)} samples of {path} are not in {self.root}: {some(absent)}. "
                    "Get the whole data set, or the partition that belongs to it."
                )
            )
        if len(set(named)) < len(named):
            twice = sorted(name for name, times in Counter(named).items() if times > 1)
            refuse(LeakError(f"{path} names {len(twice)} sample(s) more than once: {some(twice)}."))
        present = {split: [name for name in names if name in there] for split, names in divided.items()}
        self._compare_with_statistics([name for names in present.values() for name in names][:_LOOKED_AT])
        return present

    def _read_partition(self, path: Path) -> dict[Split, list[str]]:
        if not path.is_file():
            known = [each.name.removesuffix(_PARTITION) for each in self.root.glob(f"*{_PARTITION}")]
            if not known:
                raise DataError(f"{self.root} holds no data set of GEO-Bench v1: there is no {DEFAULT}{_PARTITION}.")
            raise ConfigError(unknown_name(f"partition in {self.root}", self.partition, known))
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            divided = {split: list(stored[theirs]) for split, theirs in _THEIRS.items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} is damaged ({type(error).__name__}: {error}). Expected lists of names under train, valid and "
                "test."
            ) from error
        if odd := [name for names in divided.values() for name in names if not isinstance(name, str)]:
            raise DataError(f"{path} holds {odd[0]!r} in the place of a sample's name.")
        return divided

    def _compare_with_statistics(self, names: Sequence[str]) -> None:
        """Refuse statistics that cannot be those of these samples, such as those of another order of bands."""
        every, sums = Bands(tuple(self._measured), 1.0), np.zeros(len(self._measured))
        for name in names:
            path = self._path(name)
            with open_sample(path) as file:
                sums += read_bands(file, path, every).mean(axis=(1, 2), dtype=np.float64)
        means = dict(zip(every.names, (sums / max(1, len(names))).tolist(), strict=True))
        odd = [band for band, mean in means.items() if not self._explains(self._measured[band], mean)]
        other = self._order is not None and self._order_of(means) not in (self._order, None)
        if names and (odd or other):
            shown = ", ".join(
                f"{band} {means[band]:.4g} (stated: {self._measured[band].mean:.4g})" for band in odd or means
            )
            raise DataError(
                f"The statistics in {self.root / STATISTICS} are not those of its samples, or of another order of "
                f"bands. The first {len(names)} have the means {shown}. Get samples and statistics from one source."
            )

    def _order_of(self, means: Mapping[str, float]) -> Order | None:
        return find_order(means, self._set.faulty, self._set.darker)

    @staticmethod
    def _explains(stated: Measured, mean: float) -> bool:
        return stated.low - stated.std <= mean <= stated.high + stated.std

    @cached_property
    def _stated(self) -> Mapping[str, Sequence[float]]:
        """Labels that ``label_stats.json`` states, by sample; empty where it is not there."""
        path = self.root / "label_stats.json"
        if not path.is_file():
            return {}
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{path} is damaged: {error}. Expected a label for every sample.") from error

    @cached_property
    def _side(self) -> tuple[int, int]:
        """Height and width of the first sample."""
        names = [name for names in self._divided.values() for name in names]
        if not names:
            raise DataError(f"{self.where()}: it names no sample that is there.")
        path = self._path(names[0])
        with open_sample(path) as file:
            height, width = read_bands(file, path, self._read(next(iter(self._families.values())))).shape[1:]
        return height, width

    def _path(self, name: str) -> Path:
        return self.root / f"{name}.hdf5"

    def _record(self, name: str) -> Record:
        read = {sensor: self._read(bands) for sensor, bands in self._families.items()}
        if self._set.kind == "mask":
            masked = MaskedSample(self._path(name), read["image"], self._side, self._class_map)
            return masked if self.size is None else Resized(masked, self.size)
        several, count = self._set.kind == "multilabel", len(self._set.classes)
        shapes = self.image_shapes()
        labelled = LabelledSample(self._path(name), read, shapes, count, several, self._stated.get(name))
        return labelled if self.size is None else ResizedWhole(labelled, self.size, list(shapes))


def _name_of(root: Path) -> str:
    """Return the data set that a folder is named after.

    Raises:
        ConfigError: If it is named after none.
    """
    for name, known in SETS.items():
        if root.name in (name, *known.folders):
            return name
    raise ConfigError(f"`dataset` must say which data set {root} is: {', '.join(SETS)}.")
