"""HQ-JEPA on two processes: the losses, gradients and teacher of one, and going on with another number of them."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import yaml

from hqzoo._lightning import pl
from hqzoo.callbacks import vote
from hqzoo.quantum import QuantumLayer, compile_circuit
from hqzoo.tasks import HQJEPATask
from hqzoo.tasks.hq_jepa import sample_keys
from tests.processes.conftest import checkpoint, fit, losses
from tests.processes.launch import on_processes
from tests.toys.sensors import PairData

NAMES = ("token", "cross_modal", "sigreg", "fidelity")
TINY = {
    "image_size": 8, "patch": 1, "width": 16, "heads": 2, "depth": 2, "predictor_width": 8, "predictor_depth": 1,
    "other_depth": 1, "fused_width": 8,
}  # fmt: skip
PROJECTIONS = ("frozen_orthogonal", "contrastive", "ema", "shared")
EPOCHS, BATCH, STEP = 2, 4, 13  # ten batches an epoch; the interruption is in the middle of the second


def in_float64(task: HQJEPATask) -> HQJEPATask:
    """Return the task with all its weights, and its circuit, in float64."""
    task.double()
    for layer in task.modules():
        if isinstance(layer, QuantumLayer):
            layer.compiled = compile_circuit(layer.circuit, "auto", torch.float64)
    return task


class DoubleTask(HQJEPATask):
    """Runs its circuit in float64 as well."""

    def configure_model(self) -> None:
        super().configure_model()
        if hasattr(self, "model"):
            in_float64(self)


def task(**arguments: Any) -> HQJEPATask:
    torch.manual_seed(0)
    data = PairData(batch_size=BATCH)
    data.setup("fit")
    made = HQJEPATask(
        "hq_jepa", sensors=data.sensors, statistics=data.statistics, **{"architecture_args": TINY, **arguments}
    )
    return in_float64(made)


def batch(first: int, last: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    numbers = {"s2": 100 + 20 * torch.randn(BATCH, 3, 8, 8, generator=generator, dtype=torch.float64),
               "s1": -10 + 3 * torch.randn(BATCH, 2, 8, 8, generator=generator, dtype=torch.float64)}  # fmt: skip
    return {name: value[first:last] for name, value in numbers.items()} | {
        "name": [f"patch {number}" for number in range(first, last)]
    }


def terms(module: HQJEPATask, given: dict[str, Any]) -> dict[str, tuple[float, npt.NDArray[Any]]]:
    """Return every loss that is on, and its gradient by all weights as one vector."""
    found = {}
    for name in module.on:
        value = module.losses(given, 1, 2)[name]
        parameters = [p for p in module.parameters() if p.requires_grad]
        slopes = torch.autograd.grad(value, parameters, allow_unused=True)
        whole = [torch.zeros_like(p) if slope is None else slope for p, slope in zip(parameters, slopes, strict=True)]
        found[name] = float(value), torch.cat([each.flatten() for each in whole]).numpy()
    return found


def half(arguments: dict[str, Any]) -> dict[str, tuple[float, npt.NDArray[Any]]]:
    torch.distributed.init_process_group("gloo")
    first = torch.distributed.get_rank() * BATCH // 2
    return terms(task(**arguments), batch(first, first + BATCH // 2))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"masks": {"context_tokens": "batch_min"}},
        {"sigreg": {"form": "listing"}},
        {"architecture_args": {**TINY, "predictor": "query", "fqs_pair": "s2s1"}},
        *({"architecture_args": {**TINY, "fidelity": {"projection": each}}} for each in PROJECTIONS),
        *({"architecture_args": {**TINY, "control": each}} for each in ("product", "cosine", "mse", "shuffled")),
    ],
)
def test_two_processes_have_losses_and_gradients_of_the_whole_batch(arguments: dict[str, Any]) -> None:
    whole = terms(task(**arguments), batch(0, BATCH))
    first, second = on_processes(2, half, arguments)
    assert set(whole) == set(NAMES)
    for name, (value, slope) in whole.items():
        assert (first[name][0] + second[name][0]) / 2 == pytest.approx(value, rel=1e-10), name
        mean = (first[name][1] + second[name][1]) / 2  # what DistributedDataParallel makes of them
        assert np.linalg.norm(slope) > 0 or name == "fidelity"
        np.testing.assert_allclose(mean, slope, rtol=0, atol=1e-10 * max(1e-3, np.abs(slope).max()), err_msg=name)


def recipe(
    root: Path, processes: int, callbacks: tuple[Any, ...] = (), accumulate: int = 1, epochs: int = EPOCHS
) -> Path:
    """Write the recipe of a run in float64, in which all processes together take batches of four."""
    content: dict[str, Any] = {
        "seed_everything": 0,
        "trainer": {
            "default_root_dir": str(root), "accelerator": "cpu", "devices": processes, "precision": "64-true",
            "strategy": "ddp" if processes > 1 else "auto", "max_epochs": epochs, "log_every_n_steps": 1,
            "enable_model_summary": False, "gradient_clip_val": 1.0, "accumulate_grad_batches": accumulate,
            "callbacks": [
                {"class_path": f"tests.processes.{name}", "init_args": arguments}
                for name, arguments in (("test_hq_jepa.SeenPairs", {"folder": str(root)}), *callbacks)
            ],
        },
        "model": {
            "class_path": "tests.processes.test_hq_jepa.DoubleTask",
            "init_args": {
                "architecture": "hq_jepa", "architecture_args": TINY, "momentum": 0.9,
                "optimizer": {"name": "AdamW", "lr": 0.001}, "schedule": {"name": "cosine", "warmup": 0.1},
            },
        },
        "data": {"class_path": "tests.toys.sensors.PairData", "init_args": {"batch_size": BATCH // processes}},
    }  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"recipe{processes}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


class SeenPairs(pl.Callback):
    """Writes down which samples each process trained on, and the patches that their masks chose."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, given: Any, index: int) -> None:
        masks = pl_module.masks.draw(sample_keys(given["name"]), trainer.current_epoch, pl_module.micro_steps - 1)
        with (self.folder / f"seen{trainer.global_rank}.txt").open("a") as file:
            for name, context, targets in zip(given["name"], masks.context, masks.targets, strict=True):
                numbers = "-".join(map(str, [*context.tolist(), *targets.flatten().tolist()]))
                file.write(f"{trainer.current_epoch} {index} {name}:{numbers}\n")


