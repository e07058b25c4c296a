"""Which patches, maps and layers fit QuFeX, for errors that say how to mend them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

from hqzoo.quantum import circuits, plan
from hqzoo.quantum.engines.size import SizeError, machine_memory
from hqzoo.quantum.engines.statevector.engine import MAX_WIRES
from hqzoo.quantum.engines.statevector.plan import table_bytes

__all__ = ["divisors", "fits_circuit", "fitting_patches", "listed", "patches_in_words", "sizes_in_words"]

SHOWN = 6  # patches that an error names


def divisors(number: int) -> list[int]:
    """Return the divisors of a number, 1 and itself included."""
    return [k for k in range(1, number + 1) if number % k == 0]


def listed(numbers: list[int]) -> str:
    """Return numbers in words."""
    return ", ".join(map(str, numbers))


def fits_circuit(n_qubits: int) -> bool:
    """Return whether QuFeX has a circuit for so many qubits."""
    return n_qubits >= 4 and n_qubits % 2 == 0


def fitting_patches(
    size: tuple[int, int], maps: int, near: int, most_qubits: int | None = None
) -> list[tuple[int, int]]:
    """Return patches that divide a map, largest first.

    Args:
        size: Height and width of the map.
        maps: Neighbouring maps that a circuit mixes.
        near: Area that those are closest to, if there are more than an error should name.
        most_qubits: Most values of a patch in all its maps.
    """
    found = [
        (rows, columns)
        for rows, columns in product(divisors(size[0]), divisors(size[1]))
        if fits_circuit(rows * columns * maps) and (most_qubits is None or rows * columns * maps <= most_qubits)
    ]
    chosen = sorted(found, key=lambda patch: (abs(patch[0] * patch[1] - near), abs(patch[0] - patch[1])))[:SHOWN]
    return sorted(chosen, key=lambda patch: (-patch[0] * patch[1], abs(patch[0] - patch[1]), patch))


def patches_in_words(patches: list[tuple[int, int]]) -> str:
    """Return a sentence behind another one, or nothing where there are none."""
    return f" Patches that divide this map: {', '.join(map(str, patches))}." if patches else ""


@contextmanager
def sizes_in_words(
    channels: int, patch: tuple[int, int], maps: int, n_filters: int, n_layers: int, engine: str
) -> Iterator[None]:
    """Say what makes the number of qubits where circuits of QuFeX are built and turn out too large for an engine."""
    try:
        yield
    except SizeError as error:
        raise _too_large(error, channels, patch, maps, n_filters, n_layers, engine) from error


def _too_large(
    error: SizeError, channels: int, patch: tuple[int, int], maps: int, n_filters: int, n_layers: int, engine: str
) -> SizeError:
    """Return the error of an engine in words of what makes the number of qubits."""
    height, width = patch
    n_qubits = height * width * maps
    given = f"patch=({height}, {width}), maps={maps} make {height} x {width} x {maps} = {n_qubits} qubits"
    ways = []
    if n_layers > 1 and _runs(n_qubits, n_filters, 1, engine):
        ways.append("n_layers=1 (as published)")
    if engine != "auto" and _runs(n_qubits, n_filters, n_layers, "auto"):
        ways.append("engine='auto'")
    if engine != "cone" or "engine='auto'" not in ways:  # smaller ones would have to run on 'auto', too
        ways += _smaller(channels, (height, width), maps, n_filters, n_layers, engine)
    layers = f"{n_layers} layer{'s' * (n_layers > 1)}"
    return SizeError(
        f"{given}, too many for {layers} (n_layers={n_layers}) on engine='{engine}'. {error.reason}",
        f"Choose {', or '.join(ways)}." if ways else "Choose a smaller patch: (2, 2) with maps=1 is published.",
    )


def _smaller(channels: int, patch: tuple[int, int], maps: int, n_filters: int, n_layers: int, engine: str) -> list[str]:
    """Return smaller patches, which divide the maps that this one divides, and fewer maps."""
    n_qubits = patch[0] * patch[1] * maps
    sizes = {k * maps for k in divisors(patch[0] * patch[1])}
    sizes |= {patch[0] * patch[1] * k for k in divisors(channels)}
    below = sorted((n for n in sizes if fits_circuit(n) and n < n_qubits and n <= MAX_WIRES), reverse=True)
    name = "auto" if engine == "cone" else engine
    most = next((n for n in below if _runs(n, n_filters, n_layers, name)), None)
    if most is None:
        return []
    instead = f", engine='{name}'" if name != engine else ""
    ways = []
    patches = fitting_patches(patch, maps, most // maps, most)
    if patches:
        which = ", ".join(f"{each} ({each[0] * each[1] * maps} qubits)" for each in patches)
        ways.append(f"with maps={maps}{instead} a patch such as {which}")
    fewer = [k for k in divisors(channels) if fits_circuit(patch[0] * patch[1] * k) and patch[0] * patch[1] * k <= most]
    if fewer:
        ways.append(f"with this patch{instead} maps={listed(fewer)}")
    return ways


def _runs(n_qubits: int, n_filters: int, n_layers: int, engine: str) -> bool:
    """Return whether an engine and this machine hold the filters."""
    memory = machine_memory()
    for kind in (1, 2)[:n_filters]:
        circuit = circuits.qufex(n_qubits, 1 if kind == 1 else 2, n_layers)
        try:
            how = plan(circuit, engine)
        except SizeError:
            return False
        needed = table_bytes(circuit) if how.engine == "statevector" else 4 * how.flops if how.engine == "cone" else 0
        if memory is not None and needed > memory:
            return False
    return True
