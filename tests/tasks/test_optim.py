import math

import pytest
import torch
from torch import nn

from hqzoo.errors import ConfigError
from hqzoo.tasks.optim import (
    SCHEDULES,
    OptimizerSettings,
    ScheduleSettings,
    build_optimizer,
    build_schedule,
    parameter_groups,
)


def classical():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def rates(settings, total, lr=0.1, steps=None):
    """Learning rates of the optimizer steps, as a training loop meets them."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = build_schedule(optimizer, settings, total)
    seen = []
    for _ in range(steps or int(total)):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


class TestSchedule:
    def test_cosine_rises_then_falls_to_the_floor(self):
        seen = rates(ScheduleSettings(warmup=0.1, min_lr=1e-6), 100)
        assert seen[0] == pytest.approx(0.1 / 11)
        assert seen[9] == pytest.approx(0.1 * 10 / 11)
        assert seen[10] == pytest.approx(0.1)
        assert seen[-1] == pytest.approx(1e-6)
        middle = 10 + 89 / 2
        expected = [1e-6 + (0.1 - 1e-6) * (1 + math.cos(math.pi * (s - 10) / 89)) / 2 for s in range(10, 100)]
        assert seen[10:] == pytest.approx(expected)
        assert seen[int(middle)] > 0.05 > seen[int(middle) + 1]

    def test_linear_and_polynomial(self):
        linear = rates(ScheduleSettings("linear", warmup=0.0, min_lr=0.0), 11)
        assert linear == pytest.approx([0.1 * (1 - s / 10) for s in range(11)])
        poly = rates(ScheduleSettings("polynomial", warmup=0.0, min_lr=0.0, power=0.9), 11)
        assert poly == pytest.approx([0.1 * (1 - s / 10) ** 0.9 for s in range(11)])

    def test_constant_needs_no_end(self):
        assert rates(ScheduleSettings("constant", warmup_steps=0), math.inf, steps=5) == [0.1] * 5

    def test_warmup_steps_take_precedence(self):
        seen = rates(ScheduleSettings("constant", warmup=0.5, warmup_steps=3), 100)
        assert seen[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])

    @pytest.mark.parametrize("name", SCHEDULES)
    def test_one_step_of_training_works(self, name):
        assert rates(ScheduleSettings(name), 1)[0] > 0

    @pytest.mark.parametrize("name", SCHEDULES)
    def test_going_on_beyond_the_end_stays_at_the_floor(self, name):
        seen = rates(ScheduleSettings(name, min_lr=1e-4), 10, steps=20)
        assert seen[10:] == pytest.approx([0.1 if name == "constant" else 1e-4] * 10)

    def test_each_group_falls_to_the_same_floor(self):
        groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.01)]
        optimizer = torch.optim.SGD(groups)
        schedule = build_schedule(optimizer, ScheduleSettings(min_lr=1e-5), 10)
        for _ in range(9):
            optimizer.step()
            schedule.step()
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-5, 1e-5])

    def test_its_state_is_plain(self, tmp_path):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        torch.save(build_schedule(optimizer, ScheduleSettings(), 10).state_dict(), tmp_path / "state.pt")
        assert torch.load(tmp_path / "state.pt", weights_only=True)["last_epoch"] == 0

    @pytest.mark.parametrize(
        ("settings", "total", "message"),
        [
            (ScheduleSettings("cosin"), 10, "Did you mean 'cosine'"),
            (ScheduleSettings(warmup=1.5), 10, "0 <= warmup < 1"),
            (ScheduleSettings(warmup_steps=-1), 10, "warmup_steps=-1"),
            (ScheduleSettings(min_lr=-1.0), 10, "min_lr=-1.0"),
            (ScheduleSettings(), math.inf, "max_epochs or max_steps"),
        ],
    )
    def test_nonsense_is_refused(self, settings, total, message):
        with pytest.raises(ConfigError, match=message):
            rates(settings, total, steps=1)


class TestOptimizer:
    def test_default_is_adamw(self):
        optimizer = build_optimizer(classical(), OptimizerSettings())
        assert type(optimizer) is torch.optim.AdamW
        (group,) = optimizer.param_groups
        assert (group["lr"], group["weight_decay"]) == (1e-3, 1e-4)
        assert len(group["params"]) == 6

    def test_norms_and_biases_can_be_spared(self):
        groups = parameter_groups(classical(), OptimizerSettings(decay_norms_and_biases=False))
        assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(2, 1e-4), (4, 0.0)]
        assert all(p.ndim > 1 for p in groups[0]["params"])

    def test_frozen_parameters_are_left_alone(self):
        model = classical()
        model[0].requires_grad_(False)
        groups = parameter_groups(model, OptimizerSettings())
        assert sum(len(group["params"]) for group in groups) == 4

    def test_any_optimizer_of_torch_with_its_options(self):
        optimizer = build_optimizer(classical(), OptimizerSettings("SGD", options={"momentum": 0.8, "nesterov": True}))
        assert optimizer.param_groups[0]["momentum"] == 0.8

    def test_an_optimizer_without_decay(self):
        settings = OptimizerSettings("LBFGS", weight_decay=0.0)
        assert type(build_optimizer(classical(), settings)) is torch.optim.LBFGS

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (OptimizerSettings("AdanW"), "Did you mean 'AdamW'"),
            (
                OptimizerSettings(options={"beta": [0.9, 0.99]}),
                "option of optimizer AdamW 'beta'. Did you mean 'betas'",
            ),
            (OptimizerSettings(options={"lr": 1.0}), "option of optimizer AdamW 'lr'"),
            (OptimizerSettings("LBFGS"), "set weight_decay to 0"),
            (OptimizerSettings(lr=-1.0), "lr must not be negative, got -1.0"),
            (OptimizerSettings(quantum_weight_decay=-1.0), "quantum_weight_decay must not be negative"),
            (OptimizerSettings(options={"eps": -1.0}), "AdamW refuses its settings: Invalid epsilon"),
        ],
    )
    def test_nonsense_is_refused(self, settings, message):
        with pytest.raises(ConfigError, match=message):
            build_optimizer(classical(), settings)

    def test_nothing_to_train(self):
        with pytest.raises(ConfigError, match="nothing to optimise"):
            build_optimizer(classical().requires_grad_(False), OptimizerSettings())
