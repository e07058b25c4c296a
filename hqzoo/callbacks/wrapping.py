"""How much of what a quantum filter encodes wraps around."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hqzoo._lightning import pl
from hqzoo.nn import QuFeX

__all__ = ["WrappedShare"]


class WrappedShare(pl.Callback):
    """Log ``train/wrapped_share``: the share of values beyond half a turn that QuFeX blocks encode.

    Qu-Net encodes unbounded values x as angles pi x, so those beyond 1 cannot be told from smaller ones (see
    :meth:`hqzoo.nn.QuFeX.wrapped_share`). Looks at the batches whose loss is logged; models without QuFeX log nothing.
    """

    def __init__(self) -> None:
        self._handles: list[RemovableHandle] = []
        self._found: list[Tensor] = []
        self._look = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen to the QuFeX blocks."""
        blocks = [module for module in pl_module.modules() if isinstance(module, QuFeX)]
        self._handles = [block.register_forward_pre_hook(self._listen) for block in blocks]

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,  # noqa: ANN401 - Lightning's own signature
        batch_idx: int,
    ) -> None:
        """Look at this batch if its step is logged."""
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by a connector of the trainer
        self._look = bool(self._handles) and every > 0 and (trainer.global_step + 1) % every == 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Log the mean over the blocks."""
        if self._found:
            pl_module.log("train/wrapped_share", sum(self._found) / len(self._found), sync_dist=True)
            self._found.clear()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _listen(self, block: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if self._look and isinstance(block, QuFeX):
            self._found.append(block.wrapped_share(arguments[0].detach()))
