"""SeasoNet: Sentinel-2 patches of all of Germany in four seasons and in snow, with 33 classes of land cover."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hqzoo.data.faults import refuse
from hqzoo.data.files.listing import some
from hqzoo.data.labels import ClassMap
from hqzoo.data.records import ImageRecord
from hqzoo.data.segmentation import SegmentationDataModule, Split
from hqzoo.data.sensor import Sensor
from hqzoo.data.sets.seasonet_patches import BANDS, SeasoNetRecord
from hqzoo.errors import ConfigError, DataError, unknown_name

if TYPE_CHECKING:
    from torchgeo.datasets import SeasoNet

__all__ = ["SeasoNetDataModule"]

SEASONS = ("spring", "summer", "fall", "winter", "snow")
GRIDS = (1, 2)
# Names and colours (CORINE's) of TorchGeo's SeasoNet, in the order of the values 1 to 33; a test compares them.
CLASSES = {
    "Continuous urban fabric": (230, 0, 77),
    "Discontinuous urban fabric": (255, 0, 0),
    "Industrial or commercial units": (204, 77, 242),
    "Road and rail networks and associated land": (204, 0, 0),
    "Port areas": (230, 204, 204),
    "Airports": (230, 204, 230),
    "Mineral extraction sites": (166, 0, 204),
    "Dump sites": (166, 77, 0),
    "Construction sites": (255, 77, 255),
    "Green urban areas": (255, 166, 255),
    "Sport and leisure facilities": (255, 230, 255),
    "Non-irrigated arable land": (255, 255, 168),
    "Vineyards": (230, 128, 0),
    "Fruit trees and berry plantations": (242, 166, 77),
    "Pastures": (230, 230, 77),
    "Broad-leaved forest": (128, 255, 0),
    "Coniferous forest": (0, 166, 0),
    "Mixed forest": (77, 255, 0),
    "Natural grasslands": (204, 242, 77),
    "Moors and heathland": (166, 255, 128),
    "Transitional woodland/shrub": (166, 242, 0),
    "Beaches, dunes, sands": (230, 230, 230),
    "Bare rock": (204, 204, 204),
    "Sparsely vegetated areas": (204, 255, 204),
    "Inland marshes": (166, 166, 255),
    "Peat bogs": (77, 77, 255),
    "Salt marshes": (204, 204, 255),
    "Intertidal flats": (166, 166, 230),
    "Water courses": (0, 204, 242),
    "Water bodies": (128, 242, 230),
    "Coastal lagoons": (0, 255, 166),
    "Estuaries": (166, 255, 230),
    "Sea and ocean": (230, 242, 255),
}
T = TypeVar("T", str, int)

_LOCATION = re.compile(r"_(\d+_\d+_\d+_\d+)$")  # latitude and longitude, which close the name of a patch


class SeasoNetDataModule(SegmentationDataModule):
    """SeasoNet on TorchGeo's index of it: seasons, grids, splits, download and archives are TorchGeo's.

    Reading is ours: bands are chosen by their names, only the chosen seasons need to be there, every value of the
    labels is checked, and images and labels must lie on the same ground.

    Patches have 120 x 120 pixels of 10 m; coarser bands are resampled to that (bilinear, as TorchGeo does). With the
    default ``crop_size`` of 128 they are filled by reflection for models that need a multiple of 16 or 32, and what was
    filled counts in neither loss nor score. One crop a patch is an epoch.

    HQF-Net states neither seasons nor grids nor bands. CHOICES: all five subsets; the first grid alone, since patches
    of the second overlap those of the first by a quarter; red, green and blue.

    The files do not name their bands. Their order is Sentinel-2's, red first in ``10m_RGB``, and their level 2A: means
    that others measured over the summer fit nothing else (723, 701, 459 in ``10m_RGB``; 2828 in ``10m_IR``; 1135, 2237,
    2691, 2959, 2100, 1319 in ``20m``; 353, 2953 in ``60m``, whose water vapour band is as bright at level 2A alone).

    Classes: 33 of CORINE Land Cover (values 1 to 33).

    If you use this data set in research, cite https://doi.org/10.1109/IGARSS46834.2022.9884079.

    Args:
        root: Folder with ``meta.csv``, ``splits`` and the folders of the seasons, or their archives (``spring.zip``).
        seasons: Subsets to take: spring, summer, fall, winter, snow. None: all five.
        grids: Which of the two overlapping grids to take. None: the first.
        bands: Names of bands (``B08``), or of the files that hold them (``10m_RGB``, ``10m_IR``, ``20m``, ``60m``), in
            the order wanted. None: B04, B03, B02.
        ignore: Label values of pixels that are not counted. The documentation knows none.
        download: Whether what is missing is downloaded (all seasons: hundreds of GB).
        statistics_folder: Folder where statistics are kept from one run to the next; None: computed in each, from all
            training patches.
        **kwargs: Arguments of :class:`SegmentationDataModule`: ``batch_size``, ``crop_size``, ``seed``, ...

    Raises:
        ConfigError: If there is no such season, grid or band, or one is named twice.
    """

    layout = "SeasoNet (meta.csv, splits, spring, summer, fall, winter, snow)"

    def __init__(
        self,
        root: str = "data/seasonet",
        seasons: list[str] | None = None,
        grids: list[int] | None = None,
        bands: list[str] | None = None,
        ignore: list[int] | None = None,
        download: bool = False,
        statistics_folder: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        self.root = Path(root).expanduser()
        self.seasons = _chosen("season", seasons, SEASONS, SEASONS)
        self.grids = _chosen("grid", grids, GRIDS, GRIDS[:1])
        self.bands = _bands(bands or ["10m_RGB"])
        self.download, self.statistics_folder = download, statistics_folder
        self.sensor = Sensor(self.bands, "reflectance x 1e4", 10_000.0, gsd=10.0, level="L2A")
        self.class_map = ClassMap(tuple(CLASSES), tuple(range(1, 34)), tuple(CLASSES.values()), tuple(ignore or ()))

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds the table of the patches, the splits, and a season."""
        return (
            (root / "meta.csv").exists()
            and _is_there(root, "splits")
            and any(_is_there(root, season) for season in SEASONS)
        )

    def prepare_data(self) -> None:
        """Unpack and download, in one process, what is not there yet."""
        absent = [part for part in self._parts if not _is_there(self.root, part)]
        if absent and not self.download:
            raise self._absent(absent)
        if any(not (self.root / part).exists() for part in self._parts):
            self._index("train")

    def load_records(self, split: Split) -> Sequence[ImageRecord]:
        """Return the patches of a split."""
        if absent := [part for part in self._parts if not (self.root / part).exists()]:
            raise self._absent(absent)
        listed = self.root / "splits" / f"{split}.csv"
        if not listed.is_file():
            raise DataError(f"The list of the split '{split}' is missing: {listed}. Unpack splits.zip again.")
        try:
            index = self._index(split)
        except IndexError as error:
            raise DataError(
                f"{listed} names patches beyond the last line of {self.root / 'meta.csv'} ({error}): the two are not "
                "of one data set. Get both again."
            ) from error
        patches = [Path(paths[0]) for paths in index.files]
        return [self._record(patch) for patch in self._present(patches, listed)]

    def statistics_file(self) -> Path | None:
        """Return a file for each set of training patches and bands."""
        if self.statistics_folder is None:
            return None
        name = f"SeasoNet_{'_'.join(self.bands)}_{self.fingerprint('train')}.json"
        return Path(self.statistics_folder).expanduser() / name

    def scene_of(self, record: ImageRecord) -> str:
        """Return the location of a patch, which its seasons share."""
        found = _LOCATION.search(record.name)
        return found[1] if found else record.name

    def where(self) -> str:
        """Say which lists, seasons and grids the splits come from."""
        return f"the lists in {self.root / 'splits'}, seasons={list(self.seasons)}, grids={list(self.grids)}"

    @cached_property
    def _parts(self) -> list[str]:
        """What must lie in the root."""
        return ["meta.csv", "splits", *self.seasons]

    def _index(self, split: Split) -> SeasoNet:
        """Return TorchGeo's data set of a split; it unpacks and downloads what is missing."""
        from torchgeo.datasets import SeasoNet

        from hqzoo.data.sets.torchgeo_records import open_dataset

        # TorchGeo wants all seasons to be there, whichever are asked for, by this list.
        wanted = tuple(part for part in SeasoNet.metadata if part["name"] in self._parts)
        arguments = {
            "root": str(self.root),
            "split": split,
            "seasons": [season.capitalize() for season in self.seasons],
            "grids": list(self.grids),
            "download": self.download,
        }
        return open_dataset(type("SeasoNet", (SeasoNet,), {"metadata": wanted}), arguments)  # type: ignore[return-value]

    def _present(self, patches: Sequence[Path], listed: Path) -> list[Path]:
        """Return the patches that are there; each folder of a season and grid is listed once."""
        found = {folder: _names(folder) for folder in {patch.parent.parent for patch in patches}}
        absent = [str(patch.parent) for patch in patches if patch.name not in found[patch.parent.parent]]
        if absent:
            refuse(
                DataError(
                    f"{len(absent)} of {len(patches)} patches of {listed} are not in {self.root}: {some(absent)}. "
                    "Unpack the archives of these seasons again."
                )
            )
        return [patch for patch in patches if patch.name in found[patch.parent.parent]]

    def _record(self, patch: Path) -> ImageRecord:
        name = "_".join(patch.parent.relative_to(self.root).parts)
        return SeasoNetRecord(name, patch, self.bands, self.class_map)

    def _absent(self, parts: Sequence[str]) -> DataError:
        seasons = [part for part in parts if part in SEASONS]
        chosen = f" Of the seasons {', '.join(self.seasons)}, {', '.join(seasons)} are missing." if seasons else ""
        packed = [part for part in parts if (self.root / f"{part}.zip").exists()]
        remedy = "Call `prepare_data()` first, a Trainer does" if packed else "Get them, or set `download: true`"
        fewer = ", or choose other `seasons`" if seasons else ""
        return DataError(
            f"{self.root} lacks {', '.join(parts)} of SeasoNet.{chosen} Expected meta.csv, and the folders or archives "
            f"(spring.zip) of the others. {remedy}{fewer}."
        )


def _chosen(what: str, given: Sequence[T] | None, known: tuple[T, ...], default: tuple[T, ...]) -> tuple[T, ...]:
    chosen = default if given is None else tuple(given)
    for value in chosen:
        if value not in known:
            raise ConfigError(unknown_name(f"{what} of SeasoNet", str(value), map(str, known)))
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"`{what}s` names one or more of {list(known)}, each once; got {list(chosen)}.")
    return chosen


def _bands(given: Sequence[str]) -> tuple[str, ...]:
    """Return the names of bands, for those of files the bands that they hold."""
    known = [band for bands in BANDS.values() for band in bands]
    bands = [band for name in given for band in BANDS.get(name, (name,))]
    return _chosen("band", bands, tuple(known), ())


def _is_there(root: Path, part: str) -> bool:
    return (root / part).exists() or (root / f"{part}.zip").exists()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
