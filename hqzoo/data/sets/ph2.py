"""PH2: 200 dermoscopic images with the outline of the lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hqzoo.data.faults import refuse
from hqzoo.data.files.binary_masks import BinaryClassMap
from hqzoo.data.files.listing import Pair, list_images, pair_files, some
from hqzoo.data.records import ImageRecord
from hqzoo.data.sensor import Sensor
from hqzoo.data.splits import ALL, Fold, choose_fold, make_folds, read_lists
from hqzoo.data.whole_images import WholeImagesDataModule
from hqzoo.errors import ConfigError, DataError, unknown_name

__all__ = ["PH2DataModule", "authors_folds"]

SENSOR = Sensor(("red", "green", "blue"))
CLASS_MAP = BinaryClassMap(("background", "lesion"), palette=((224, 196, 176), (120, 60, 40)))

_IMAGES = 200


class PH2DataModule(WholeImagesDataModule):
    """PH2 as Qu-Net (arXiv 2501.13165) was trained on it: images of 192 x 256 pixels, five folds of 160 and 40.

    The authors of Qu-Net call the 40 images of a fold their validation and report the score on them. Here they are the
    test split, and nothing is chosen on them: validation is empty unless ``inner_val`` takes a part of the 160.

    Classes: background, lesion (0, 1).

    If you use this data set in research, cite Mendonca et al., "PH2 - a dermoscopic image database for research and
    benchmarking", EMBC 2013. It is free for research and education only.

    Args:
        root: Folder of the download, with ``PH2 Dataset images/IMD002/IMD002_Dermoscopic_Image/IMD002.bmp`` and
            ``.../IMD002_lesion/IMD002_lesion.bmp`` (also one level deeper, in ``PH2Dataset``), or a folder with
            ``images/IMD002.png`` and ``masks/IMD002.png``.
        fold: Fold to test on, from 1; ``"all"``: all are trained on.
        folds: ``"authors"``: those of Qu-Net's authors, from ``folds/fold_1_train.txt``, ``folds/fold_1_val.txt``, ...
            in the root, or, where there is no such folder, made again as they made them. ``"drawn"``: ``num_folds``
            folds drawn with ``fold_seed``.
        num_folds: Number of folds to draw; the authors have five.
        fold_seed: Seed of that draw.
        size: Height and width that images (bilinear) and masks (nearest) are resized to. CHOICE of the filters; the
            authors state 192 x 256 only.
        **kwargs: Arguments of :class:`WholeImagesDataModule`: ``crop_size``, ``augment``, ``batch_size``,
            ``inner_val``, ...

    Raises:
        ConfigError: If there is no such fold, or ``folds`` is neither.
    """

    layout = "PH2 (PH2 Dataset images/)"
    published_images = _IMAGES

    def __init__(
        self,
        root: str = "data/ph2",
        fold: Fold = 1,
        folds: Literal["authors", "drawn"] = "authors",
        num_folds: int = 5,
        fold_seed: int = 0,
        size: tuple[int, int] = (192, 256),
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(size=size, **kwargs)
        if folds not in ("authors", "drawn"):
            raise ConfigError(unknown_name("kind of folds", folds, ("authors", "drawn")))
        if folds == "authors" and num_folds != 5:
            raise ConfigError(f"The authors have 5 folds, got `num_folds={num_folds}`. Set `folds: drawn` for others.")
        self.root = Path(root).expanduser()
        self.fold, self.folds, self.num_folds, self.fold_seed = fold, folds, num_folds, fold_seed
        self.sensor, self.class_map = SENSOR, CLASS_MAP
        self._check_fold(fold, self.fold_numbers())

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Tell whether a folder holds cases of PH2 in either layout."""
        return bool(_find_cases(root)) or any((root / "images").glob("IMD*"))

    def find_images(self) -> Mapping[str, ImageRecord]:
        """Return all images of the download's layout, or of the folders ``images`` and ``masks``."""
        cases = _find_cases(self.root)
        files = _case_files(cases) if cases else pair_files(self.root / "images", self.root / "masks")
        if not files:
            raise DataError(
                f"No image of PH2 was found in {self.root}. Expected PH2 Dataset images/IMD002/"
                "IMD002_Dermoscopic_Image/IMD002.bmp and IMD002_lesion/IMD002_lesion.bmp, ..., as in the download, or "
                "images/IMD002.png and masks/IMD002.png, .... Set `root`."
            )
        return {name: self._record(name, image, mask) for name, (image, mask) in files.items()}

    def assign(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the split of every image in this fold."""
        if self.folds == "drawn":
            drawn = make_folds({name: name for name in names}, self.num_folds, self.fold_seed)
            return choose_fold({name: 1 + fold for name, fold in drawn.items()}, self.fold, None)
        if self.fold == ALL:
            return dict.fromkeys(names, "train")
        lists = self.root / "folds"
        if not lists.is_dir():
            return choose_fold(authors_folds(names), self.fold, None)
        parts = {"train": lists / f"fold_{self.fold}_train.txt", "test": lists / f"fold_{self.fold}_val.txt"}
        return {name.removesuffix(".bmp"): split for name, split in read_lists(parts).items()}

    def fold_numbers(self) -> Sequence[int]:
        """Return the folds, from 1."""
        return range(1, self.num_folds + 1)

    def where(self) -> str:
        """Say where images and folds come from."""
        return f"folds='{self.folds}', fold={self.fold} of the images in {self.root}"


def authors_folds(names: Sequence[str]) -> dict[str, int]:
    """Make the folds of Qu-Net's authors: scikit-learn's ``KFold(5, shuffle=True, random_state=42)`` of sorted names.

    Args:
        names: Names of all 200 images.

    Returns:
        Image name to fold 1..5.

    Raises:
        DataError: If images are missing: the folds would be others.
    """
    if len(names) != _IMAGES:
        raise DataError(
            f"The authors' folds divide all {_IMAGES} images of PH2, but {len(names)} were found. Get the whole data "
            "set, put their lists into `folds/`, or set `folds: drawn`."
        )
    order = np.random.RandomState(42).permutation(_IMAGES)  # what KFold draws; default_rng has another stream
    ordered = sorted(names)
    return {ordered[place]: 1 + rank * 5 // _IMAGES for rank, place in enumerate(order)}


def _find_cases(root: Path) -> list[Path]:
    """Return the folders ``IMD...`` of the download's layout."""
    for folder in (root / "PH2 Dataset images", root / "PH2Dataset" / "PH2 Dataset images", root):
        cases = [path for path in sorted(folder.glob("IMD*")) if (path / f"{path.name}_Dermoscopic_Image").is_dir()]
        if cases:
            return cases
    return []


def _case_files(cases: Sequence[Path]) -> dict[str, Pair]:
    """Return the image and the mask file of every case.

    Raises:
        DataError: If either is missing.
    """
    files: dict[str, Pair] = {}
    missing: list[str] = []
    for case in cases:
        pair: list[Path | None] = []
        for part, name in (("Dermoscopic_Image", case.name), ("lesion", f"{case.name}_lesion")):
            folder = case / f"{case.name}_{part}"
            pair.append(list_images(folder, (".bmp", ".png", ".jpg")).get(name))
            missing += [] if pair[-1] else [f"{folder / name}.bmp"]
        image, mask = pair
        if image is not None:
            files[case.name] = image, mask
    if missing:
        refuse(DataError(f"{len(missing)} file(s) of PH2 are missing: {some(missing)}. Unpack the download again."))
    return files
