"""How fast pairs of Sentinel-2 and Sentinel-1 are read for training, by the format that they lie in.

    hqzoo bench pack [--pairs 768] [--turns 3] [--real FOLDER]     # or: python -m benchmarks.pack


The same pairs (12 and 2 bands in their native sizes) are written as BigEarthNet v2's TIFFs, as a pack of `hqzoo data
pack`, as LMDB with safetensors like rico-hdl's, as HDF5 (a contiguous dataset a band; one of whole records) and as zarr
(an array a band, a chunk a pair, shards), nothing compressed, on one disk. All are read through the same training
loader of BigEarthNetV2DataModule: random order, resampled, turned, batches of 32 as tensors. The first batches must be
equal bit for bit.

Formats take turns; a number is the best turn, as other programs on the machine only slow a turn down. `warm`: all is in
the page cache, and workers are running. `cold`: the pages of the files were dropped with posix_fadvise before every
turn (the JSON says what share of probes was left), and data are opened and workers started within it; directory entries
and inodes stay cached, which spares TIFFs most, and what the disk below keeps is not known. `--real FOLDER`: an archive
whose few pairs are read again and again, warm. CPU milliseconds are those of one process without workers. Writes
results/pack.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.pack.archive import write_archive
from benchmarks.pack.formats import BATCH, Opened, write_formats
from benchmarks.pack.report import markdown
from hqzoo.compare.machine import describe_machine

__all__ = ["main", "measure"]

RESULT = Path(__file__).parents[1] / "results" / "pack.json"
PROBED = 1 << 20  # bytes between probes
PAIRS, EPOCHS = 237_871, 400  # of HQ-JEPA's pretraining (arXiv 2605.31068)


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=768, help="generated pairs")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2])
    parser.add_argument("--real", type=Path, help="an archive of real pairs, to be read as well")
    parser.add_argument("--folder", type=Path, help="where to write (default: that of temporary files)")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    found: dict[str, Any] = {"machine": describe_machine(), "batch": BATCH, "turns": args.turns, "sources": {}}
    with tempfile.TemporaryDirectory(prefix="hqzoo-pack-", dir=args.folder) as made:
        root = write_archive(Path(made) / "generated", args.pairs)
        found["sources"]["generated"] = measure(root, Path(made) / "formats", args.turns, args.workers, cold=True)
        if args.real is not None:
            copy = shutil.copytree(args.real, Path(made) / "real")
            repeats = max(1, args.pairs // 16)
            found["sources"]["real"] = measure(copy, Path(made) / "real formats", args.turns, args.workers, repeats)
    found["projected_hours"] = projected(found["sources"]["generated"])
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    print(markdown(found))
    return 0


def measure(
    root: Path, folder: Path, turns: int, workers: Sequence[int], repeats: int = 1, cold: bool = False
) -> dict[str, Any]:
    """Write the pairs of an archive in every format, read them, and return the numbers by format.

    Args:
        root: Archive in BigEarthNet v2's layout.
        folder: Where the other formats are written.
        turns: How often each is read.
        workers: Numbers of worker processes to read with.
        repeats: Passes over the pairs in a turn.
        cold: Whether it is read from the disk as well.
    """
    opened = write_formats(root, folder)
    modules = {name: open_module for name, (open_module, _) in opened.items()}
    files = {name: places for name, (_, places) in opened.items()}
    check_equal(modules)
    formats: dict[str, dict[str, Any]] = {name: {"bytes": size_of(places)} for name, places in files.items()}
    conditions = [("warm", count) for count in workers] + ([("cold", count) for count in workers] if cold else [])
    for condition, count in conditions:
        best, left = dict.fromkeys(modules, (np.inf, np.inf)), dict.fromkeys(modules, 0.0)
        loaders = {name: loader_of(open_module, count) for name, open_module in modules.items() if condition == "warm"}
        for loader in loaders.values():
            one_turn(loader, 1)
        for _ in range(turns):
            for name, open_module in modules.items():
                if condition == "cold":
                    left[name] = max(left[name], drop(files[name]))
                if condition == "warm":
                    taken = one_turn(loaders[name], repeats)
                else:
                    taken = one_turn_anew(open_module, count, repeats)
                best[name] = min(best[name][0], taken[0]), min(best[name][1], taken[1])
        for name, (seconds, cpu) in best.items():
            formats[name][f"{condition}, {count} workers"] = {
                "pairs_per_second": round(1 / seconds, 1),
                "times_tiff": round(best["tiff"][0] / seconds, 2),
                **({"cpu_ms": round(1e3 * cpu, 3)} if count == 0 else {}),
                **({"left_in_cache": round(left[name], 3)} if condition == "cold" else {}),
            }
    pairs = len(modules["tiff"]().undivided_records())
    return {"pairs": pairs, "passes": repeats, "formats": formats}


def loader_of(open_module: Opened, workers: int) -> DataLoader[Any]:
    """Return the training loader of a format."""
    module = open_module()
    module.num_workers = workers
    return module.train_dataloader()


def one_turn(loader: DataLoader[Any], repeats: int, start: float | None = None) -> tuple[float, float]:
    """Return seconds, and CPU seconds of this process, that a pair takes to become part of a batch.

    Args:
        loader: The loader.
        repeats: Passes over the pairs.
        start: When the turn began; None: now.
    """
    begun, cpu, count = time.perf_counter(), time.process_time(), 0
    for _ in range(repeats):
        for batch in loader:
            count += len(batch["name"])
    end = time.perf_counter()
    return (end - (begun if start is None else start)) / count, (time.process_time() - cpu) / count


def one_turn_anew(open_module: Opened, workers: int, repeats: int) -> tuple[float, float]:
    """Return likewise what a turn takes together with opening the data."""
    start = time.perf_counter()
    return one_turn(loader_of(open_module, workers), repeats, start)


def check_equal(modules: Mapping[str, Opened]) -> None:
    """Refuse formats that give other samples."""
    first = {name: next(iter(open_module().train_dataloader())) for name, open_module in modules.items()}
    for name, batch in first.items():
        same = batch["name"] == first["tiff"]["name"] and all(
            torch.equal(batch[s], first["tiff"][s]) for s in ("s2", "s1")
        )
        if not same:
            raise SystemExit(f"{name} gives other samples than tiff")


def drop(files: Sequence[Path]) -> float:
    """Ask the system to forget the contents of files; return the share of probes that are in its memory all the same.

    What a process has mapped stays, so that loaders of earlier turns must be gone.
    """
    gc.collect()
    probes = hits = 0
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for at in range(0, path.stat().st_size, PROBED):
                probes, hits = probes + 1, hits + in_memory(file.fileno(), at)
    return hits / probes


def in_memory(descriptor: int, at: int) -> bool:
    """Return whether a byte of a file can be had without its disk."""
    try:
        return os.preadv(descriptor, [bytearray(1)], at, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False


def size_of(files: Sequence[Path]) -> int:
    """Return the bytes that files take."""
    return sum(path.stat().st_size for path in files)


def projected(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hours that loading takes of a pretraining as published, at the rates measured here."""
    hours = {
        name: {
            condition: round(PAIRS * EPOCHS / rates["pairs_per_second"] / 3600, 1)
            for condition, rates in each.items()
            if condition != "bytes"
        }
        for name, each in source["formats"].items()
    }
    return {"pairs": PAIRS, "epochs": EPOCHS, "hours": hours}


if __name__ == "__main__":
    raise SystemExit(main())
