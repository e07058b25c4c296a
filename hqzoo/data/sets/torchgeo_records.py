"""Samples of TorchGeo's data sets as records, and the errors of their classes in words that help."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from hqzoo._own_code import import_own
from hqzoo.data.labels import ClassMap
from hqzoo.data.records import Image, ImageRecord, Mask, Record, Window
from hqzoo.errors import ConfigError, DataError, unknown_name

if TYPE_CHECKING:
    from torchgeo.datasets import NonGeoDataset

__all__ = ["GeoLabelRecord", "GeoMaskRecord", "find_class", "open_dataset", "read_sample"]


def find_class(path: str) -> type[NonGeoDataset]:
    """Return a class of TorchGeo, or derived from its ``NonGeoDataset``, by its path.

    Args:
        path: ``torchgeo.datasets.EuroSAT``, or ``EuroSAT`` alone.

    Raises:
        ConfigError: If its module cannot be imported, or has no such class.
    """
    import torchgeo.datasets
    from torchgeo.datasets import NonGeoDataset

    package, _, name = path.rpartition(".")
    module = import_own(package, f"dataset: {path}") if package else torchgeo.datasets
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, NonGeoDataset)):
        every = [each for each in dir(torchgeo.datasets) if _is_dataset(getattr(torchgeo.datasets, each))]
        raise ConfigError(unknown_name("non-geo data set of TorchGeo", path, every))
    return found


def _is_dataset(item: object) -> bool:
    from torchgeo.datasets import NonGeoDataset

    return isinstance(item, type) and issubclass(item, NonGeoDataset)


def open_dataset(cls: type[NonGeoDataset], arguments: Mapping[str, Any]) -> NonGeoDataset:
    """Build a data set.

    Raises:
        ConfigError: If it does not know an argument, or refuses its value.
        DataError: If its files are missing or damaged.
    """
    from torchgeo.datasets import DatasetNotFoundError

    known = list(inspect.signature(cls).parameters)
    for name in arguments:
        if name not in known:
            raise ConfigError(unknown_name(f"argument of {cls.__name__}", name, known))
    shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    try:
        return cls(**arguments)
    except DatasetNotFoundError as error:
        raise DataError(
            f"{cls.__name__}({shown}) did not find its files: {error} Correct `root`, or set "
            "`dataset_args: {download: true}` where the class can download them."
        ) from error
    except (AssertionError, ValueError, TypeError, KeyError) as error:  # how TorchGeo refuses an argument
        raise ConfigError(
            f"{cls.__name__}({shown}) refuses its arguments ({type(error).__name__}: {error or 'no reason given'}). "
            "Correct `splits` or `dataset_args`."
        ) from error
    except ImportError as error:
        raise ConfigError(f"{cls.__name__} needs a package that is not installed: {error}") from error
    except (OSError, RuntimeError) as error:
        raise DataError(f"{cls.__name__}({shown}) cannot read its files: {error}") from error


def read_sample(dataset: NonGeoDataset, index: int) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of a sample as arrays.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        sample = dataset[index]
    except (OSError, RuntimeError, ValueError, AssertionError, IndexError, KeyError) as error:
        raise DataError(f"{type(dataset).__name__} cannot read its sample {index}: {error}") from error
    return {name: value.numpy() for name, value in sample.items() if isinstance(value, torch.Tensor)}


class GeoMaskRecord(ImageRecord):
    """An image with its class mask out of a TorchGeo data set, which reads whole images only.

    Args:
        name: Name of the image.
        size: Height and width, as those of the data set's first image.
        dataset: The data set.
        index: Number of the sample.
        class_map: Classes of the mask.
        layer: Which of several masks is meant; None where there is one.
    """

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        dataset: NonGeoDataset,
        index: int,
        class_map: ClassMap,
        layer: int | None,
    ) -> None:
        super().__init__(name, *size)
        self.dataset, self.index, self.class_map, self.layer = dataset, index, class_map, layer

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read image and mask (see :class:`~hqzoo.data.records.ImageRecord`)."""
        sample, source = read_sample(self.dataset, self.index), f"of sample {self.index} ({self.name})"
        image = sample["image"]
        if image.shape[1:] != (self.height, self.width):
            raise DataError(
                f"The image {source} of {type(self.dataset).__name__} has {image.shape[1]} x {image.shape[2]} pixels, "
                f"but the first one {self.height} x {self.width}. Set `same_size: false`."
            )
        mask = None
        if "mask" in sample:
            mask = self.class_map.encode(one_mask(sample["mask"], self.layer, source), source)
        if window is None:
            return image, mask
        return window.of(image), None if mask is None else window.of(mask)


class GeoLabelRecord(Record):
    """An image with its label or labels out of a TorchGeo data set.

    Args:
        name: Name of the image.
        dataset: The data set.
        index: Number of the sample.
        classes: Number of classes.
        several: Whether an image has any number of classes, as a vector of 0 and 1.
    """

    def __init__(
        self,
        name: str,
        dataset: NonGeoDataset,
        index: int,
        classes: int,
        several: bool,
    ) -> None:
        super().__init__(name)
        self.dataset, self.index, self.classes, self.several = dataset, index, classes, several

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return ``image`` and ``label``: int64 (), or float32 (K,)."""
        sample = read_sample(self.dataset, self.index)
        image, label = sample["image"], sample["label"]
        fits = label.shape == (self.classes,) if self.several else label.size == 1 and 0 <= int(label) < self.classes
        if not fits:
            expected = f"{self.classes} numbers 0 or 1" if self.several else f"one number below {self.classes}"
            raise DataError(
                f"The label of sample {self.index} ({self.name}) of {type(self.dataset).__name__} is {label.tolist()}; "
                f"expected {expected}. Correct `kind` or `classes`."
            )
        target = label.astype(np.float32) if self.several else label.reshape(()).astype(np.int64)
        return {"image": image, "label": target}


def one_mask(mask: npt.NDArray[Any], layer: int | None, source: str) -> npt.NDArray[Any]:
    """Return one mask ``(H, W)`` of those ``([L,] H, W)`` of a sample.

    Raises:
        ConfigError: If it is not clear which, or there is no such layer.
    """
    if mask.ndim == 2 and layer is None:
        return mask
    layers = mask if mask.ndim == 3 else mask[None]
    if layer is None and len(layers) == 1:
        return np.asarray(layers[0])
    if layer is None or not 0 <= layer < len(layers):
        raise ConfigError(f"The mask {source} has {len(layers)} layer(s): choose one with `mask_layer`, got {layer}.")
    return np.asarray(layers[layer])
