"""Data modules, sensors and classes: everything between files on disk and a batch of raw images with masks.

Names are loaded on first use, so that training from a folder of images imports neither TorchGeo nor rasterio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.data.augment import ColourJitter as ColourJitter
    from hqzoo.data.folder import FolderSegmentationDataModule as FolderSegmentationDataModule
    from hqzoo.data.labels import IGNORE_INDEX as IGNORE_INDEX
    from hqzoo.data.labels import ClassMap as ClassMap
    from hqzoo.data.landcoverai import LandCoverAIDataModule as LandCoverAIDataModule
    from hqzoo.data.landscapes import LandscapesDataModule as LandscapesDataModule
    from hqzoo.data.records import ArrayRecord as ArrayRecord
    from hqzoo.data.records import Record as Record
    from hqzoo.data.records import Window as Window
    from hqzoo.data.sampling import EpochSampler as EpochSampler
    from hqzoo.data.sampling import GridSampler as GridSampler
    from hqzoo.data.segmentation import SegmentationDataModule as SegmentationDataModule
    from hqzoo.data.sensor import Sensor as Sensor
    from hqzoo.data.sensor import Statistics as Statistics

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
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
    },
)
