"""BigEarthNet v2 (reBEN): 480,038 pairs of Sentinel-2 and Sentinel-1 patches over ten countries, 19 classes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hqzoo.data.paired.bigearthnet_tables import METADATA, Patch, read_patches
from hqzoo.data.paired.corine_classes import class_numbers
from hqzoo.data.paired.module import PairDataModule, PlacedPair
from hqzoo.data.paired.records import PairLayout, PairRecord, TiffPair
from hqzoo.data.paired.rico_hdl import Database, EncodedPair
from hqzoo.errors import DataError

__all__ = ["BigEarthNetV2DataModule", "archive_pairs"]

FOLDERS = {"s2": "BigEarthNet-S2", "s1": "BigEarthNet-S1"}
PUBLISHED = {"train": 237_871, "val": 122_342, "test": 119_825}


class BigEarthNetV2DataModule(PairDataModule):
    """BigEarthNet v2 in the archive's own layout.

    Splits, partners and labels are those of the archive's table, which TorchGeo's class reads as well. Reading is ours,
    because TorchGeo's is lossy: it rounds Sentinel-1 to whole decibels, puts VH before VV, and always needs the
    reference maps, which are not read here. Downloads are TorchGeo's.

    Bands keep their native sizes in the files (120, 60 or 20 pixels a side) and are brought to ``size`` by bilinear
    interpolation (``B01`` and ``B09`` from 20 pixels), rounded to whole numbers: within 1 of what TorchGeo reads.

    HQ-JEPA was pretrained on the 237,871 pairs of the training split (deduced from that number).

    If you use this data set in research, cite https://arxiv.org/abs/2407.03653.

    Args:
        root: Folder with ``BigEarthNet-S2``, ``BigEarthNet-S1`` and ``metadata.parquet`` (or ``metadata.csv``, labels
            joined by ``|``).
        snow: Whether patches with seasonal snow are taken as well, which the publication advises against.
        cloud_or_shadow: Likewise those with clouds or their shadows.
        download: Whether what is missing is downloaded (about 120 GB).
        encoded: Folder that ``rico-hdl bigearthnet`` wrote of the archive (see :mod:`hqzoo.data.paired.rico_hdl`),
            which takes the place of ``BigEarthNet-S2`` and ``BigEarthNet-S1``; the table stays where it is.
        **kwargs: Arguments of :class:`PairDataModule`: ``sensors``, ``bands``, ``labels``, ``on_bad``, ``drop_from``,
            ``batch_size``, ...
    """

    layout = "BigEarthNet v2 (metadata.parquet, BigEarthNet-S2, BigEarthNet-S1)"

    def __init__(
        self,
        root: str = "data/bigearthnet_v2",
        snow: bool = False,
        cloud_or_shadow: bool = False,
        download: bool = False,
        encoded: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        self.root = Path(root).expanduser()
        self.encoded = None if encoded is None else Path(encoded).expanduser()
        self.snow, self.cloud_or_shadow, self.download = snow, cloud_or_shadow, download

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds patches of v2."""
        return any((root / folder).is_dir() for folder in FOLDERS.values())

    def prepare_data(self) -> None:
        """Download, in one process, what is not there yet."""
        if not self._absent_parts or not self.download:
            return
        from torchgeo.datasets import BigEarthNetV2

        from hqzoo.data.sets.torchgeo_records import open_dataset

        # TorchGeo wants the reference maps to be there as well, by this list.
        wanted = {name: files for name, files in BigEarthNetV2.metadata_locs.items() if name != "maps"}
        without_maps = type("BigEarthNetV2", (BigEarthNetV2,), {"metadata_locs": wanted})
        open_dataset(without_maps, {"root": str(self.root), "download": True})
        self.__dict__.pop("_absent_parts", None)

    def find_pairs(self) -> Sequence[PlacedPair]:
        """Return the patches of the table, and say of each what of it is not there."""
        if absent := self._absent_parts:
            raise DataError(
                f"{self.root} lacks {', '.join(absent)} of BigEarthNet v2. Unpack the archives there (cat "
                "BigEarthNet-S2.tar.gza* | tar xz), correct `root`, or set `download: true`."
            )
        return archive_pairs(self.root, self.layout_of_pairs, self.snow, self.cloud_or_shadow, self.encoded)

    def places_of_lists(self) -> Sequence[Path]:
        """Return the root."""
        return (self.root,)

    def where(self) -> str:
        """Say which table the splits come from."""
        return f"the table {METADATA} in {self.root}"

    def incomplete(self) -> str | None:
        """Compare the number of patches with the published one, where the whole archive seems to be meant."""
        if self.snow or self.cloud_or_shadow or self.drop_from or self.split_file or self.val_share or self.test_share:
            return None
        found = {split: len(records) for split, records in self._divided.items()}
        if sum(found.values()) < sum(PUBLISHED.values()) // 2 or found == PUBLISHED:
            return None  # a subset that somebody made, or all
        return f"The table has {found} patches, but the published one {PUBLISHED}."

    @cached_property
    def _absent_parts(self) -> list[str]:
        folders = [] if self.encoded is not None else [FOLDERS[name] for name in self.sensors]
        parts = [folder for folder in folders if not (self.root / folder).is_dir()]
        tables = [self.root / f"{METADATA}{suffix}" for suffix in (".parquet", ".csv")]
        return parts + ([] if any(map(Path.is_file, tables)) else [f"{METADATA}.parquet"])


