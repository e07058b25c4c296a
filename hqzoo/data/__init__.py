"""Data modules, sensors and classes: everything between files on disk and a batch of raw images with masks.

Names are loaded on first use, so that training from a folder of images imports neither TorchGeo nor rasterio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.data.augment import ColourJitter as ColourJitter
    from hqzoo.data.base import DataModule as DataModule
    from hqzoo.data.classification import ClassificationDataModule as ClassificationDataModule
    from hqzoo.data.geobench.module import GeoBenchDataModule as GeoBenchDataModule
    from hqzoo.data.labelled import WholeSamples as WholeSamples
    from hqzoo.data.labels import IGNORE_INDEX as IGNORE_INDEX
    from hqzoo.data.labels import ClassMap as ClassMap
    from hqzoo.data.paired.bigearthnet import BigEarthNetV2DataModule as BigEarthNetV2DataModule
    from hqzoo.data.paired.bigearthnet_v1 import BigEarthNetV1DataModule as BigEarthNetV1DataModule
    from hqzoo.data.paired.collection import PairCollectionDataModule as PairCollectionDataModule
    from hqzoo.data.paired.module import PairDataModule as PairDataModule
    from hqzoo.data.paired.records import PairRecord as PairRecord
    from hqzoo.data.records import ArrayRecord as ArrayRecord
    from hqzoo.data.records import ImageRecord as ImageRecord
    from hqzoo.data.records import Record as Record
    from hqzoo.data.records import Window as Window
    from hqzoo.data.resized import Resized as Resized
    from hqzoo.data.sampling import EpochSampler as EpochSampler
    from hqzoo.data.sampling import GridSampler as GridSampler
    from hqzoo.data.segmentation import SegmentationDataModule as SegmentationDataModule
    from hqzoo.data.sensor import Inputs as Inputs
    from hqzoo.data.sensor import Sensor as Sensor
    from hqzoo.data.sensor import Statistics as Statistics
    from hqzoo.data.sets.folder import FolderSegmentationDataModule as FolderSegmentationDataModule
    from hqzoo.data.sets.folder_labels import FolderClassificationDataModule as FolderClassificationDataModule
    from hqzoo.data.sets.fruitseg30 import FruitSeg30DataModule as FruitSeg30DataModule
    from hqzoo.data.sets.isbi2012 import ISBI2012DataModule as ISBI2012DataModule
    from hqzoo.data.sets.landcoverai import LandCoverAIDataModule as LandCoverAIDataModule
    from hqzoo.data.sets.landscapes import LandscapesDataModule as LandscapesDataModule
    from hqzoo.data.sets.openearthmap import OpenEarthMapDataModule as OpenEarthMapDataModule
    from hqzoo.data.sets.ph2 import PH2DataModule as PH2DataModule
    from hqzoo.data.sets.seasonet import SeasoNetDataModule as SeasoNetDataModule
    from hqzoo.data.sets.torchgeo import TorchGeoDataModule as TorchGeoDataModule
    from hqzoo.data.targets import Targets as Targets
    from hqzoo.data.whole_images import WholeImagesDataModule as WholeImagesDataModule

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ArrayRecord": "records",
        "BigEarthNetV1DataModule": "paired.bigearthnet_v1",
        "BigEarthNetV2DataModule": "paired.bigearthnet",
        "ClassMap": "labels",
        "ClassificationDataModule": "classification",
        "ColourJitter": "augment",
        "DataModule": "base",
        "EpochSampler": "sampling",
        "FolderClassificationDataModule": "sets.folder_labels",
        "FolderSegmentationDataModule": "sets.folder",
        "FruitSeg30DataModule": "sets.fruitseg30",
        "GeoBenchDataModule": "geobench.module",
        "GridSampler": "sampling",
        "IGNORE_INDEX": "labels",
        "ISBI2012DataModule": "sets.isbi2012",
        "ImageRecord": "records",
        "Inputs": "sensor",
        "LandCoverAIDataModule": "sets.landcoverai",
        "LandscapesDataModule": "sets.landscapes",
        "OpenEarthMapDataModule": "sets.openearthmap",
        "PH2DataModule": "sets.ph2",
        "PairCollectionDataModule": "paired.collection",
        "PairDataModule": "paired.module",
        "PairRecord": "paired.records",
        "Record": "records",
        "Resized": "resized",
        "SeasoNetDataModule": "sets.seasonet",
        "SegmentationDataModule": "segmentation",
        "Sensor": "sensor",
        "Statistics": "sensor",
        "Targets": "targets",
        "TorchGeoDataModule": "sets.torchgeo",
        "WholeImagesDataModule": "whole_images",
        "WholeSamples": "labelled",
        "Window": "records",
    },
)
