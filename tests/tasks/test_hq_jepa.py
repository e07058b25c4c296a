"""Pretraining of HQ-JEPA: its losses, its teacher, what it reports, and going on as if nothing had happened."""

import copy
import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from hqzoo._lightning import pl
from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.errors import ConfigError, DivergedError
from hqzoo.models import count_parameters, create_model, model_info
from hqzoo.tasks import HQJEPATask
from hqzoo.tasks.embedding_health import health, neighbour_accuracy, rank_me, recall_at_1
from hqzoo.tasks.hq_jepa import sample_keys
from hqzoo.tasks.mask_panel import as_map
from tests.toys.sensors import PairData

TINY = {
    "image_size": 8, "patch": 1, "width": 16, "heads": 2, "depth": 2, "predictor_width": 8, "predictor_depth": 1,
    "other_depth": 1, "fused_width": 8,
}  # fmt: skip
SENSORS = {"s2": Sensor(("blue", "green", "red")), "s1": Sensor(("VV", "VH"), "dB", 30)}
STATISTICS = {"s2": Statistics((100.0,) * 3, (20.0,) * 3), "s1": Statistics((-10.0,) * 2, (3.0,) * 2)}


def task(weights=None, **arguments) -> HQJEPATask:
    torch.manual_seed(0)
    own = {**TINY, **arguments.pop("architecture_args", {})}
    return HQJEPATask("hq_jepa", own, weights=weights, sensors=SENSORS, statistics=STATISTICS, **arguments)


def batch(size: int = 4) -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    return {
        "s2": 100 + 20 * torch.randn(size, 3, 8, 8, generator=generator),
        "s1": -10 + 3 * torch.randn(size, 2, 8, 8, generator=generator),
        "name": [f"patch {i}" for i in range(size)],
    }


def trainer(**arguments) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return pl.Trainer(**{**quiet, "max_epochs": 1, "enable_checkpointing": False, **arguments})


class SaveAtStep(pl.Callback):
    """Saves a checkpoint behind a step, in the middle of an epoch of five."""

    def __init__(self, step: int, file: Path) -> None:
        self.step, self.file = step, file

    def on_train_batch_end(self, trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.file)


def test_losses_are_those_of_the_paper() -> None:
    module, given = task(), batch()
    masks = module.masks.draw(sample_keys(given["name"]), 1, 2)
    found = module.losses(given, 1, 2)
    assert set(found) == {"token", "cross_modal", "sigreg", "fidelity"}
    images = {name: (given[name] - 100) / 20 if name == "s2" else (given[name] + 10) / 3 for name in SENSORS}
    model = module.model
    context = model.student(images["s2"], masks.context)
    predicted = model.predictor(context, masks.context, masks.targets)
    whole = model.teacher(images["s2"])
    targets = torch.stack([torch.stack([F.layer_norm(whole[i, block], (16,)) for block in each])
                           for i, each in enumerate(masks.targets)])  # fmt: skip
    torch.testing.assert_close(found["token"], F.smooth_l1_loss(predicted, targets))
    other = model.head(model.other_encoder(images["s1"]))
    other = torch.stack([torch.stack([F.layer_norm(other[i, block], (16,)) for block in each])
                         for i, each in enumerate(masks.targets)])  # fmt: skip
    torch.testing.assert_close(found["cross_modal"], F.smooth_l1_loss(predicted, other))
    total = found["token"] + 0.5 * found["cross_modal"] + 0.02 * found["sigreg"] + 0.1 * found["fidelity"]
    torch.testing.assert_close(module._weighted(found), total)


@pytest.mark.parametrize(
    ("weights", "absent"),
    [
        ({"cross_modal": 0, "sigreg": 0, "fidelity": 0}, ("other_encoder", "head", "fusion", "fidelity")),
        ({"cross_modal": 0, "sigreg": 0}, ("other_encoder", "head", "fusion")),
        ({"sigreg": 0}, ("fusion",)),
        ({"fidelity": 0}, ("fidelity",)),
        ({}, ()),
    ],
)
def test_what_is_off_is_not_built_and_what_is_built_is_trained(weights, absent) -> None:
    module = task(weights)
    for name in ("other_encoder", "head", "fusion", "fidelity"):
        assert (getattr(module.model, name) is None) == (name in absent)
    module._weighted(module.losses(batch(), 0, 0)).backward()
    silent = {name for name, p in module.named_parameters() if p.requires_grad and p.grad is None}
    assert not silent  # DistributedDataParallel stops at parameters without a gradient
    assert all(p.grad is None for p in module.model.teacher.parameters())


