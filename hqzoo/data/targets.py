"""What a data set has to teach: class maps, labels, or several labels at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from hqzoo.data.plain import Plain
from hqzoo.errors import ConfigError, unknown_name

__all__ = ["KINDS", "Targets"]

KINDS: Mapping[str, str] = {
    "mask": "a class per pixel: `mask` (B, H, W) int64",
    "label": "a class per image: `label` (B,) int64",
    "multilabel": "any number of classes per image: `label` (B, K) float, 0 or 1",
}
"""Kind of target to what batches hold."""


@dataclass(frozen=True)
class Targets(Plain):
    """The classes of a data set, and what is known of every sample about them.

    Data for self-supervised training have no targets: None stands in the place of this.

    Args:
        kind: One of :data:`KINDS`.
        classes: Names of the classes ``0..K-1``.
        palette: One RGB colour (0 to 255) per class for maps and figures; empty: distinct hues.
        ignore: Class index of pixels or images that are not counted; None where all are.
        values: The code of each class in the masks' own files, which maps may keep; None where masks hold class
            indices, or colours.

    Raises:
        ConfigError: If the kind is unknown, a name or a code repeats, or there is not one colour or code per class.
    """

    SCHEMA: ClassVar[int] = 2

    kind: Literal["mask", "label", "multilabel"]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...] = ()
    ignore: int | None = None
    values: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(unknown_name("kind of targets", str(self.kind), KINDS))
        object.__setattr__(self, "classes", tuple(map(str, self.classes)))
        object.__setattr__(self, "palette", tuple(tuple(map(int, colour)) for colour in self.palette))
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise ConfigError(f"Targets need one or more classes with distinct names, got {list(self.classes)}.")
        if self.palette and len(self.palette) != len(self.classes):
            raise ConfigError(f"A palette has one colour per class: got {len(self.palette)} for {len(self.classes)}.")
        if self.values is not None:
            object.__setattr__(self, "values", tuple(map(int, self.values)))
            if not len(self.values) == len(set(self.values)) == len(self.classes):
                raise ConfigError(
                    f"Each class has a code of its own: got {self.values} for {len(self.classes)} classes."
                )

    def __len__(self) -> int:
        return len(self.classes)
