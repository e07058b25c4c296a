"""What a number was measured on."""

from __future__ import annotations

from hqzoo.compare.machine import describe_machine

__all__ = ["describe_machine"]
