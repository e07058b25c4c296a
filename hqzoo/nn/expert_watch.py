"""What the experts of a mixture did on a whole split: their shares, and how alike their outputs are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.nn.cka import linear_cka_of_covariance
from hqzoo.nn.processes import sum_over_processes

__all__ = ["ExpertWatch"]


class ExpertWatch:
    """Sums over all images that a mixture sees in evaluation mode, from the call on until :meth:`report`.

    Args:
        experts: Experts by name, which run before the router; outputs ``(B, outputs)``.
        router: What gives shares ``(B, experts)``.
        outputs: Outputs of an expert.
        device: Where they are.
    """

    def __init__(self, experts: Mapping[str, nn.Module], router: nn.Module, outputs: int, device: torch.device) -> None:
        self.names = list(experts)
        number, all_outputs = len(experts), len(experts) * outputs
        shapes: dict[str, tuple[int, ...]] = {
            "images": (), "shares": (number,), "squares": (number,), "largest": (number,), "outputs": (all_outputs,),
            "products": (all_outputs, all_outputs),
        }  # fmt: skip
        # There from the start: a process without images adds zeros, and must not leave the others waiting.
        self._sums = {name: torch.zeros(shape, dtype=torch.float64, device=device) for name, shape in shapes.items()}
        self._outputs: dict[str, Tensor] = {}
        self._hooks = [expert.register_forward_hook(partial(self._keep, name)) for name, expert in experts.items()]
        self._hooks.append(router.register_forward_hook(self._count))

    def _keep(self, name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:  # noqa: ANN401 - torch's hook
        self._outputs[name] = output.detach()

    def _count(self, router: nn.Module, inputs: Any, shares: Tensor) -> None:  # noqa: ANN401 - torch's hook
        if router.training:
            return
        shares = shares.detach().double()
        outputs = torch.cat([self._outputs[name].double() for name in self.names], 1)
        largest = F.one_hot(shares.argmax(1), len(self.names)).double()
        found = {
            "images": torch.ones_like(shares[:, 0]).sum(), "shares": shares.sum(0), "squares": shares.square().sum(0),
            "largest": largest.sum(0), "outputs": outputs.sum(0), "products": outputs.mT @ outputs,
        }  # fmt: skip
        self._sums = {name: total + found[name] for name, total in self._sums.items()}

    def report(self) -> dict[str, Any]:
        """Stop watching and return plain values; every process must call it, and each gets those of all.

        Returns:
            For each expert ``share`` (mean), ``share_std`` (over images), and ``largest`` (share of the images in which
            it had most); ``cka``: linear CKA of the outputs of each two experts over the ``images`` (windows of scenes
            are images here), None where one does not vary, and worth little where they are not many more than outputs.
            Empty if there was no image.
        """
        for hook in self._hooks:
            hook.remove()
        sums = {name: sum_over_processes(total) for name, total in self._sums.items()}
        number = sums["images"]
        if not number:
            return {}
        mean, largest = sums["shares"] / number, sums["largest"] / number
        std = (sums["squares"] / number - mean.square()).clamp(min=0).sqrt()
        experts = {
            name: {"share": float(mean[k]), "share_std": float(std[k]), "largest": float(largest[k])}
            for k, name in enumerate(self.names)
        }
        return {"images": int(number), "experts": experts, "cka": self._similarities(sums)}

    def _similarities(self, sums: Mapping[str, Tensor]) -> dict[str, float | None]:
        number = sums["images"]
        covariance = sums["products"] / number - torch.outer(sums["outputs"], sums["outputs"]) / number**2
        parts = torch.arange(len(covariance)).chunk(len(self.names))
        found = {}
        for a, first in enumerate(self.names):
            for b in range(a + 1, len(self.names)):
                both = torch.cat([parts[a], parts[b]]).to(covariance.device)
                name = f"{first}, {self.names[b]}"
                found[name] = linear_cka_of_covariance(covariance[both][:, both], len(parts[a]))
        return found
