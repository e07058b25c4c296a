"""Galileo Nano: equal to rslearn's code on the real weights, bands by name, absent ones masked."""

import importlib.util
import os
import pickle
import sys
import types
from pathlib import Path

import pytest
import torch

from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.errors import ConfigError
from hqzoo.models import create_model
from hqzoo.models.galileo_nano import STATISTICS
from hqzoo.nn import Normalizer, frozen_parts
from hqzoo.nn.galileo import GROUPS, GalileoEncoder
from tests.fixtures.canary import Canary

REAL = os.environ.get("HQZOO_REAL_DATA")
ENCODER_SHA256 = "eab6acacf527886a508a555bc24efe4b4a2cf91b162e84cd1c4a1807e942180c"
S2 = tuple(band for group, bands in GROUPS.items() if group.startswith("S2") for band in bands)
real_weights = pytest.mark.skipif(not REAL, reason="HQZOO_REAL_DATA is not set: no weights of Galileo")


def folder() -> Path:
    return Path(str(REAL)) / "weights" / "galileo_nano"


def given(bands=S2, unit: str = "reflectance x 1e4", scale: float = 1e4, **more) -> Inputs:
    """Statistics that differ by band, so that a swap shows."""
    mean = tuple(1000.0 + 10 * sum(map(ord, band)) for band in bands)
    std = tuple(300.0 + sum(map(ord, band)) for band in bands)
    if unit == "digital number":
        mean, std = (90.0, 80.0, 70.0), (60.0, 50.0, 40.0)
    return Inputs({"image": Sensor(bands, unit, scale, **more)}, {"image": Statistics(mean, std)})


def values(bands, size: int = 16, seed: int = 0) -> torch.Tensor:
    """Reflectances x 1e4 ``(2, C, H, W)``."""
    return 3000 * torch.rand(2, len(bands), size, size, generator=torch.Generator().manual_seed(seed))


def normalised(inputs: Inputs, image: torch.Tensor, name: str = "image") -> torch.Tensor:
    return Normalizer(inputs.statistics[name].mean, inputs.statistics[name].std)(image)


def oracle():
    """Load rslearn's file of Galileo without the rest of the package, whose 22 dependencies a test does not need."""
    spec = importlib.util.find_spec("rslearn")
    if spec is None:
        pytest.skip("rslearn is not installed: pip install --no-deps rslearn==0.1.19")
    path = Path(next(iter(spec.submodule_search_locations))) / "models" / "galileo" / "single_file_galileo.py"
    logs = types.ModuleType("rslearn.log_utils")
    logs.get_logger = lambda name: None
    before = sys.modules.get("rslearn.log_utils")
    sys.modules["rslearn.log_utils"] = logs
    try:
        found = importlib.util.spec_from_file_location("oracle_of_galileo", path)
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    finally:
        if before is None:
            del sys.modules["rslearn.log_utils"]
        else:
            sys.modules["rslearn.log_utils"] = before
    return module


def tokens_of_rslearn(code, image: torch.Tensor, bands, groups, patch: int, month: int, gsd: int):
    """Return all of the encoder's outputs for values ``(B, C, H, W)`` of which the groups named are seen."""
    batch, _, height, width = image.shape
    known = ["B" + band[1:].lstrip("0") if band.startswith("B") else band for band in bands]
    space_time = torch.zeros(batch, height, width, 1, len(code.SPACE_TIME_BANDS))
    for place, band in enumerate(known):
        space_time[..., 0, code.SPACE_TIME_BANDS.index(band)] = image[:, place]
    space_time = torch.from_numpy(code.Normalizer()(space_time.numpy())).float()
    mask = torch.ones(batch, height, width, 1, len(code.SPACE_TIME_BANDS_GROUPS_IDX))
    for place, group in enumerate(code.SPACE_TIME_BANDS_GROUPS_IDX):
        mask[..., place] = 0 if group in groups else 1
    encoder = code.Encoder.load_from_folder(folder(), torch.device("cpu")).eval()
    with torch.no_grad():
        return encoder, encoder(
            space_time,
            torch.zeros(batch, height, width, len(code.SPACE_BANDS)),
            torch.zeros(batch, 1, len(code.TIME_BANDS)),
            torch.zeros(batch, len(code.STATIC_BANDS)),
            mask,
            torch.ones(batch, height, width, len(code.SPACE_BAND_GROUPS_IDX)),
            torch.ones(batch, 1, len(code.TIME_BAND_GROUPS_IDX)),
            torch.ones(batch, len(code.STATIC_BAND_GROUPS_IDX)),
            torch.full((batch, 1), month - 1),
            patch_size=patch,
            input_resolution_m=gsd,
        )


