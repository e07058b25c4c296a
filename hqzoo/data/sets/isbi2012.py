"""ISBI 2012: 30 slices of electron microscopy, segmented into cells and their membranes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.data.files.binary_masks import BinaryClassMap
from hqzoo.data.files.listing import list_images, pair_files
from hqzoo.data.files.raster_files import open_pillow
from hqzoo.data.files.raw_masks import encode_mask, read_mask
from hqzoo.data.files.readers import check_sizes, read_header
from hqzoo.data.records import Image, ImageRecord, Mask, Window
from hqzoo.data.sensor import Sensor
from hqzoo.data.splits import Fold, choose_fold, make_folds
from hqzoo.data.whole_images import WholeImagesDataModule
from hqzoo.errors import DataError

__all__ = ["ISBI2012DataModule", "StackRecord"]

SENSOR = Sensor(("grey",))
CLASS_MAP = BinaryClassMap(("membrane", "cell"), palette=((20, 20, 30), (235, 225, 200)))
VOLUME, LABELS = "train-volume.tif", "train-labels.tif"

_SLICES = 30
_NAMES = {f"{number:02}" for number in range(_SLICES)}
_OWN = ("classes.json", "folds.csv", "split.csv")  # files that describe somebody's own folder


class ISBI2012DataModule(WholeImagesDataModule):
    """The training stack of the ISBI 2012 challenge in five folds; its test labels were never published.

    CHOICES, as arXiv 2501.13165 states none of them: 384 x 512 pixels, which the 3 x 4 patches of its Qu-Net 12-2-1
    divide after five poolings, and folds of single slices drawn at random, as is usual. Neighbouring slices look nearly
    alike, so scores of random folds are too good; ``grouped`` tests on runs of neighbours instead.

    Classes: membrane, cell (0, 1).

    If you use this data set in research, cite Arganda-Carreras et al., Frontiers in Neuroanatomy 9:142 (2015) and
    Cardona et al., PLoS Biology 8(10) (2010). It is for non-commercial research.

    Args:
        root: Folder with the challenge's ``train-volume.tif`` and ``train-labels.tif``, or with ``images/00.png`` and
            ``masks/00.png`` to 29.
        fold: Fold to test on, from 0; ``"all"``: all are trained on.
        num_folds: Number of folds.
        fold_seed: Seed that single slices are drawn with.
        grouped: Whether folds are runs of neighbouring slices. Only slices at the ends of a run then have a neighbour
            in training, and ``inner_val`` takes whole runs.
        size: Height and width that images (bilinear) and masks (nearest) are resized to.
        **kwargs: Arguments of :class:`WholeImagesDataModule`: ``crop_size``, ``augment``, ``batch_size``,
            ``inner_val``, ...

    Raises:
        ConfigError: If there is no such fold.
    """

    layout = "ISBI 2012 (train-volume.tif)"
    published_images = _SLICES

    def __init__(
        self,
        root: str = "data/isbi2012",
        fold: Fold = 0,
        num_folds: int = 5,
        fold_seed: int = 0,
        grouped: bool = False,
        size: tuple[int, int] = (384, 512),
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(size=size, **kwargs)
        self.root = Path(root).expanduser()
        self.fold, self.num_folds, self.fold_seed, self.grouped = fold, num_folds, fold_seed, grouped
        self.sensor, self.class_map = SENSOR, CLASS_MAP
        self._check_fold(fold, self.fold_numbers())

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds the challenge's stack, or nothing but slices named 00 to 29.

        At least half of the 30 must be there, grey, with masks of two values: then the others are missing or damaged,
        and it is no folder of somebody's own images that happen to be numbered.
        """
        if (root / VOLUME).exists():
            return True
        images, masks = list_images(root / "images"), list_images(root / "masks")
        if not set(images) <= _NAMES or any((root / name).exists() for name in _OWN):
            return False
        return 2 * sum(_is_slice(images[name], masks[name]) for name in images if name in masks) >= _SLICES

    def find_images(self) -> Mapping[str, ImageRecord]:
        """Return the slices of the two stacks, or of the folders ``images`` and ``masks``."""
        if (self.root / VOLUME).exists():
            return _read_stack(self.root / VOLUME, self.root / LABELS)
        files = pair_files(self.root / "images", self.root / "masks")
        if not files:
            raise DataError(
                f"No slice of ISBI 2012 was found in {self.root}. Expected {VOLUME} and {LABELS}, or images/00.png and "
                "masks/00.png, .... Set `root`."
            )
        return {name: self._record(name, image, mask) for name, (image, mask) in files.items()}

    def incomplete(self) -> str | None:
        """Say how many slices there are if not 30, and name those missing (of a stack nobody knows which)."""
        sentence, absent = super().incomplete(), sorted(_NAMES - set(self._images))
        if sentence is None or (self.root / VOLUME).exists() or not set(self._images) <= _NAMES:
            return sentence
        return (
            f"{sentence} Slices missing in {self.root / 'images'}: {', '.join(absent)}. If these are other images, "
            "take them as a FolderSegmentationDataModule."
        )

    def assign(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the split of every slice in this fold."""
        folds = self._runs(names) if self.grouped else make_folds({n: n for n in names}, self.num_folds, self.fold_seed)
        return choose_fold(folds, self.fold, None)

    def scene_of(self, record: ImageRecord) -> str:
        """Return the run of a slice with ``grouped``, else the slice itself."""
        return f"run {self._runs(list(self._images))[record.name]}" if self.grouped else record.name

    def known_leak(self) -> str | None:
        """Say that single slices have neighbours on both sides of the split."""
        if self.grouped:
            return None
        return (
            "Single slices are drawn, so that training and test slices are neighbours, which look nearly alike: scores "
            "are too good. `grouped: true` tests on runs of neighbours."
        )

    def fold_numbers(self) -> Sequence[int]:
        """Return the folds, from 0."""
        return range(self.num_folds)

    def where(self) -> str:
        """Say where the slices come from."""
        return f"fold={self.fold} of {self.num_folds} of the slices in {self.root}"

    def _runs(self, names: Sequence[str]) -> dict[str, int]:
        """Slice to the number of its run of neighbours."""
        if len(names) < self.num_folds:
            raise DataError(f"{len(names)} slice(s) cannot fill {self.num_folds} folds. Lower `num_folds`.")
        ordered = sorted(names, key=lambda name: (len(name), name))  # 2 before 10
        return {name: place * self.num_folds // len(ordered) for place, name in enumerate(ordered)}


class StackRecord(ImageRecord):
    """One page of a stack of images with the same page of a stack of masks.

    Args:
        name: Name of the slice.
        images: TIFF file of the images, one page a slice.
        masks: TIFF file of the masks.
        page: Number of the page, from 0.
        size: Height and width of the page.
    """

    def __init__(self, name: str, images: Path, masks: Path, page: int, size: tuple[int, int]) -> None:
        super().__init__(name, *size)
        self.images, self.masks, self.page = images, masks, page

    @property
    def files(self) -> tuple[Path, ...]:
        """Both stacks."""
        return self.images, self.masks

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read both pages (see :class:`ImageRecord`)."""
        image = _read_page(self.images, self.page)[None]
        mask = CLASS_MAP.encode(_read_page(self.masks, self.page), f"{self.masks}, slice {self.page}")
        check_sizes(self.images, image.shape[1:], self.masks, mask.shape)
        return (image, mask) if window is None else (window.of(image), window.of(mask))


def _is_slice(image: Path, mask: Path) -> bool:
    """Tell whether an image is grey and its mask of two values; a damaged file tells neither."""
    try:
        if read_header(image).bands != SENSOR.bands:
            return False
        encode_mask(read_mask(mask), CLASS_MAP, mask)
    except DataError:
        return False
    return True


def _read_stack(images: Path, masks: Path) -> dict[str, ImageRecord]:
    pages = {}
    for path in (images, masks):
        with open_pillow(path) as stack:
            pages[path] = getattr(stack, "n_frames", 1)
            if stack.mode not in ("1", "L"):
                raise DataError(f"{path} has the pixel format {stack.mode}; expected 8-bit grey slices.")
            height, width = stack.height, stack.width
    if pages[images] != pages[masks]:
        raise DataError(f"{images} has {pages[images]} slices, but {masks} has {pages[masks]}: one of them is cut off.")
    names = [f"{page:02}" for page in range(pages[images])]
    return {name: StackRecord(name, images, masks, page, (height, width)) for page, name in enumerate(names)}


def _read_page(path: Path, page: int) -> npt.NDArray[Any]:
    with open_pillow(path) as stack:
        stack.seek(page)
        return np.asarray(stack)