def test_the_teacher_follows_the_student() -> None:
    module = task(momentum=0.9)
    student = copy.deepcopy(module.model.student)
    with torch.no_grad():
        module.model.student.embed.weight += 1
    module.model.update_teacher(0.9)
    torch.testing.assert_close(module.model.teacher.embed.weight, student.embed.weight + 0.1)


def test_it_trains_reports_and_goes_on(tmp_path) -> None:
    data = {"batch_size": 8, "seed": 3}
    whole, resumed, file = task(momentum=0.9), task(momentum=0.9), tmp_path / "seventh.ckpt"
    trainer(max_epochs=2, callbacks=[SaveAtStep(7, file)]).fit(whole, PairData(**data))
    trainer(max_epochs=2).fit(resumed, PairData(**data), ckpt_path=file, weights_only=True)
    for (name, one), two in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    assert resumed.micro_steps == 10

    tester = trainer()
    tester.test(resumed, PairData(**data), verbose=False)
    report = resumed.report()
    assert set(report.scores) >= {"loss", "recall_at_1", "rank_me", "cosine", "fidelity_gap", "epps_pulley"}
    assert report.details["chance_recall_at_1"] == pytest.approx(1 / 13)
    assert set(resumed.samples()) >= {"name", "rank", "average_precision", "fidelity", "fidelity_of_others"}


def test_training_is_watched_from_its_first_step(tmp_path) -> None:
    logger = pl.loggers.CSVLogger(tmp_path, name="", version="")
    trainer(max_epochs=1, logger=logger, log_every_n_steps=1).fit(task(), PairData(batch_size=8, seed=3))
    logger.save()
    with (tmp_path / "metrics.csv").open() as file:
        first = next(csv.DictReader(file))
    state = ("rank_me", "embedding_sd", "cosine", "uniformity", "fidelity_gap")
    watched = ("token", "sigreg", *(f"health/{name}" for name in state))
    assert first["step"] == "0"
    assert all(np.isfinite(float(first[f"train/{name}"])) for name in watched)
    assert 1 <= float(first["train/health/rank_me"]) <= 8


def test_panel_shows_context_and_targets(tmp_path) -> None:
    module, given = task(), batch()
    masks = module.masks.draw(sample_keys(given["name"]), 0, 0)
    maps = as_map(masks, (8, 8))
    for own, context, targets in zip(maps, masks.context, masks.targets, strict=True):
        flat = own.flatten()
        assert set((flat & 1).nonzero().flatten().tolist()) == set(context.tolist())
        for number, patches in enumerate(targets, 1):
            assert set((flat & 2**number).nonzero().flatten().tolist()) == set(patches.tolist())
        assert not ((flat & 1).bool() & (flat > 1)).any()  # nothing of a target is seen
    samples = [{name: given[name][i] for name in SENSORS} for i in range(2)]
    path = module.draw_panel(samples, list(maps[:2]), tmp_path / "masks.png")
    with Image.open(path) as picture:
        assert picture.width > 3 * picture.height / 2


@pytest.mark.slow
def test_it_compiles_to_graphs_without_breaks() -> None:
    module, given = task(), batch()
    images, masks = module._images(given), module.masks.draw(sample_keys(given["name"]), 0, 0)
    embed, fidelity = module.model.embed, module.model.fidelity.loss
    compiled = (torch.compile(each, backend="aot_eager", fullgraph=True) for each in (embed, fidelity))
    slopes = []
    for see, agree in ((embed, fidelity), compiled):
        module.zero_grad()
        found = see(images, masks)
        parts = [found.predicted, found.other, found.fused, agree(*found.compared)]
        torch.stack([each.square().mean() for each in parts]).sum().backward()
        slopes.append([each.grad for each in module.parameters() if each.grad is not None])
    assert len(slopes[0]) > 90
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-5, atol=1e-7)


def test_learned_weights_are_trained() -> None:
    module = task(learned_weights=True)
    module._weighted(module.losses(batch(), 0, 0)).backward()
    assert all(p.grad is not None and p.grad != 0 for p in module.log_weights.values())


