"""How fast a scene is mapped, beside what the bare model does with as many windows.

    hqzoo bench map                      # or: python -m benchmarks.map; writes results/map.json

HQ-UNet of width 16 on an 8-bit RGB scene with five classes, in both precisions. The bare model gets one batch of
normalised windows again and again; the map reads, normalises, predicts, blends, writes, adds overviews and reads back
what it wrote. The two take turns in one process; times are medians. Both are counted in CPU seconds too, which other
programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine

from hqzoo._memory import PeakMemory
from hqzoo.compare.machine import describe_machine
from hqzoo.data import Sensor, Statistics, Targets
from hqzoo.data.tiling import OVERLAP, Grid
from hqzoo.scenes import map_scene
from hqzoo.scenes.blending import BATCH
from hqzoo.tasks import SegmentationTask

__all__ = ["main", "measure"]

RESULT = Path(__file__).parents[1] / "results" / "map.json"
SIDE = 128
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


def main(argv: list[str] | None = None) -> int:
    """Measure, write, print; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="bench map", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=5000, help="side of the scene in pixels (default: 5000)")
    parser.add_argument("--turns", type=int, default=3, help="default: 3")
    parser.add_argument("--output", type=Path, default=RESULT, help=f"default: {RESULT.name} among the results")
    args = parser.parse_args(argv)
    found = {"machine": describe_machine(), "size": args.size, "turns": args.turns}
    with tempfile.TemporaryDirectory() as folder:
        scene = _write_scene(Path(folder) / "scene.tif", args.size)
        for precision in PRECISIONS:
            found[precision] = measure(scene, args.size, precision, args.turns)
            print(f"{precision}: {found[precision]}", flush=True)
    args.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def measure(scene: Path, size: int, precision: str, turns: int) -> dict[str, Any]:
    """Return windows per second of model and map, their ratio, what the overlap costs, and memory."""
    torch.manual_seed(0)
    task = _task()
    output = scene.with_name("map.tif")
    windows = len(Grid.over(size, size, (SIDE, SIDE), OVERLAP))
    batches = max(1, windows // BATCH)
    batch = task.normalise(255 * torch.rand(BATCH, 3, SIDE, SIDE))

    def model() -> None:
        dtype = PRECISIONS[precision]
        with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype is not None):
            for _ in range(batches):
                task.model(batch)

    def whole(overlap: float = OVERLAP) -> None:
        map_scene(task, scene, output, overlap=overlap, precision=precision, progress=False)

    task.model(batch)
    memory = PeakMemory(torch.device("cpu"))
    times = [(_seconds(model), _seconds(whole)) for _ in range(turns)]
    wall, cpu = ({"model": [m[k] for m, _ in times], "map": [w[k] for _, w in times]} for k in (0, 1))
    share = batches * BATCH / windows  # of the map's windows that the bare model was given
    peak = memory.megabytes()
    once, _ = _seconds(lambda: whole(0.0))
    mapped = statistics.median(wall["map"])
    return {
        "windows": windows,
        "model_windows_per_s": round(batches * BATCH / statistics.median(wall["model"]), 1),
        "map_windows_per_s": round(windows / mapped, 1),
        "map_mpx_per_s": round(size**2 / mapped / 1e6, 3),
        "ratio": round(statistics.median(wall["model"]) / share / mapped, 3),
        "ratio_of_cpu_seconds": round(statistics.median(cpu["model"]) / share / statistics.median(cpu["map"]), 3),
        "times_without_overlap": round(mapped / once, 2),
        "peak_mb": None if peak is None else round(peak, 1),
    }


def _seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Return wall-clock and CPU seconds of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _task() -> SegmentationTask:
    return SegmentationTask(
        "hq_unet", {"width": 16, "input_size": SIDE},
        sensors={"image": Sensor(("red", "green", "blue"))},
        statistics={"image": Statistics((128.0,) * 3, (70.0,) * 3)},
        targets=Targets("mask", ("soil", "water", "wood", "road", "roof")),
    ).eval()  # fmt: skip


def _write_scene(path: Path, size: int) -> Path:
    """Write waves with noise: neither constant, which would compress too well, nor noise alone."""
    rng, waves = np.random.default_rng(0), 60 * np.sin(np.arange(size) / 50)
    profile = {"driver": "GTiff", "count": 3, "height": size, "width": size, "dtype": "uint8", "tiled": True}
    grid = {"crs": "EPSG:2180", "transform": Affine(0.25, 0, 5e5, 0, -0.25, 2e5)}
    with rasterio.open(path, "w", **profile, **grid, blockxsize=256, blockysize=256) as dataset:
        for row in range(0, size, 256):
            rows = slice(row, min(row + 256, size))
            noise = rng.normal(128, 20, (3, rows.stop - rows.start, size))
            strip = (noise + waves[rows, None] + waves).clip(1, 254).astype(np.uint8)
            dataset.write(strip, window=((rows.start, rows.stop), (0, size)))
    return path


if __name__ == "__main__":
    raise SystemExit(main())
