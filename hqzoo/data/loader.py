"""The data loader that data modules hand to Lightning."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader

__all__ = ["ResumableLoader"]


class ResumableLoader(DataLoader[dict[str, Any]]):
    """A loader that Lightning takes for resumable. It is: the data module keeps its state (see there)."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing."""