def archive_pairs(
    root: Path, layout: PairLayout, snow: bool = False, cloud: bool = False, encoded: Path | None = None
) -> list[PlacedPair]:
    """Return the pairs of an archive, in the order of its table.

    Args:
        root: Folder of table and patches.
        layout: Bands and sizes.
        snow: Whether patches with snow are taken.
        cloud: Whether those with clouds or shadows are.
        encoded: Folder of a database of the patches; None: they are folders.

    Raises:
        DataError: If the table is missing or malformed, or lacks labels that the layout wants.
    """
    patches = read_patches(root, snow, cloud)
    pair_of = _in_folders(root, layout) if encoded is None else _in_database(encoded, layout)
    return [PlacedPair(pair_of(patch, **_known(patch, root, layout)), patch.split) for patch in patches]


def _known(patch: Patch, root: Path, layout: PairLayout) -> dict[str, Any]:
    """Return what the table tells of a pair."""
    labels = None
    if layout.classes and patch.labels is not None:
        labels = class_numbers(patch.labels, layout.classes, f"{root / METADATA}, {patch.name}")
    aliases = (patch.v1_name,) if patch.v1_name else ()
    return {"labels": labels, "aliases": aliases, "place": patch.name.rsplit("_", 2)[0]}


def _in_folders(root: Path, layout: PairLayout) -> Callable[..., PairRecord]:
    there = {name: _Scenes(root / FOLDERS[name]) for name in layout.sensors}

    def pair_of(patch: Patch, **known: Any) -> TiffPair:  # noqa: ANN401 - PairRecord's arguments
        names = _names_of(patch, layout)
        found = {sensor: there[sensor].folder_of(name) for sensor, name in names.items()}
        folders = {sensor: folder for sensor, folder in found.items() if folder is not None}
        return TiffPair(
            patch.name, layout, folders, absent=_told(sensor for sensor in names if not found[sensor]), **known
        )

    return pair_of


def _in_database(encoded: Path, layout: PairLayout) -> Callable[..., PairRecord]:
    database = Database(encoded)
    there = database.names()

    def pair_of(patch: Patch, **known: Any) -> EncodedPair:  # noqa: ANN401 - PairRecord's arguments
        names = _names_of(patch, layout)
        absent = _told(sensor for sensor, name in names.items() if name not in there)
        return EncodedPair(patch.name, layout, database, tuple(names.values()), absent=absent, **known)

    return pair_of


def _names_of(patch: Patch, layout: PairLayout) -> dict[str, str]:
    return {sensor: patch.name if sensor == "s2" else patch.s1_name for sensor in layout.sensors}


def _told(absent: Iterable[str]) -> str:
    return ", ".join(f"no {'Sentinel-2' if sensor == 's2' else 'Sentinel-1'} patch" for sensor in absent)


class _Scenes:
    """The patches of one sensor by their acquisitions, each folder listed once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._scenes = _names(folder)
        self._patches: dict[str, Collection[str]] = {}

    def folder_of(self, patch: str) -> Path | None:
        """Return the folder of a patch; None if it is not there.

        That of its acquisition is its name without row and column, and without the tile for Sentinel-1.
        """
        for parts in (2, 3):
            scene = patch.rsplit("_", parts)[0]
            if scene not in self._scenes:
                continue
            if scene not in self._patches:
                self._patches[scene] = _names(self.folder / scene)
            if patch in self._patches[scene]:
                return self.folder / scene / patch
        return None


def _names(folder: Path) -> Collection[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
