"""The one place that decides which of Lightning's two distributions is used.

``lightning`` is the declared dependency. GPU clusters often carry only its older twin ``pytorch_lightning``; mixing
both in one process breaks every ``isinstance`` check, so the rest of hqzoo writes ``from hqzoo._lightning import pl``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("lightning") is not None:
    import lightning.pytorch as pl
else:
    import pytorch_lightning as pl

__all__ = ["pl"]
