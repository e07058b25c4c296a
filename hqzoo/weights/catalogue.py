"""Which weights this machine has, by name: in folders of one's own, in installed wheels, in the cache.

Nothing here imports torch, nor any module of a wheel: a wheel's entry point says which folder is meant, and its list of
files whether that folder is its own.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path

from hqzoo.errors import CheckpointError, did_you_mean
from hqzoo.weights.spec import SPEC_FILE, TENSOR_FILE, WeightSpec, check_name, read_spec

__all__ = ["FOLDER_VARIABLE", "GROUP", "Found", "all_weights", "cache_folder", "find_weights", "in_folder"]

GROUP = "hqzoo.weights"
"""Group of entry points: name of the weights to the package of the wheel that holds them."""

FOLDER_VARIABLE, CACHE_VARIABLE = "HQZOO_WEIGHTS_DIR", "HQZOO_CACHE"
LEAST_DIGITS = 8


@dataclass(frozen=True)
class Found:
    """Weights that were found.

    Args:
        spec: What they say of themselves.
        folder: Where spec and tensors lie.
        origin: Where that is, in words.
        again: How to get them anew where they turn out to be damaged.
    """

    spec: WeightSpec
    folder: Path
    origin: str
    again: str

    @property
    def tensors(self) -> Path:
        """The file of tensors."""
        return self.folder / TENSOR_FILE


@dataclass(frozen=True)
class _Candidate:
    """A place that may hold weights, not looked into yet."""

    name: str | None  # None: the spec alone says it
    origin: str
    look: Callable[[], Found]


def find_weights(given: str) -> Found:
    """Return the weights of that name: in ``HQZOO_WEIGHTS_DIR``, else in a wheel, else in the cache.

    Args:
        given: Their name, or ``NAME@DIGITS`` with the first eight or more digits of their SHA-256 where several have
            the name.

    Raises:
        CheckpointError: If there are none, several in the same place, or those of that name are described wrongly.
    """
    name, _, digits = given.partition("@")
    check_name(name)
    if digits and (len(digits) < LEAST_DIGITS or set(digits) - set("0123456789abcdef")):
        raise CheckpointError(f"'{given}': behind @ stand {LEAST_DIGITS} or more digits of a SHA-256.")
    for place in (_folders, _wheels, _cached):
        found = [_looked_at(each) for each in place() if each.name in (name, None)]
        matching = [each for each in found if each and each.spec.name == name and each.spec.sha256.startswith(digits)]
        if len({each.spec.sha256 for each in matching}) > 1:
            raise CheckpointError(_ambiguous(name, matching))
        if matching:
            return matching[0]
    known = sorted({each.spec.name for each in all_weights() if isinstance(each, Found)})
    raise CheckpointError(
        f"There are no weights '{given}' here.{did_you_mean(name, known)} Installed: {', '.join(known) or 'none'}. "
        f"Install them (pip install hqzoo-weights-{name}), or ask for them on a hub at a revision: "
        "hqzoo weights install hf:OWNER/REPOSITORY@COMMIT."
    )


def in_folder(folder: Path) -> Found:
    """Return the weights of a folder that was named.

    Raises:
        CheckpointError: If it holds none, or they are described wrongly.
    """
    return Found(read_spec(folder), folder, f"the folder {folder}", "copy the folder again")


def all_weights() -> Iterator[Found | CheckpointError]:
    """Yield all weights that this machine has, in the order of looking, and what is wrong with what should be some."""
    for place in (_folders, _wheels, _cached):
        for candidate in place():
            try:
                yield candidate.look()
            except CheckpointError as error:
                yield CheckpointError(f"{candidate.origin}: {error}")


def cache_folder() -> Path:
    """Return where downloaded weights are kept: ``HQZOO_CACHE``, else ``hqzoo`` among the user's caches."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own).expanduser() / "weights"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hqzoo" / "weights"


def _looked_at(candidate: _Candidate) -> Found | None:
    """Return what a place holds; None, with a warning, where that is wrong and nobody knows whether it was meant."""
    try:
        return candidate.look()
    except CheckpointError as error:
        if candidate.name is not None:
            raise
        warnings.warn(f"Passed over: {error}", stacklevel=3)
        return None


def _ambiguous(name: str, found: list[Found]) -> str:
    told = "; ".join(f"{each.spec.name}@{each.spec.sha256[:LEAST_DIGITS]} in {each.origin}" for each in found)
    return f"Several weights are called '{name}': {told}. Say which with NAME@DIGITS, or remove the others."


def _folders() -> Iterator[_Candidate]:
    for root in filter(None, os.environ.get(FOLDER_VARIABLE, "").split(os.pathsep)):
        top = Path(root).expanduser()
        # A folder of weights, or the package in a wheel's project.
        for path in sorted({*top.glob(f"*/{SPEC_FILE}"), *top.glob(f"*/*/{SPEC_FILE}")}):
            yield _Candidate(None, str(path.parent), lambda folder=path.parent: in_folder(folder))  # type: ignore[misc]


def _wheels() -> Iterator[_Candidate]:
    for point in entry_points(group=GROUP):
        if point.dist is not None:
            origin = f"the wheel {point.dist.name} {point.dist.version}"
            yield _Candidate(point.name, origin, lambda p=point, d=point.dist, o=origin: _of_wheel(p, d, o))  # type: ignore[misc]


def _of_wheel(point: EntryPoint, wheel: Distribution, origin: str) -> Found:
    listed = {str(path) for path in wheel.files or ()}
    wanted = [f"{point.value}/{name}" for name in (SPEC_FILE, TENSOR_FILE)]
    again = f"pip install --force-reinstall --no-deps {wheel.name}=={wheel.version}"
    if not point.value.isidentifier() or not listed.issuperset(wanted):
        raise CheckpointError(
            f"{origin} says that the weights '{point.name}' lie in '{point.value}', but no such files are its own "
            f"({', '.join(wanted)}). Nothing was loaded. Remove it: pip uninstall {wheel.name}."
        )
    folder = Path(str(wheel.locate_file(point.value)))
    spec = read_spec(folder)
    if spec.name != point.name:
        raise CheckpointError(
            f"{origin} calls its weights '{point.name}', but they call themselves '{spec.name}'. Nothing was loaded. "
            f"Remove it: pip uninstall {wheel.name}."
        )
    return Found(spec, folder, origin, again)


def _cached() -> Iterator[_Candidate]:
    for path in sorted(cache_folder().glob(f"*/{SPEC_FILE}")):
        yield _Candidate(None, f"the cache ({path.parent})", lambda folder=path.parent: _of_cache(folder))  # type: ignore[misc]


def _of_cache(folder: Path) -> Found:
    spec = read_spec(folder)
    if spec.sha256 != folder.name:  # a folder is named by what it holds: another name is somebody's mistake
        raise CheckpointError(f"{folder} holds the weights {spec.sha256}. Remove the folder.")
    return Found(spec, folder, f"the cache ({folder})", f"remove {folder} and install them again")