def test_divergence_names_loss_and_images() -> None:
    module = task()
    module.trainer = trainer()
    with torch.no_grad():
        module.model.fusion.join.weight.fill_(torch.nan)
    with pytest.raises(DivergedError, match=r"loss sigreg is not finite.*patch 0, patch 1"):
        module.compute_loss(batch())


def test_health_of_known_embeddings() -> None:
    rng = np.random.default_rng(0)
    spread, collapsed = rng.normal(size=(200, 6)), np.ones((200, 6)) + 1e-9 * rng.normal(size=(200, 6))
    good, bad = health(spread, (spread, spread)), health(collapsed)
    assert good["rank_me"] > 5.5
    assert bad["rank_me"] == pytest.approx(1, abs=1e-3)
    assert bad["cosine"] == pytest.approx(1)
    assert (good["alignment"], good["modality_gap"], good["recall_at_1"]) == (0, 0, 1)
    assert bad["uniformity"] == pytest.approx(0, abs=1e-6)
    assert rank_me(np.diag([1.0, 1.0, 1.0, 0.0])) == pytest.approx(3, abs=1e-4)
    assert recall_at_1(spread, rng.normal(size=(200, 6))) < 0.05


@pytest.mark.parametrize("reaction", ["warn", "raise"])
def test_a_collapse_is_told(reaction) -> None:
    module = task(on_collapse=reaction)
    module.trainer = trainer()
    vector = torch.randn(1, 16)
    with torch.no_grad():
        module.held_out.add([f"{i}" for i in range(9)], main=vector + 1e-4 * torch.randn(9, 16))
    told = pytest.warns(UserWarning, match="look alike") if reaction == "warn" else pytest.raises(DivergedError)
    with told:
        module.summarise("val")


def test_images_without_labels_do_not_count_among_neighbours() -> None:
    module, given = task(), batch(8)
    given["label"] = torch.full((8, 3), torch.nan)
    given["label"][:5] = torch.tensor([[1.0, 0.0, 1.0]]).expand(5, 3)
    module.trainer = trainer()
    module.log = lambda *_, **__: None
    with torch.no_grad():
        module.evaluate(given, "test")
    found = module.summarise("test")
    assert found.scores["knn"] == 1  # all that are labelled have the same labels
    assert found.details["labelled"] == 5


def test_neighbours_labels() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 20)
    vectors = np.eye(3)[labels] + 0.05 * rng.normal(size=(60, 3))
    assert neighbour_accuracy(vectors, labels) == 1
    assert neighbour_accuracy(vectors, np.eye(3)[labels]) == 1
    assert neighbour_accuracy(vectors, rng.permutation(labels)) < 0.6


def test_neighbours_are_asked_for_known_labels_alone() -> None:
    module = task({"cross_modal": 0, "sigreg": 0, "fidelity": 0})
    module.trainer = trainer()
    labels, rng = torch.eye(2).repeat(6, 1), np.random.default_rng(0)
    vectors = labels.numpy() + 0.01 * rng.normal(size=(12, 2))
    labels[8:] = torch.nan
    vectors[8:] = vectors[8:, ::-1]  # would be wrong
    module.held_out.add([str(i) for i in range(12)], main=torch.from_numpy(vectors), label=labels)
    assert module.summarise("val").scores["knn"] == 1
    module.held_out.add(["a", "b"], main=torch.randn(2, 2), label=torch.full((2, 2), torch.nan))
    assert module.summarise("val").scores["knn"] is None


def test_cards_and_mistakes() -> None:
    inputs = Inputs(
        {"s2": Sensor(tuple(f"B{i}" for i in range(12))), "s1": Sensor(("VV", "VH"))},
        {"s2": Statistics((0.0,) * 12, (1.0,) * 12), "s1": Statistics((0.0,) * 2, (1.0,) * 2)},
    )
    counts = count_parameters(create_model("hq_jepa", inputs=inputs))
    info = model_info("hq_jepa")
    assert (info.parameters, info.quantum_parameters) == (counts["parameters"], counts["quantum_parameters"])
    with pytest.raises(ConfigError, match="Unknown loss 'tokens'"):
        task({"tokens": 1.0})
    with pytest.raises(ConfigError, match="needs the sensor 's3'"):
        task(architecture_args={"other": "s3"})
    with pytest.raises(ConfigError, match="patch=3 does not divide"):
        task(architecture_args={"patch": 3})
    with pytest.raises(ConfigError, match="momentum=2"):
        task(momentum=2.0)
