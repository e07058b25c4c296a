"""BigEarthNet v1: 590,326 pairs of Sentinel-2 and Sentinel-1 patches, 43 classes of CORINE or 19."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hqzoo.data._progress import progress
from hqzoo.data.checks.held_out import V1_LISTS
from hqzoo.data.paired.corine_classes import class_numbers
from hqzoo.data.paired.module import PairDataModule, PlacedPair
from hqzoo.data.paired.records import TiffPair
from hqzoo.errors import DataError

__all__ = ["BigEarthNetV1DataModule"]

FOLDERS = {"s2": "BigEarthNet-v1.0", "s1": "BigEarthNet-S1-v1.0"}
LISTS = dict(zip(("train", "val", "test"), V1_LISTS, strict=True))
SNOW, CLOUD = "patches_with_seasonal_snow.csv", "patches_with_cloud_and_shadow.csv"
_TOLD = "_labels_metadata.json"


class BigEarthNetV1DataModule(PairDataModule):
    """BigEarthNet v1 (BigEarthNet-MM) in the archive's own layout.

    Splits are the published lists ``bigearthnet-train.csv``, ``-val.csv`` and ``-test.csv``, a pair ``S2 name,S1 name``
    in each line, as TorchGeo downloads them. Where there are none, all pairs of the folders are found, each Sentinel-1
    patch naming its partner in its JSON file, and splits can be drawn (``val_share``, ``test_share``) or given
    (``split_file``). Reading is ours, because TorchGeo rounds Sentinel-1 to whole decibels and puts VH before VV.

    If you use this data set in research, cite https://doi.org/10.1109/MGRS.2021.3089174.

    Args:
        root: Folder with ``BigEarthNet-v1.0``, ``BigEarthNet-S1-v1.0`` and the lists.
        num_classes: 19 or 43. Of the 43, 11 have no class among the 19 and are left out there, as published.
        snow: Whether patches with seasonal snow are taken, which the published lists leave out: those of
            ``patches_with_seasonal_snow.csv``, where all pairs of the folders are found.
        cloud_or_shadow: Likewise those of ``patches_with_cloud_and_shadow.csv``.
        download: Whether what is missing is downloaded (about 120 GB).
        **kwargs: Arguments of :class:`PairDataModule`: ``sensors``, ``bands``, ``labels``, ``on_bad``, ``drop_from``,
            ``batch_size``, ...

    Raises:
        ConfigError: If there are neither 19 nor 43 classes.
    """

    layout = "BigEarthNet v1 (BigEarthNet-v1.0, BigEarthNet-S1-v1.0, bigearthnet-train.csv, ...)"

    def __init__(
        self,
        root: str = "data/bigearthnet_v1",
        num_classes: Literal[19, 43] = 19,
        snow: bool = False,
        cloud_or_shadow: bool = False,
        download: bool = False,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        self.num_classes = num_classes
        super().__init__(**kwargs)
        self.root = Path(root).expanduser()
        self.snow, self.cloud_or_shadow, self.download = snow, cloud_or_shadow, download

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds patches of v1."""
        return any((root / folder).is_dir() for folder in FOLDERS.values())

    def prepare_data(self) -> None:
        """Download and unpack, in one process, what is not there yet."""
        if self.download and not all((self.root / part).exists() for part in (*FOLDERS.values(), *V1_LISTS)):
            from torchgeo.datasets import BigEarthNet

            from hqzoo.data.sets.torchgeo_records import open_dataset

            open_dataset(BigEarthNet, {"root": str(self.root), "download": True})

    def find_pairs(self) -> Sequence[PlacedPair]:
        """Return the pairs of the lists, or of the folders where there are no lists."""
        if absent := [FOLDERS[name] for name in self.sensors if not (self.root / FOLDERS[name]).is_dir()]:
            raise DataError(
                f"{self.root} lacks {', '.join(absent)} of BigEarthNet v1. Unpack the archives there, correct `root`, "
                "or set `download: true`."
            )
        listed = [split for split, file in LISTS.items() if (self.root / file).is_file()]
        if listed and len(listed) < len(LISTS):
            missing = ", ".join(LISTS[split] for split in LISTS if split not in listed)
            raise DataError(f"{self.root} has lists of {', '.join(listed)}, but lacks {missing}. Get them together.")
        pairs = self._listed() if listed else self._in_folders()
        there = {name: {path.name for path in (self.root / FOLDERS[name]).iterdir()} for name in self.sensors}
        return [PlacedPair(self._pair(names, there), split) for names, split in pairs]

    def no_splits(self) -> str:
        """Say that there are no lists."""
        return f"the published lists {', '.join(V1_LISTS)} are not in {self.root}"

    def places_of_lists(self) -> Sequence[Path]:
        """Return the root."""
        return (self.root,)

    def where(self) -> str:
        """Say which lists the splits come from."""
        return f"the lists {', '.join(V1_LISTS)} in {self.root}"

    def _listed(self) -> list[tuple[dict[str, str], str]]:
        """Return names by sensor, and splits, of the lists."""
        pairs = []
        for split, file in LISTS.items():
            for number, line in enumerate((self.root / file).read_text().splitlines(), 1):
                names = [name.strip() for name in line.split(",")]
                if len(names) != len(FOLDERS):
                    raise DataError(f"{self.root / file}, line {number}: expected 'S2 name,S1 name', got '{line}'.")
                pairs.append((dict(zip(FOLDERS, names, strict=True)), split))
        return pairs

    def _in_folders(self) -> list[tuple[dict[str, str], str]]:
        """Return names by sensor of all patches in the folders; a patch without partner has one name."""
        flagged = {name for file in self._unwanted() for name in (self.root / file).read_text().split()}
        own = {name: sorted(p.name for p in (self.root / FOLDERS[name]).glob("S*")) for name in self.sensors}
        if "s2" not in own:
            return [({"s1": name}, "") for name in own["s1"]]
        partners: dict[str, str] = {}
        for name in progress(own.get("s1", []), "partners of Sentinel-1 patches"):
            told = _told_by(self.root / FOLDERS["s1"] / name)
            partners[str(told.get("corresponding_s2_patch", ""))] = name
        names = sorted(({*own["s2"], *partners} if "s1" in own else {*own["s2"]}) - flagged - {""})
        return [({"s2": name, **({"s1": partners[name]} if name in partners else {})}, "") for name in names]

    def _unwanted(self) -> list[str]:
        lists = {SNOW: self.snow, CLOUD: self.cloud_or_shadow}
        return [file for file, wanted in lists.items() if not wanted and (self.root / file).is_file()]

    def _pair(self, names: dict[str, str], there: dict[str, set[str]]) -> TiffPair:
        folders = {
            sensor: self.root / FOLDERS[sensor] / names[sensor]
            for sensor in self.sensors
            if names.get(sensor) in there[sensor]
        }
        absent = [f"no Sentinel-{sensor[1]} patch" for sensor in self.sensors if sensor not in folders]
        name = names.get("s2") or names["s1"]
        place = name.rsplit("_", 2)[0]
        return _PairWithLabels(name, self.layout_of_pairs, folders, place=place, absent=", ".join(absent))


class _PairWithLabels(TiffPair):
    """A pair whose labels stand in a JSON file beside the bands, which is read with them: there are 590,326."""

    @property
    def labelled(self) -> bool:
        """Yes; reading it tells if not."""
        return True

    def label(self) -> npt.NDArray[np.float32]:
        """Read the names of the classes."""
        folder = self.folders.get("s2") or self.folders["s1"]
        told = _told_by(folder)
        if "labels" not in told:
            raise DataError(f"The file {folder / (folder.name + _TOLD)} names no labels.")
        self.labels = class_numbers(told["labels"], self.layout.classes, folder)
        return super().label()


def _told_by(folder: Path) -> dict[str, Any]:
    """Return what the JSON file of a patch says."""
    file = next(folder.glob(f"*{_TOLD}"), None)
    if file is None:
        raise DataError(f"The label file of a patch is missing: {folder / (folder.name + _TOLD)}.")
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{file} cannot be read: {error}. Copy it anew.") from error