def seen(root: Path) -> dict[tuple[int, int], list[str]]:
    """Return samples and masks by epoch and batch, of all processes together."""
    found: dict[tuple[int, int], list[str]] = {}
    for path in sorted(root.glob("seen*.txt")):
        for line in path.read_text().splitlines():
            epoch, index, sample = line.split()
            found.setdefault((int(epoch), int(index)), []).append(sample)
    return {key: sorted(samples) for key, samples in sorted(found.items())}


@pytest.fixture(autouse=True)
def _frequent_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of milliseconds would end the epoch before the second vote."""
    monkeypatch.setattr(vote, "MOST_BATCHES", 2)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("jepa")
    fit(recipe(root, 1), 1)
    return root


@pytest.mark.parametrize(
    ("before", "after"),
    [(2, 1), pytest.param(1, 2, marks=pytest.mark.slow), pytest.param(2, 2, marks=pytest.mark.slow)],
)
def test_interrupted_and_resumed_equals_uninterrupted(
    before: int, after: int, uninterrupted: Path, tmp_path: Path
) -> None:
    stop = ("toys.Interrupt", {"step": STEP, "rank": before - 1, "times": before})
    fit(recipe(tmp_path, before, (stop,)), before, code=130)
    assert STEP < checkpoint(tmp_path)["global_step"] < 20
    fit(recipe(tmp_path, after), after, "--ckpt_path", "last")
    trained = [sample.split(":")[0] for (epoch, _), each in seen(tmp_path).items() if epoch == 1 for sample in each]
    assert sorted(trained, key=int) == [str(number) for number in range(40)]  # none twice, none missing
    assert seen(tmp_path) == seen(uninterrupted)
    assert losses(tmp_path) == pytest.approx(losses(uninterrupted), rel=1e-8)
    for name in (*NAMES, "health/fidelity_gap"):
        assert len(losses(tmp_path, name)) == 20
        if name in NAMES:
            assert losses(tmp_path, name) == pytest.approx(losses(uninterrupted, name), rel=1e-8)
    one, two = (checkpoint(root)["state_dict"] for root in (uninterrupted, tmp_path))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-9)


def fifty_steps(root: Path) -> dict[str, npt.NDArray[Any]]:
    """Train fifty steps, and return the weights that this process has of student and teacher."""
    pl.seed_everything(0, verbose=False)
    made = task(
        architecture_args={**TINY, "fidelity": {"projection": "ema", "momentum": 0.9}}, momentum=0.9, momentum_end=1.0
    )
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", precision="64-true", max_steps=50, logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, default_root_dir=root,
    )  # fmt: skip
    trainer.fit(made, PairData(batch_size=2))
    assert trainer.global_step == 50
    kept = {name: each for name, each in made.state_dict().items() if "teacher" in name or "slow" in name}
    return {name: each.numpy() for name, each in kept.items()}


def test_teachers_are_the_same_on_both_processes_after_fifty_steps(tmp_path: Path) -> None:
    first, second = on_processes(2, fifty_steps, tmp_path)
    start = task(architecture_args={**TINY, "fidelity": {"projection": "ema"}}).state_dict()
    assert len(first) > 10
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    moved = [name for name, value in first.items() if not np.array_equal(value, start[name].numpy())]
    assert "model.teacher.embed.weight" in moved
    assert any("slow" in name for name in moved)
