"""The data sets of GEO-Bench version 1 that are read here: what they teach, and what their numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hqzoo.data.paired.corine_classes import CLASSES_43

__all__ = ["SETS", "GeoBenchSet"]

_EUROSAT = (
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "PermanentCrop", "Residential",
    "River", "SeaLake",
)  # fmt: skip
_LOCAL_CLIMATE_ZONES = (
    "Compact high rise", "Compact mid rise", "Compact low rise", "Open high rise", "Open mid rise", "Open low rise",
    "Lightweight low rise", "Large low rise", "Sparsely built", "Heavy industry", "Dense trees", "Scattered trees",
    "Bush, scrub", "Low plants", "Bare rock or paved", "Bare soil or sand", "Water",
)  # fmt: skip
_CROPS = (
    "No Data", "Lucerne/Medics", "Planted pastures", "Fallow", "Wine grapes", "Weeds", "Small grain grazing", "Wheat",
    "Canola", "Rooibos",
)  # fmt: skip
_CASHEWS = (
    "no data", "well-managed plantation", "poorly-managed plantation", "non-plantation", "residential", "background",
    "uncertain",
)  # fmt: skip


@dataclass(frozen=True)
class GeoBenchSet:
    """One data set.

    Args:
        kind: Kind of its targets.
        classes: Names of its classes, in the order of their numbers.
        folders: Names of folders, beside the set's own, that it is known by.
        level: Processing level of its Sentinel-2 bands; empty: not stated.
        factor: What its Sentinel-2 values are multiplied by to be reflectance x 1e4; None: they are 8-bit numbers.
        faulty: Band that a file's name claims to the band that it holds, where the published files are wrong.
        darker: There, true bands that are each darker on average than the next, as the published statistics have it.
        published: Numbers of its samples that are published, by split of the default partition.
        scene: Regular expression that finds the place that several samples show in their names; empty: each is its own.
    """

    kind: Literal["mask", "label", "multilabel"]
    classes: tuple[str, ...]
    folders: tuple[str, ...] = ()
    level: str = ""
    factor: float | None = 1.0
    faulty: Mapping[str, str] = field(default_factory=dict)
    darker: tuple[str, ...] = ()
    published: tuple[int, int, int] = (0, 0, 0)
    scene: str = ""


SETS: Mapping[str, GeoBenchSet] = {
    "m-bigearthnet": GeoBenchSet(
        "multilabel", tuple(CLASSES_43), ("bigearthnet",), level="L2A", published=(20_000, 1000, 1000)
    ),
    "m-eurosat": GeoBenchSet(
        "label",
        _EUROSAT,
        ("eurosat",),
        level="L1C",
        faulty={"B8A": "B09", "B09": "B10", "B10": "B11", "B11": "B12", "B12": "B8A"},
        darker=("B10", "B09", "B12", "B11", "B8A"),
        published=(2000, 1000, 1000),
    ),
    "m-so2sat": GeoBenchSet("label", _LOCAL_CLIMATE_ZONES, ("so2sat",), factor=1e4, published=(19_992, 986, 986)),
    "m-brick-kiln": GeoBenchSet(
        "label",
        ("not brick kiln", "brick kiln"),
        ("brick_kiln_v1.0",),
        faulty={
            "B06": "B07",
            "B07": "B8A",
            "B8A": "B11",
            "B09": "B12",
            "B10": "TCI_R",
            "B11": "TCI_G",
            "B12": "TCI_B",
        },
        darker=("TCI_B", "TCI_R", "TCI_G", "B12", "B11"),
        published=(15_063, 999, 999),
    ),
    "m-SA-crop-type": GeoBenchSet(
        "mask",
        _CROPS,
        ("southAfricaCropType",),
        factor=None,
        published=(3000, 1000, 1000),
        scene=r"^.+_labels_\d+(?=_\d+$)",  # one place and mask, seen several times
    ),
    "m-cashew-plant": GeoBenchSet("mask", _CASHEWS, ("cashew", "benin_smallholder_cashews"), published=(1350, 400, 50)),
}
"""Name to data set."""
