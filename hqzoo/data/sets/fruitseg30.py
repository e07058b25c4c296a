"""FruitSeg30: 1,969 photographs of 30 kinds of fruit with the outline of the fruit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hqzoo.data.faults import refuse
from hqzoo.data.files.binary_masks import BinaryClassMap
from hqzoo.data.files.listing import pair_files
from hqzoo.data.records import ImageRecord
from hqzoo.data.sensor import Sensor
from hqzoo.data.splits import Fold, choose_fold, make_stratified_folds
from hqzoo.data.whole_images import WholeImagesDataModule
from hqzoo.errors import DataError

__all__ = ["FruitSeg30DataModule"]

SENSOR = Sensor(("red", "green", "blue"))
CLASS_MAP = BinaryClassMap(("background", "fruit"), palette=((225, 225, 220), (200, 60, 40)))


class FruitSeg30DataModule(WholeImagesDataModule):
    """FruitSeg30 as fruit against background, in 64 x 64 pixels, in folds with the same share of every kind of fruit.

    CHOICES: the number of folds and how they are drawn; arXiv 2501.13165 states neither. The size is that of a
    re-implementation of its models.

    Classes: background, fruit (0, 1).

    Args:
        root: Folder with ``<kind>/Images/<name>.jpg`` and ``<kind>/Mask/<name>_mask.png``.
        fold: Fold to test on, from 0; ``"all"``: all are trained on.
        num_folds: Number of folds.
        fold_seed: Seed of their draw.
        size: Height and width that images (bilinear) and masks (nearest) are resized to.
        **kwargs: Arguments of :class:`WholeImagesDataModule`: ``crop_size``, ``augment``, ``batch_size``,
            ``inner_val``, ...

    Raises:
        ConfigError: If there is no such fold.
    """

    layout = "FruitSeg30 (<kind>/Images)"
    published_images = 1969

    def __init__(
        self,
        root: str = "data/fruitseg30",
        fold: Fold = 0,
        num_folds: int = 5,
        fold_seed: int = 0,
        size: tuple[int, int] = (64, 64),
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(size=size, **kwargs)
        self.root = Path(root).expanduser()
        self.fold, self.num_folds, self.fold_seed = fold, num_folds, fold_seed
        self.sensor, self.class_map = SENSOR, CLASS_MAP
        self._kinds: dict[str, str] = {}  # image name to kind of fruit, once the files are listed
        self._check_fold(fold, self.fold_numbers())

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds folders with ``Images`` and ``Mask``."""
        return bool(_find_kinds(root))

    def find_images(self) -> Mapping[str, ImageRecord]:
        """Return all photographs, named ``<kind>_<name>``."""
        records: dict[str, ImageRecord] = {}
        for kind in _find_kinds(self.root):
            for stem, (image, mask) in pair_files(kind / "Images", kind / "Mask", "_mask").items():
                name = f"{kind.name}_{stem}"
                if name in records:
                    refuse(DataError(f"Two images are called '{name}', one of them {image}; rename its folder."))
                records[name] = self._record(name, image, mask)
                self._kinds[name] = kind.name
        if not records:
            raise DataError(
                f"No image of FruitSeg30 was found in {self.root}. Expected <kind>/Images/<name>.jpg and "
                "<kind>/Mask/<name>_mask.png. Set `root`."
            )
        return records

    def assign(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the split of every photograph in this fold."""
        kinds = {name: self._kinds[name] for name in names}
        return choose_fold(make_stratified_folds(kinds, self.num_folds, self.fold_seed), self.fold, None)

    def fold_numbers(self) -> Sequence[int]:
        """Return the folds, from 0."""
        return range(self.num_folds)

    def where(self) -> str:
        """Say where the photographs come from."""
        return f"fold={self.fold} of {self.num_folds} of the images in {self.root}"


def _find_kinds(root: Path) -> list[Path]:
    return [folder.parent for folder in sorted(root.glob("*/Images")) if (folder.parent / "Mask").is_dir()]
