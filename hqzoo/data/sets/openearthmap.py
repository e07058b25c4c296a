"""OpenEarthMap: aerial and satellite images of 97 regions on six continents, with eight classes of land cover."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from hqzoo.data._progress import progress
from hqzoo.data.faults import Refused, refuse
from hqzoo.data.files.band_names import BandNames, arrange
from hqzoo.data.files.listing import some
from hqzoo.data.files.readers import FileRecord, check_pair, read_header
from hqzoo.data.labels import ClassMap
from hqzoo.data.records import ImageRecord
from hqzoo.data.segmentation import SegmentationDataModule, Split
from hqzoo.data.sensor import Sensor
from hqzoo.data.splits import SPLITS, read_lists
from hqzoo.errors import ConfigError, DataError, unknown_name

__all__ = ["OpenEarthMapDataModule"]

XBD_FILES = "xbd_files.csv"
SENSOR = Sensor(("red", "green", "blue"))
CLASS_MAP = ClassMap(
    names=("Bareland", "Rangeland", "Developed space", "Road", "Tree", "Water", "Agriculture", "Building"),
    values=tuple(range(1, 9)),
    palette=(
        (128, 0, 0),
        (0, 255, 36),
        (148, 148, 148),
        (255, 255, 255),
        (34, 97, 38),
        (0, 69, 255),
        (75, 181, 73),
        (222, 31, 7),
    ),
    ignore=(0,),
)


class OpenEarthMapDataModule(SegmentationDataModule):
    """OpenEarthMap in its own layout, scored as its authors do: the mean IoU of the classes 1 to 8.

    The layout is ``<region>/images/<region>_<k>.tif`` and ``<region>/labels/<region>_<k>.tif``, with ``train.txt``,
    ``val.txt`` and ``test.txt`` in the root, a file name in each line; the region is the text before the last
    underscore. Most images have 1024 x 1024 pixels of 0.25 to 0.5 m, but sizes differ and some are not square.

    The first band is red. TerraTorch's reader names them blue, green, red and does not select them by these names; in
    the published tile ``adelaide_2.tif`` the file itself says red, green, blue, and its bare, ochre ground is brightest
    in the first band. Files that say otherwise are brought into this order.

    Value 0 of the labels is unknown and neither trained on nor scored, so that ``miou`` is the official score.

    The official lists draw from every region, so that training images lie near test images: scores tell how well a
    model does in regions that it knows.

    Classes: Bareland, Rangeland, Developed space, Road, Tree, Water, Agriculture, Building (0..7; values 1..8).

    If you use this data set in research, cite https://arxiv.org/abs/2210.10732.

    Args:
        root: Folder with the regions and the three lists.
        scored: The list that the test split is. ``"val"``: the images of ``val.txt``, and the validation split is empty
            (``inner_val`` takes whole regions out of training to choose the best epoch on). CHOICE: labels of the
            official test are kept by its server, and publications score ``val.txt``. ``"test"``: ``val.txt`` validates,
            and ``test.txt`` is tested where there are labels, else only predicted.
        xbd: Whether images of the xBD data set, which must be got and added separately, take part. False (the archive
            ``OpenEarthMap_wo_xBD`` as it is): those that its table ``xbd_files.csv`` names are left out, and no others;
            without that table, listed images that are absent are left out, and counted in a warning.
        statistics_folder: Folder where statistics are kept from one run to the next; None: computed in each.
        **kwargs: Arguments of :class:`SegmentationDataModule`: ``batch_size``, ``crop_size``, ``seed``, ...

    Raises:
        ConfigError: If ``scored`` is neither.
    """

    layout = "OpenEarthMap (<region>/images, train.txt, val.txt, test.txt)"

    def __init__(
        self,
        root: str = "data/openearthmap",
        scored: Literal["val", "test"] = "val",
        xbd: bool = True,
        statistics_folder: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        if scored not in ("val", "test"):
            raise ConfigError(unknown_name("list of OpenEarthMap to score", scored, ("val", "test")))
        self.root = Path(root).expanduser()
        self.scored, self.xbd, self.statistics_folder = scored, xbd, statistics_folder
        self.sensor, self.class_map = SENSOR, CLASS_MAP

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds the three lists and the images of a region that the first of them names."""
        if not all((root / f"{split}.txt").is_file() for split in SPLITS):
            return False
        names = read_lists({"train": root / "train.txt"})
        return any((root / region_of(name) / "images").is_dir() for name in names if region_of(name))

    def load_records(self, split: Split) -> Sequence[ImageRecord]:
        """Return the images of a split with their labels."""
        if split == "val" and self.scored == "val":
            return []
        names = self._listed[self.scored if split == "test" else split]
        if unlabelled := [name for name in names if not self._path(name, "labels").exists()]:
            refuse(self._without_labels(split, unlabelled, len(names)))
        return self._records_of(names)

    def predict_records(self) -> Sequence[ImageRecord]:
        """Return the images of the scored list, whether they have labels or not."""
        return self._records_of(self._listed[self.scored])

    def statistics_file(self) -> Path | None:
        """Return a file for each set of training images."""
        if self.statistics_folder is None:
            return None
        return Path(self.statistics_folder).expanduser() / f"OpenEarthMap_{self.fingerprint('train')}.json"

    def scene_of(self, record: ImageRecord) -> str:
        """Return the region of an image."""
        return region_of(record.name)

    def where(self) -> str:
        """Say which lists the splits come from."""
        return f"the lists of {self.root}, scored='{self.scored}', xbd={self.xbd}"

    # Files

    @cached_property
    def _listed(self) -> dict[str, list[str]]:
        """List to the names of its images that are there."""
        lists = read_lists({split: self.root / f"{split}.txt" for split in SPLITS})
        if odd := [name for name in lists if not region_of(name)]:
            raise DataError(
                f"The lists of {self.root} name {len(odd)} file(s) without a region: {some(odd)}. "
                "Expected <region>_<number>.tif."
            )
        left_out = frozenset() if self.xbd else self._of_xbd
        lists = {name: split for name, split in lists.items() if name not in left_out}
        absent = [name for name in lists if not self._path(name, "images").exists()]
        if absent and (self.xbd or left_out):
            refuse(self._absent(absent, len(lists)))
        elif absent:
            warnings.warn(
                f"`xbd: false`: {len(absent)} of {len(lists)} listed images are not in {self.root} and left out: "
                f"{some(absent)}.",
                stacklevel=2,
            )
        gone = set(absent)
        return {split: [name for name, its in lists.items() if its == split and name not in gone] for split in SPLITS}

    @cached_property
    def _of_xbd(self) -> frozenset[str]:
        """Names of the images that come from xBD, where the archive's own table of them is there."""
        path = self.root / XBD_FILES
        if not path.exists():
            return frozenset()
        rows = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if row]
        if wrong := [row for row in rows if len(row) != 2]:
            raise DataError(
                f"{path} holds the line '{','.join(wrong[0])}'; expected <file of xBD>,<file of OpenEarthMap>."
            )
        return frozenset(Path(row[1].strip()).stem for row in rows)

    def _path(self, name: str, folder: Literal["images", "labels"]) -> Path:
        return self.root / region_of(name) / folder / f"{name}.tif"

    def _absent(self, names: list[str], listed: int) -> DataError:
        regions = dict.fromkeys(map(region_of, names))
        gone = [region for region in regions if not (self.root / region / "images").is_dir()]
        folders = f" {len(gone)} region(s) have no folder `images` at all: {some(gone)}." if gone else ""
        return DataError(
            f"{len(names)} of {listed} images of the lists are not in {self.root}: {some(names)}.{folders} Unpack the "
            "whole archive, and add the images of xBD with the data set's own script; or leave them out with "
            "`xbd: false`."
        )

    def _without_labels(self, split: str, names: list[str], listed: int) -> DataError:
        use = "test" if split == "test" else "learn from"
        what = f"{len(names)} of {listed} images of {self.root} to {use} have no label: {some(names)}."
        if split == "test" and self.scored == "test":
            return DataError(
                f"{what} The labels of the official test are kept by its server: set `scored: val` to score val.txt, "
                "or predict these images and hand them in."
            )
        return DataError(f"{what} Expected <region>/labels/<the image's name>. Unpack the archive again.")

    # Records

    def _records_of(self, names: Sequence[str]) -> list[ImageRecord]:
        return [self._record(name) for name in progress(names, "headers of images and labels")]

    def _record(self, name: str) -> ImageRecord:
        image, label = self._path(name, "images"), self._path(name, "labels")
        mask = label if label.exists() else None
        try:
            header = read_header(image)
            if mask is not None:
                check_pair(image, header, mask)
            if len(header.indexes) != len(SENSOR):
                raise DataError(
                    f"The image {image} has {len(header.indexes)} band(s); OpenEarthMap has {len(SENSOR)}: "
                    f"{', '.join(SENSOR.bands)}."
                )
            own = BandNames(SENSOR.bands, own=True)
            indexes = arrange(BandNames(header.bands, header.named), header.indexes, own)
            if indexes is None:
                raise DataError(
                    f"The image {image} has the bands {', '.join(header.bands)}; OpenEarthMap has "
                    f"{', '.join(SENSOR.bands)}."
                )
        except DataError as fault:
            refuse(fault)
            return Refused(name, image, mask, fault)
        return FileRecord(name, image, mask, header, indexes, SENSOR, CLASS_MAP)


def region_of(name: str) -> str:
    """Return the region of an image: its name up to the last underscore."""
    return name.rpartition("_")[0]
