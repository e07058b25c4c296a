"""The database that rico-hdl (https://github.com/kai-tub/rico-hdl) makes of BigEarthNet v2.

An LMDB folder, whose keys are the names of the patches of both sensors. A value is what a file of safetensors would
hold: the name of a band to its image in its native size and type.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from hqzoo.data.paired.records import PairLayout, PairRecord, Planes
from hqzoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    import lmdb

__all__ = ["Database", "EncodedPair"]


_environments: WeakValueDictionary[tuple[int, Path], lmdb.Environment] = WeakValueDictionary()
"""Process and folder to the open database: LMDB refuses to open a folder twice in a process."""


class Database:
    """An LMDB folder, which every process opens for itself.

    Args:
        folder: The folder, which holds ``data.mdb``.

    Raises:
        ConfigError: If a package that reads it is not installed.
        DataError: If it is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._environment = _environment(self.folder)
        self._process = os.getpid()

    def names(self) -> frozenset[str]:
        """Return the names of all patches."""
        with self._opened().begin() as transaction:
            return frozenset(key.decode() for key in transaction.cursor().iternext(keys=True, values=False))

    def read(self, name: str) -> Planes:
        """Return the bands of a patch.

        Raises:
            DataError: If it is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        with self._opened().begin() as transaction:
            value = transaction.get(name.encode())
        if value is None:
            raise DataError(f"{self.folder} has no patch {name}. Encode the whole archive.")
        try:
            return dict(load(bytes(value)))
        except SafetensorError as error:
            raise DataError(f"The patch {name} in {self.folder} is damaged: {error}. Encode it anew.") from error

    def _opened(self) -> lmdb.Environment:
        """Return the open database of this process: one must not be used on the other side of a fork."""
        if self._process != os.getpid():
            self._environment.close()
            self._environment, self._process = _environment(self.folder), os.getpid()
        return self._environment

    def __reduce__(self) -> tuple[type[Database], tuple[Path]]:
        return Database, (self.folder,)


def _environment(folder: Path) -> lmdb.Environment:
    key = os.getpid(), folder
    found = _environments.get(key)
    if found is None:
        found = _environments[key] = _open(folder)
    return found


def _open(folder: Path) -> lmdb.Environment:
    try:
        import lmdb
        import safetensors  # noqa: F401 - asked for now, not by a worker in the middle of an epoch
    except ImportError as error:
        needed = "pip install 'hqzoo[bigearthnet]'"
        raise ConfigError(f"{folder} is read by a package that is not there ({error}): {needed}.") from error
    try:
        # Without locks it is read from folders that cannot be written to; nobody changes it.
        return lmdb.open(str(folder), readonly=True, lock=False, create=False)
    except lmdb.Error as error:
        raise DataError(f"{folder} is no LMDB database that can be read: {error}.") from error


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
