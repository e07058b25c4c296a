"""Pretraining of HQ-JEPA: its losses, its teacher, what it reports, and going on as if nothing had happened."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hqzoo._lightning import pl
from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.errors import ConfigError, DivergedError
from hqzoo.models import count_parameters, create_model, model_info
from hqzoo.tasks import HQJEPATask
from hqzoo.tasks.embedding_health import health, neighbour_accuracy, rank_me, recall_at_1
from hqzoo.tasks.hq_jepa import sample_keys
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
    good, bad = health(spread, spread), health(collapsed)
    assert good["rank_me"] > 5.5
    assert bad["rank_me"] == pytest.approx(1, abs=1e-3)
    assert bad["cosine"] == pytest.approx(1)
    assert (good["alignment"], good["modality_gap"], good["recall_at_1"]) == (0, 0, 1)
    assert bad["uniformity"] == pytest.approx(0, abs=1e-6)
    assert rank_me(np.diag([1.0, 1.0, 1.0, 0.0])) == pytest.approx(3, abs=1e-4)
    assert recall_at_1(spread, rng.normal(size=(200, 6))) < 0.05


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
    assert "knn" not in module.summarise("val").scores


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
