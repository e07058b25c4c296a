"""The database that rico-hdl (https://github.com/kai-tub/rico-hdl) makes of BigEarthNet v2.

An LMDB folder, whose keys are the names of the patches of both sensors. A value is what a file of safetensors would
hold: the name of a band to its image in its native size and type.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hqzoo.data.pair_records import PairLayout, PairRecord, Planes
from hqzoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    import lmdb

__all__ = ["Database", "EncodedPair"]


class Database:
    """An LMDB folder, which every process opens for itself.

    Args:
        folder: The folder, which holds ``data.mdb``.

    Raises:
        ConfigError: If a package that reads it is not installed.
        DataError: If it is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: tuple[int, lmdb.Environment] | None = None
        self._environment()

    def names(self) -> frozenset[str]:
        """Return the names of all patches."""
        with self._environment().begin() as transaction:
            return frozenset(key.decode() for key in transaction.cursor().iternext(keys=True, values=False))

    def read(self, name: str) -> Planes:
        """Return the bands of a patch.

        Raises:
            DataError: If it is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        with self._environment().begin() as transaction:
            value = transaction.get(name.encode())
        if value is None:
            raise DataError(f"{self.folder} has no patch {name}. Encode the whole archive.")
        try:
            return dict(load(bytes(value)))
        except SafetensorError as error:
            raise DataError(
                f"The patch {name} in {self.folder} is damaged: {error}. Encode the archive anew."
            ) from error

    def _environment(self) -> lmdb.Environment:
        """Return the open database; it must not be used on the other side of a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), self._open()
        return self._opened[1]

    def _open(self) -> lmdb.Environment:
        try:
            import lmdb
            import safetensors  # noqa: F401 - asked for now, not by a worker in the middle of an epoch
        except ImportError as error:
            raise ConfigError(
                f"{self.folder} is LMDB, which needs: pip install 'hqzoo[bigearthnet]' ({error})."
            ) from error
        try:
            # Without locks it is read from folders that cannot be written to; nobody changes it.
            return lmdb.open(str(self.folder), readonly=True, lock=False, create=False, readahead=False)
        except lmdb.Error as error:
            raise DataError(f"{self.folder} is no LMDB database that can be read: {error}.") from error

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "_opened": None}


class EncodedPair(PairRecord):
    """A pair of patches in a database of rico-hdl.

    Args:
        name: Name of the pair.
        layout: Bands and sizes.
        database: The database.
        patches: Names of its patches.
        **known: See :class:`PairRecord`.
    """

    def __init__(
        self,
        name: str,
        layout: PairLayout,
        database: Database,
        patches: Sequence[str],
        **known: Any,  # noqa: ANN401 - PairRecord's
    ) -> None:
        super().__init__(name, layout, **known)
        self.database, self.patches = database, tuple(patches)

    def native(self, bands: Sequence[str]) -> Planes:
        """Return the bands out of the values of all patches."""
        planes = {band: plane for patch in self.patches for band, plane in self.database.read(patch).items()}
        if missing := [band for band in bands if band not in planes]:
            raise DataError(f"The pair {self.name} lacks {', '.join(missing)} in {self.database.folder}.")
        return {band: planes[band] for band in bands}
