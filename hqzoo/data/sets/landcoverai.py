"""LandCover.ai v1: aerial orthophotos of Poland with buildings, woodland, water and roads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from hqzoo.data.faults import refuse
from hqzoo.data.files.readers import FileRecord, Header
from hqzoo.data.labels import ClassMap
from hqzoo.data.records import ImageRecord
from hqzoo.data.segmentation import SegmentationDataModule, Split
from hqzoo.data.sensor import Sensor
from hqzoo.data.sets.landcoverai_tiles import TILE_SIZE, cut_tiles, find_orthophotos, read_index, tile_paths
from hqzoo.data.splits import ALL, SPLITS, Fold, choose_fold, make_folds, read_lists
from hqzoo.errors import ConfigError, DataError, unknown_name

__all__ = ["LandCoverAIDataModule"]

SENSOR = Sensor(("red", "green", "blue"))
# Names and colours of TorchGeo's LandCoverAI; a test compares them. Written out so that training from tiles
# that are already cut needs neither TorchGeo nor rasterio.
CLASS_MAP = ClassMap(
    names=("Background", "Building", "Woodland", "Water", "Road"),
    palette=((0, 0, 0), (97, 74, 74), (38, 115, 0), (0, 197, 255), (207, 207, 207)),
)


class LandCoverAIDataModule(SegmentationDataModule):
    """LandCover.ai as HQ-UNet was trained on it: lossless 512 x 512 tiles, random 128 x 128 crops.

    ``prepare_data`` cuts the GeoTIFF archive into PNG tiles once (10,674 of them, about 5 GB beside the
    archive) and can be interrupted. Training draws one crop of each tile in an epoch (CHOICE;
    ``crops_per_epoch`` sets another number); validation and test visit every tile on a grid.

    TorchGeo finds, unpacks and downloads the archive (``LandCoverAIGeo``), and its names and colours of the classes are
    these. Cutting is ours: TorchGeo's ``LandCoverAI`` downloads tiles that were saved as JPEG, which is lossy, and no
    longer runs the data set's own ``split.py``; the numbering of the tiles here is that script's.

    Classes: Background, Building, Woodland, Water, Road (0..4).

    If you use this data set in research, cite https://arxiv.org/abs/2005.02264.

    Args:
        root: Folder with ``landcover.ai.v1.zip`` or its content: ``images``, ``masks`` and the three split
            lists.
        split: ``"official"``: the data set's lists of tiles, which the papers use. They are random, so
            training tiles border test tiles. ``"orthophoto"``: whole orthophotos, which tells how well a
            model does elsewhere.
        fold: With ``split="orthophoto"``: which of ``num_folds`` parts is tested; the next one validates. With any
            split, ``"all"``: all tiles are trained on.
        num_folds: With ``split="orthophoto"``: number of parts. CHOICE: 7, for shares near the official
            70/15/15.
        download: Whether to download the archive (about 1.5 GB) where it is absent.
        **kwargs: Arguments of :class:`SegmentationDataModule`: ``batch_size``, ``crop_size``, ``seed``, ...

    Raises:
        ConfigError: If ``split`` is neither.
    """

    layout = "LandCover.ai (landcover.ai.v1.zip)"

    def __init__(
        self,
        root: str = "data/landcoverai",
        split: Literal["official", "orthophoto"] = "official",
        fold: Fold = 0,
        num_folds: int = 7,
        download: bool = False,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        if split not in ("official", "orthophoto"):
            raise ConfigError(unknown_name("split of LandCover.ai", split, ("official", "orthophoto")))
        self.root = Path(root).expanduser()
        self.tiles = self.root / "tiles"
        self.split, self.fold, self.num_folds, self.download = split, fold, num_folds, download
        self.sensor, self.class_map = SENSOR, CLASS_MAP

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds the archive, its content, or the tiles cut of it."""
        unpacked = all((root / f"{split}.txt").exists() for split in SPLITS) and any((root / "images").glob("*.tif"))
        return unpacked or (root / "landcover.ai.v1.zip").exists() or (root / "tiles" / "complete").exists()

    def prepare_data(self) -> None:
        """Cut the tiles that are not cut yet; where all are, neither the archive nor TorchGeo is needed."""
        if not (self.tiles / "complete").exists():
            cut_tiles(find_orthophotos(self.root, self.download), self.tiles, CLASS_MAP.palette or ())
            (self.tiles / "complete").touch()

    def load_records(self, split: Split) -> Sequence[ImageRecord]:
        """Return the tiles of a split."""
        header = Header(TILE_SIZE, TILE_SIZE, SENSOR.bands, (1, 2, 3))
        return [
            FileRecord(tile, *tile_paths(self.tiles, tile), header, header.indexes, SENSOR, CLASS_MAP)
            for tile, where in self._splits.items()
            if where == split
        ]

    def default_crops(self, records: Sequence[ImageRecord]) -> int:
        """Return one crop a tile."""
        return len(records)

    def statistics_file(self) -> Path:
        """Return a file beside the tiles, one for each set of training tiles."""
        names = "\n".join(record.name for record in self.records("train"))
        return self.tiles / f"statistics_{self.split}_{hashlib.sha256(names.encode()).hexdigest()[:8]}.json"

    def scene_of(self, record: ImageRecord) -> str:
        """Return the orthophoto of a tile."""
        return record.name.rpartition("_")[0]

    def fold_numbers(self) -> Sequence[int]:
        """Return the parts of the orthophotos; the official lists have no folds."""
        return range(self.num_folds) if self.split == "orthophoto" else ()

    def where(self) -> str:
        """Say which lists the splits come from."""
        return f"split='{self.split}' of the tiles in {self.tiles}"

    @cached_property
    def _splits(self) -> dict[str, str]:
        """Tile to split."""
        index = read_index(self.tiles)
        orthophotos = {f"{name}_{number}": name for name, count in index.items() for number in range(count)}
        if not orthophotos:
            raise DataError(f"There are no tiles in {self.tiles}. Call `prepare_data()` first; a Trainer does.")
        if self.split == "orthophoto" or self.fold == ALL:
            return choose_fold(make_folds(orthophotos, self.num_folds, seed=0), self.fold, "next")
        splits = read_lists({name: self.root / f"{name}.txt" for name in SPLITS})
        if absent := [tile for tile in splits if tile not in orthophotos]:
            refuse(
                DataError(
                    f"{len(absent)} of {len(splits)} tiles of the lists were not cut, such as {absent[0]}: "
                    f"orthophotos are missing in {self.root / 'images'}. Unpack the whole archive, and remove "
                    f"{self.tiles / 'complete'}."
                )
            )
        return {tile: split for tile, split in splits.items() if tile in orthophotos}
