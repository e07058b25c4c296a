"""Data modules, sensors and classes: everything between files on disk and a batch of raw images with masks.

Names are loaded on first use, so that training from a folder of images imports neither TorchGeo nor rasterio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqzoo.data.augment import ColourJitter
    from hqzoo.data.folder import FolderSegmentationDataModule
    from hqzoo.data.labels import IGNORE_INDEX, ClassMap
    from hqzoo.data.landcoverai import LandCoverAIDataModule
    from hqzoo.data.landscapes import LandscapesDataModule
    from hqzoo.data.records import ArrayRecord, Record, Window
    from hqzoo.data.sampling import EpochSampler, GridSampler
    from hqzoo.data.segmentation import SegmentationDataModule
    from hqzoo.data.sensor import Sensor, Statistics

_HOME = {
    "ArrayRecord": "records",
    "ClassMap": "labels",
    "ColourJitter": "augment",
    "EpochSampler": "sampling",
    "FolderSegmentationDataModule": "folder",
    "GridSampler": "sampling",
    "IGNORE_INDEX": "labels",
    "LandCoverAIDataModule": "landcoverai",
    "LandscapesDataModule": "landscapes",
    "Record": "records",
    "SegmentationDataModule": "segmentation",
    "Sensor": "sensor",
    "Statistics": "sensor",
    "Window": "records",
}

__all__ = [
    "IGNORE_INDEX",
    "ArrayRecord",
    "ClassMap",
    "ColourJitter",
    "EpochSampler",
    "FolderSegmentationDataModule",
    "GridSampler",
    "LandCoverAIDataModule",
    "LandscapesDataModule",
    "Record",
    "SegmentationDataModule",
    "Sensor",
    "Statistics",
    "Window",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562: any public name of this package
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
