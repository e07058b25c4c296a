"""STAC items of weights, read by the two libraries that know the Machine Learning Model extension."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pystac
import pytest
from pystac.extensions.file import FileExtension
from pystac.extensions.mlm import MLMExtension
from stac_model.schema import MLModelProperties

from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.data.targets import Targets
from hqzoo.weights.catalogue import in_folder
from hqzoo.weights.spec import WeightSpec
from hqzoo.weights.stac import to_stac
from tests.weights.test_spec import FULL

SEVERAL = replace(
    FULL,
    sensors={"s1": Sensor(("VV", "VH"), "dB", 30.0), "s2": Sensor(("B02",), "reflectance x 1e4", 1e4)},
    statistics={"s1": Statistics((-12.0, -18.0), (4.0, 5.0)), "s2": Statistics((1.0,), (2.0,))},
    targets=None,
    trained=None,
)
LABELS = replace(FULL, targets=Targets("label", ("Annual Crop", "River / lake")))


@pytest.mark.parametrize("spec", [FULL, SEVERAL, LABELS], ids=["mask", "features", "label"])
def test_stac_model_accepts_its_properties(spec: WeightSpec) -> None:
    properties = to_stac(spec)["properties"]
    found = MLModelProperties(**properties)
    assert found.name == spec.name
    assert [each.name for each in found.input] == list(spec.sensors)
    for given, (name, sensor) in zip(found.input, spec.sensors.items(), strict=True):
        assert tuple(given.bands) == sensor.bands
        scaling = [(each.mean, each.stddev) for each in given.value_scaling]
        assert scaling == list(zip(spec.statistics[name].mean, spec.statistics[name].std, strict=True))
    classes = [each.description for each in found.output[0].classes or []]
    assert tuple(classes) == (spec.targets.classes if spec.targets else ())


@pytest.mark.parametrize("spec", [FULL, SEVERAL, LABELS], ids=["mask", "features", "label"])
def test_pystac_reads_them_back(spec: WeightSpec) -> None:
    item = pystac.Item.from_dict(json.loads(json.dumps(to_stac(spec))))
    assert item.datetime is not None
    mlm = MLMExtension.ext(item)
    assert mlm.mlm_name == spec.name
    assert mlm.architecture == spec.architecture
    assert [tuple(each.bands) for each in mlm.input] == [sensor.bands for sensor in spec.sensors.values()]
    if spec.targets is not None:
        assert [each.value for each in mlm.output[0].classes] == list(range(len(spec.targets)))
    asset = item.assets["weights"]
    assert FileExtension.ext(asset).size == spec.size
    assert FileExtension.ext(asset).checksum == "1220" + spec.sha256
    assert {"mlm:model", "mlm:weights"} <= set(asset.roles or [])


def test_colours_are_those_of_the_palette() -> None:
    classes = to_stac(FULL)["properties"]["mlm:output"][0]["classification:classes"]
    assert [each["color_hint"] for each in classes] == ["010203", "040506"]


def test_names_are_those_a_machine_may_read() -> None:
    classes = to_stac(LABELS)["properties"]["mlm:output"][0]["classification:classes"]
    assert [each["name"] for each in classes] == ["Annual_Crop", "River_lake"]


def test_packages_carry_their_item(folder: Path) -> None:
    assert json.loads((folder / "stac.json").read_text()) == to_stac(in_folder(folder).spec)
