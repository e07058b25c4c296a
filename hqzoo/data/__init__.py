"""Data modules, sensors and classes: everything between files on disk and a batch of raw images with masks.

Names are loaded on first use, so that training from a folder of images imports neither TorchGeo nor rasterio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.data.augment import ColourJitter as ColourJitter
    from hqzoo.data.base import DataModule as DataModule
    from hqzoo.data.bigearthnet import BigEarthNetV2DataModule as BigEarthNetV2DataModule
    from hqzoo.data.bigearthnet_v1 import BigEarthNetV1DataModule as BigEarthNetV1DataModule
    from hqzoo.data.classification import ClassificationDataModule as ClassificationDataModule
    from hqzoo.data.folder import FolderSegmentationDataModule as FolderSegmentationDataModule
    from hqzoo.data.folder_labels import FolderClassificationDataModule as FolderClassificationDataModule
    from hqzoo.data.fruitseg30 import FruitSeg30DataModule as FruitSeg30DataModule
    from hqzoo.data.geobench import GeoBenchDataModule as GeoBenchDataModule
    from hqzoo.data.isbi2012 import ISBI2012DataModule as ISBI2012DataModule
    from hqzoo.data.labelled import WholeSamples as WholeSamples
    from hqzoo.data.labels import IGNORE_INDEX as IGNORE_INDEX
    from hqzoo.data.labels import ClassMap as ClassMap
    from hqzoo.data.landcoverai import LandCoverAIDataModule as LandCoverAIDataModule
    from hqzoo.data.landscapes import LandscapesDataModule as LandscapesDataModule
    from hqzoo.data.openearthmap import OpenEarthMapDataModule as OpenEarthMapDataModule
    from hqzoo.data.pair_collection import PairCollectionDataModule as PairCollectionDataModule
    from hqzoo.data.pair_module import PairDataModule as PairDataModule
    from hqzoo.data.pair_records import PairRecord as PairRecord
    from hqzoo.data.ph2 import PH2DataModule as PH2DataModule
    from hqzoo.data.records import ArrayRecord as ArrayRecord
    from hqzoo.data.records import ImageRecord as ImageRecord
    from hqzoo.data.records import Record as Record
    from hqzoo.data.records import Window as Window
    from hqzoo.data.resized import Resized as Resized
    from hqzoo.data.sampling import EpochSampler as EpochSampler
    from hqzoo.data.sampling import GridSampler as GridSampler
    from hqzoo.data.seasonet import SeasoNetDataModule as SeasoNetDataModule
    from hqzoo.data.segmentation import SegmentationDataModule as SegmentationDataModule
    from hqzoo.data.sensor import Inputs as Inputs
    from hqzoo.data.sensor import Sensor as Sensor
    from hqzoo.data.sensor import Statistics as Statistics
    from hqzoo.data.targets import Targets as Targets
    from hqzoo.data.torchgeo import TorchGeoDataModule as TorchGeoDataModule
    from hqzoo.data.whole_images import WholeImagesDataModule as WholeImagesDataModule

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ArrayRecord": "records",
        "BigEarthNetV1DataModule": "bigearthnet_v1",
        "BigEarthNetV2DataModule": "bigearthnet",
        "ClassMap": "labels",
        "ClassificationDataModule": "classification",
        "ColourJitter": "augment",
        "DataModule": "base",
        "EpochSampler": "sampling",
        "FolderClassificationDataModule": "folder_labels",
        "FolderSegmentationDataModule": "folder",
        "FruitSeg30DataModule": "fruitseg30",
        "GeoBenchDataModule": "geobench",
        "GridSampler": "sampling",
        "IGNORE_INDEX": "labels",
        "ISBI2012DataModule": "isbi2012",
        "ImageRecord": "records",
        "Inputs": "sensor",
        "LandCoverAIDataModule": "landcoverai",
        "LandscapesDataModule": "landscapes",
        "OpenEarthMapDataModule": "openearthmap",
        "PH2DataModule": "ph2",
        "PairCollectionDataModule": "pair_collection",
        "PairDataModule": "pair_module",
        "PairRecord": "pair_records",
        "Record": "records",
        "Resized": "resized",
        "SeasoNetDataModule": "seasonet",
        "SegmentationDataModule": "segmentation",
        "Sensor": "sensor",
        "Statistics": "sensor",
        "Targets": "targets",
        "TorchGeoDataModule": "torchgeo",
        "WholeImagesDataModule": "whole_images",
        "WholeSamples": "labelled",
        "Window": "records",
    },
)