@real_weights
@pytest.mark.parametrize(
    ("bands", "patch", "month", "gsd"),
    [(S2, 4, 6, 10), (("B02", "B03", "B04"), 8, 1, 10), (("B04", "B8A", "B03", "B02", "B01"), 2, 12, 20)],
)
def test_features_and_maps_are_those_of_rslearn(bands, patch: int, month: int, gsd: int) -> None:
    inputs, image = given(bands, gsd=gsd), values(bands)
    model = create_model("galileo_nano", inputs=inputs, weights=str(folder()), patch=patch, month=month).eval()
    groups = [group for group, each in GROUPS.items() if set(each) <= set(bands)]
    kept = [place for place, band in enumerate(bands) if any(band in GROUPS[group] for group in groups)]
    encoder, outputs = tokens_of_rslearn(oracle(), image[:, kept], [bands[k] for k in kept], groups, patch, month, gsd)
    ours = normalised(inputs, image)
    torch.testing.assert_close(model(ours), encoder.average_tokens(*outputs[:8]), atol=2e-5, rtol=1e-4)
    per_patch = encoder.apply_mask_and_average_tokens_per_patch(*outputs[:8])
    torch.testing.assert_close(model.maps(ours).flatten(2).mT, per_patch, atol=5e-5, rtol=1e-4)


