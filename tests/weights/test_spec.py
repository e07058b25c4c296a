"""The spec: what goes in comes out, newer files are told or refused, and nothing but one error ever comes of junk."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.data.targets import Targets
from hqzoo.errors import CheckpointError
from hqzoo.tasks.trained import Trained
from hqzoo.weights.card import card
from hqzoo.weights.evidence import CircuitSize, ControlResult, DataSource, Origin, Score
from hqzoo.weights.spec import WeightSpec, read_spec
from hqzoo.weights.stac import to_stac

FULL = WeightSpec(
    name="hq-unet-aerial",
    version="1.2.0",
    summary="Land cover of aerial imagery.",
    licence="CC-BY-4.0",
    sha256="ab" * 32,
    size=1234,
    architecture="hq_unet",
    architecture_args={"width": 16},
    task="hqzoo.tasks.segmentation.SegmentationTask",
    task_args={"loss": {"name": "ce_dice"}},
    sensors={"image": Sensor(("red", "nir"), "reflectance x 1e4", 1e4, gsd=0.2, level="L2A", offset=1000.0)},
    statistics={"image": Statistics((1.0, 2.0), (3.0, 4.0), quantiles=((0.5, (1.5, 2.5)),))},
    targets=Targets("mask", ("soil", "water"), ((1, 2, 3), (4, 5, 6)), ignore=255, values=(10, 20)),
    outputs=2,
    trained=Trained("32-true", (128, 128)),
    steps=100,
    contents={"FolderSegmentationDataModule": "12" * 32},
    training_data=(DataSource(name="FLAIR", licence="etalab-2.0", url="u", citation="c", fingerprint="f"),),
    recipe_sha256="cd" * 32,
    command="hqzoo fit",
    code_version="0.1.0",
    created="2026-01-01T00:00:00+00:00",
    min_hqzoo="0.1.0",
    scores=(
        Score(
            metric="miou",
            value=0.5,
            data="FLAIR",
            images=9,
            folds=(0, 1),
            seeds=(3,),
            interval=(0.4, 0.6),
            floor=0.1,
            floor_name="soil everywhere",
            control=0.4,
            control_interval=(-0.1, 0.3),
        ),
    ),
    control=ControlResult(
        name="constant", metric="miou", value=0.4, difference=0.1, interval=(-0.1, 0.3), how="same steps and seed"
    ),
    out_of_domain=(Score(metric="miou", value=0.2, data="Dubai", split="all"),),
    circuits={"core": CircuitSize(qubits=16, gates=168, weights=8, outputs=32, engine="cone")},
    frozen={"model.backbone": Origin(source="timm/vit", sha256="ef" * 32, licence="DINOv3")},
    started_from={"net.encoder": Origin(source="random", sha256="ef" * 32, seed=3, torch="2.11")},
    caveats=("Summer images only.",),
)


def changed(**values: Any) -> dict[str, Any]:
    return {**FULL.to_dict(), **values}


def test_every_field_survives_json() -> None:
    plain = json.loads(json.dumps(FULL.to_dict()))
    assert WeightSpec.from_dict(plain) == FULL
    assert set(plain) == {each.name for each in fields(WeightSpec)} - {"further"} | {"format", "schema"}


def test_fields_of_a_newer_schema_are_kept_and_told() -> None:
    with pytest.warns(UserWarning, match="newer hqzoo.*carbon"):
        again = WeightSpec.from_dict(changed(schema=2, carbon={"kg": 1}))
    assert again == FULL
    assert again.to_dict() == changed(schema=2, carbon={"kg": 1})
    sensor = {**FULL.to_dict()["sensors"]["image"], "schema": 9, "viewing_angle": 12.0}
    with pytest.warns(UserWarning, match="Sensor was written by a newer hqzoo.*viewing_angle"):
        again = WeightSpec.from_dict(changed(sensors={"image": sensor}))
    assert again.to_dict()["sensors"]["image"] == sensor


def test_a_newer_format_is_refused_by_name() -> None:
    with pytest.raises(
        CheckpointError, match=r"'hq-unet-aerial' are described in format 2.*reads formats up to 1.*hqzoo 3\.0"
    ):
        WeightSpec.from_dict(changed(format=2, min_hqzoo="3.0"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"carbon": 1}, "Unknown field of WeightSpec 'carbon'"),
        ({"format": None}, "format None"),
        ({"format": "1"}, "format '1'"),
        ({"name": "HQ UNet"}, "no name for weights"),
        ({"name": "best"}, "no name for weights"),
        ({"name": "../../etc"}, "no name for weights"),
        ({"version": "latest"}, "version .* is 'latest'"),
        ({"sha256": "AB" * 32}, "sha256"),
        ({"sha256": 7}, "sha256"),
        ({"size": -1}, "size"),
        ({"sensors": {}}, "Every sensor needs statistics"),
        ({"sensors": {"image": {"bands": []}}}, "one or more bands"),
        ({"sensors": 3}, "description of the weights"),
        ({"targets": {"kind": "boxes", "classes": ["a"]}}, "boxes"),
        ({"scores": [{"metric": "miou", "value": "high", "data": "d"}]}, "'miou' is a finite number, got 'high'"),
        ({"scores": [{"metric": "m", "value": 1, "data": "d", "interval": [2, 1]}]}, "from low to high"),
        ({"scores": [{"metric": "m", "value": 1, "data": "d", "direction": "up"}]}, "max or min"),
        ({"control": {"name": "c", "metric": "m", "value": 1, "difference": 1, "verdict": "great"}}, "'great'"),
        ({"training_data": [{"name": "x", "licence": ""}]}, "a name and a licence"),
        ({"frozen": {"model.backbone": {"source": "timm/vit"}}}, "'timm/vit', whose licence is not stated"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        WeightSpec.from_dict(changed(**values))


@pytest.mark.parametrize("field", ["name", "sha256", "architecture", "task", "sensors", "statistics", "created"])
def test_what_is_missing_is_one_error(field: str) -> None:
    with pytest.raises(CheckpointError):
        WeightSpec.from_dict({key: value for key, value in FULL.to_dict().items() if key != field})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(FULL.to_dict())), JSON)
def test_junk_in_any_field_is_a_spec_or_one_kind_of_error(field: str, junk: Any) -> None:
    with suppress(CheckpointError):
        spec = WeightSpec.from_dict(changed(**{field: junk}))
        assert card(spec)
        assert to_stac(spec)
        assert WeightSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", '"text"', "\x00"])
def test_files_that_hold_no_spec(tmp_path: Path, content: str) -> None:
    (tmp_path / "weights.json").write_text(content)
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path / "weights.json"))):
        read_spec(tmp_path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_spec(tmp_path)
