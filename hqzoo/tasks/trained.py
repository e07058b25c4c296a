"""How a task was trained, where that matters to whoever predicts with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Trained"]


@dataclass(frozen=True)
class Trained:
    """Precision and windows of a training, which predictions keep.

    Args:
        precision: The trainer's, in Lightning's words: ``"32-true"``, ``"bf16-mixed"``, ...
        window: Height and width of training images in pixels; None where the data did not say.
    """

    precision: str
    window: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, as checkpoints hold them."""
        return {"precision": self.precision, "window": None if self.window is None else list(self.window)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the object from :meth:`to_dict`'s result."""
        window = values.get("window")
        return cls(str(values["precision"]), None if window is None else (int(window[0]), int(window[1])))