@real_weights
def test_radar_beside_optical_bands() -> None:
    bands = ("VV", "VH", *S2)
    optical, radar = values(S2), -20 + 10 * torch.rand(2, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    inputs = Inputs(
        {"s2": given().sensors["image"], "s1": Sensor(("VH", "VV"), "dB", 30)},
        {"s2": given().statistics["image"], "s1": Statistics((-18.0, -12.0), (5.0, 4.0))},
    )
    model = create_model("galileo_nano", inputs=inputs, weights=str(folder() / "encoder.pt"), patch=4).eval()
    images = {"s2": normalised(inputs, optical, "s2"), "s1": normalised(inputs, radar.flip(1), "s1")}
    groups = [group for group in GROUPS if group != "NDVI"]
    encoder, outputs = tokens_of_rslearn(oracle(), torch.cat([radar, optical], 1), bands, groups, 4, 6, 10)
    torch.testing.assert_close(model(images), encoder.average_tokens(*outputs[:8]), atol=2e-5, rtol=1e-4)


@real_weights
def test_tables_that_nobody_trained_are_the_files() -> None:
    stored = torch.load(folder() / "encoder.pt", map_location="cpu", weights_only=True)
    own = GalileoEncoder(("S1",), 4, 6, 10.0).state_dict()
    for name in ("pos_embed", "month_embed.weight"):
        torch.testing.assert_close(own[name], stored[name], atol=1e-6, rtol=0)


@real_weights
def test_statistics_are_those_beside_the_weights() -> None:
    import json

    stored = json.loads((folder() / "normalization.json").read_text())["13"]
    assert list(STATISTICS.values()) == list(zip(stored["mean"][:12], stored["std"][:12], strict=True))


@real_weights
def test_reference_names_the_weights_and_another_digest_is_refused() -> None:
    model = create_model("galileo_nano", inputs=given(), weights=str(folder()))
    (reference,) = [part.reference for part in frozen_parts(model).values()]
    assert reference["source"] == "galileo_nano/encoder.pt"
    assert create_model("galileo_nano", inputs=given(), weights=str(folder()), sha256=reference["sha256"])
    with pytest.raises(ConfigError, match=rf"digest {reference['sha256']}, not 0123"):
        create_model("galileo_nano", inputs=given(), weights=str(folder()), sha256="0123")
    trained = create_model("galileo_nano", inputs=given(), weights=str(folder()), frozen=False)
    assert trained.starting_weights()["encoder"]["sha256"] == reference["sha256"]
    assert not frozen_parts(trained)


def test_bands_in_another_order_give_the_same_features() -> None:
    order = torch.randperm(len(S2), generator=torch.Generator().manual_seed(3)).tolist()
    image, permuted = values(S2), tuple(S2[k] for k in order)
    models = [create_model("galileo_nano", inputs=given(bands)).eval() for bands in (S2, permuted)]
    first = models[0](normalised(given(), image))
    torch.testing.assert_close(models[1](normalised(given(permuted), image[:, order])), first)
    swapped = models[0](normalised(given(), image[:, order]))
    assert not torch.allclose(swapped, first, atol=1e-3)


def test_colours_of_eight_bits_are_reflectances_whose_white_is_said() -> None:
    colours = given(("red", "green", "blue"), "digital number", 255.0)
    reflectances = given(("B04", "B03", "B02"))
    image = values(("B04", "B03", "B02")).clamp(max=2750)
    expected = create_model("galileo_nano", inputs=reflectances).eval()(normalised(reflectances, image))
    for white in (2750.0, 3558.0):
        model = create_model("galileo_nano", inputs=colours, white=white).eval()
        found = model(normalised(colours, image * 255 / white))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_an_offset_of_storage_is_taken_off() -> None:
    plain, stored = given(), given(offset=1000.0)
    image = values(S2)
    features = [
        create_model("galileo_nano", inputs=inputs).eval()(normalised(inputs, image + inputs.single.offset))
        for inputs in (plain, stored)
    ]
    torch.testing.assert_close(*features, atol=1e-4, rtol=1e-4)


def test_gradients_reach_what_is_trained() -> None:
    model = create_model("galileo_nano", inputs=given(), frozen=False)
    model(normalised(given(), values(S2))).square().mean().backward()
    silent = {name for name, p in model.named_parameters() if p.grad is None and p.requires_grad}
    assert silent == set()
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == {
        "net.pos_embed", "net.month_embed.weight"
    }  # fmt: skip


def test_seed_is_all_that_random_weights_depend_on() -> None:
    torch.manual_seed(5)
    first = create_model("galileo_nano", inputs=given(), seed=1)
    state = torch.get_rng_state()
    second = create_model("galileo_nano", inputs=given(), seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    digests = [frozen_parts(each)["net"].reference["sha256"] for each in (first, second)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": given(("B01", "B09"))}, "groups of bands, each as a whole.*The images have B01, B09"),
        ({"patch": 9}, "patch=9 is 1 to 8"),
        ({"month": 0}, "month is 1 to 12|month=0"),
        ({"white": 0.0}, "white=0.0"),
        ({"weights": "nowhere.pt"}, "nowhere.pt' is no file"),
        ({"inputs": given(("VV", "VH"))}, "takes values in dB; those of the data are in 'reflectance x 1e4'"),
    ],
)
def test_errors(arguments, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model("galileo_nano", **{"inputs": given(), **arguments})


def test_sides_are_multiples_of_the_patch() -> None:
    with pytest.raises(ConfigError, match="Resize or pad to 16x16"):
        create_model("galileo_nano", inputs=given())(torch.zeros(1, len(S2), 14, 14))


def test_wrong_files_are_named_and_nothing_of_them_runs(tmp_path: Path) -> None:
    hostile, canary = tmp_path / "hostile.pt", tmp_path / "canary"
    torch.save({"norm.weight": Canary(canary)}, hostile)
    legacy = tmp_path / "legacy.pt"
    legacy.write_bytes(pickle.dumps(Canary(canary)))
    for path in (hostile, legacy):
        with pytest.raises(ConfigError, match="more than tensors and plain types; nothing of it was run"):
            create_model("galileo_nano", inputs=given(), weights=str(path))
    assert not canary.exists()
    other = tmp_path / "other.pt"
    torch.save(torch.nn.Linear(3, 3).state_dict(), other)
    with pytest.raises(ConfigError, match="holds no weights of Galileo Nano: it lacks"):
        create_model("galileo_nano", inputs=given(), weights=str(other))
    own = GalileoEncoder(tuple(group for group in GROUPS if group.startswith("S2")), 4, 6, 10.0, width=64)
    torch.save(own.state_dict(), other)
    with pytest.raises(ConfigError, match="another number of bands, or of another size"):
        create_model("galileo_nano", inputs=given(), weights=str(other))
