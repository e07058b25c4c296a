"""BigEarthNet v2 (reBEN): 480,038 pairs of Sentinel-2 and Sentinel-1 patches over ten countries, 19 classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hqzoo.data.bigearthnet_tables import METADATA, Patch, read_patches
from hqzoo.data.corine_classes import class_numbers
from hqzoo.data.pair_module import PairDataModule, PlacedPair
from hqzoo.data.pair_records import PairLayout, TiffPair
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
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        self.root = Path(root).expanduser()
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

        from hqzoo.data.torchgeo_records import open_dataset

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
        return archive_pairs(self.root, self.layout_of_pairs, self.snow, self.cloud_or_shadow)

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
        parts = [FOLDERS[name] for name in self.sensors if not (self.root / FOLDERS[name]).is_dir()]
        tables = [self.root / f"{METADATA}{suffix}" for suffix in (".parquet", ".csv")]
        return parts + ([] if any(map(Path.is_file, tables)) else [f"{METADATA}.parquet"])


def archive_pairs(root: Path, layout: PairLayout, snow: bool = False, cloud: bool = False) -> list[PlacedPair]:
    """Return the pairs of an archive, in the order of its table.

    Args:
        root: Folder of table and patches.
        layout: Bands and sizes.
        snow: Whether patches with snow are taken.
        cloud: Whether those with clouds or shadows are.

    Raises:
        DataError: If the table is missing or malformed, or lacks labels that the layout wants.
    """
    patches = read_patches(root, snow, cloud)
    there = {name: _Scenes(root / FOLDERS[name]) for name in layout.sensors}
    return [PlacedPair(_pair(patch, root, layout, there), patch.split) for patch in patches]


def _pair(patch: Patch, root: Path, layout: PairLayout, there: dict[str, _Scenes]) -> TiffPair:
    folders, absent = {}, []
    for name, scenes in there.items():
        folder = scenes.folder_of(patch.name if name == "s2" else patch.s1_name)
        if folder is None:
            absent.append(f"no {'Sentinel-2' if name == 's2' else 'Sentinel-1'} patch")
        else:
            folders[name] = folder
    labels = None
    if layout.classes and patch.labels is not None:
        labels = class_numbers(patch.labels, layout.classes, f"{root / METADATA}, {patch.name}")
    known = {"labels": labels, "aliases": (patch.v1_name,) if patch.v1_name else (), "absent": ", ".join(absent)}
    return TiffPair(patch.name, layout, folders, place=patch.name.rsplit("_", 2)[0], **known)


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
