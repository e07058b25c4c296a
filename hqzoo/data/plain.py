"""Values that travel as plain dictionaries in checkpoints, reports and JSON files, across versions of hqzoo."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Self

from hqzoo.errors import SensorError, unknown_name

__all__ = ["Plain"]


@dataclass(frozen=True, kw_only=True)
class Plain:
    """Conversion to and from dictionaries of plain types.

    A dictionary says by which ``schema`` it was written. Fields that this version does not know are kept and told if
    they come from a newer schema, and refused as mistakes otherwise.

    Args:
        further: Fields of a newer version, kept for whoever reads them next; they do not count in comparisons.
    """

    SCHEMA: ClassVar[int] = 1

    further: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are not empty as lists, dictionaries, strings and numbers only."""
        values = {name: _plain(value) for name, value in asdict(self).items() if name != "further"}
        kept = {name: value for name, value in values.items() if value is not None}
        return {"schema": self.SCHEMA, **kept, **self.further}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the object from :meth:`to_dict`'s result.

        Raises:
            SensorError: If a key is missing, or unknown though this version should know all.
        """
        values = dict(values)
        schema = values.pop("schema", cls.SCHEMA)
        known = {each.name for each in fields(cls)} - {"further"}
        further = {name: values.pop(name) for name in set(values) - known}
        if further and schema <= cls.SCHEMA:
            raise SensorError(unknown_name(f"field of {cls.__name__}", sorted(further)[0], known))
        if further:
            warnings.warn(
                f"This {cls.__name__} was written by a newer hqzoo. Not understood here, but kept: "
                f"{', '.join(sorted(further))}.",
                stacklevel=2,
            )
            further["schema"] = schema
        try:
            return cls(**values, further=further)
        except TypeError as error:
            raise SensorError(f"{cls.__name__} needs the fields {sorted(known)}, got {sorted(values)}.") from error


def _plain(value: Any) -> Any:  # noqa: ANN401 - any tree of plain types
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
