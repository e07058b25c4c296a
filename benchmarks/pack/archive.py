"""Writes a generated archive in the layout of BigEarthNet v2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import from_origin

from hqzoo.data.paired.sentinel import NATIVE_SIDES

__all__ = ["write_archive"]


def write_archive(root: Path, pairs: int) -> Path:
    """Write pairs in the layout of BigEarthNet v2: values of the usual size, TIFFs as the archive's."""
    rng = np.random.default_rng(0)
    lines = ["patch_id,s1_name,split,labels"]
    for number in range(pairs):
        scene = f"S2A_MSIL2A_20170613T101031_N9999_R022_T33U{number // 100:02}"
        name, radar = f"{scene}_{number % 100:02}_00", f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{number:03}_00"
        folders = root / "BigEarthNet-S2" / scene / name, root / "BigEarthNet-S1" / radar.rsplit("_", 3)[0] / radar
        for folder in folders:
            folder.mkdir(parents=True)
        for band, side in NATIVE_SIDES.items():
            if band in ("VV", "VH"):
                write_plane(folders[1] / f"{radar}_{band}.tif", rng.normal(-14, 4, (side, side)).astype(np.float32))
            else:
                write_plane(folders[0] / f"{name}_{band}.tif", rng.integers(1, 4000, (side, side)).astype(np.uint16))
        lines.append(f"{name},{radar},train,")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def write_plane(file: Path, values: npt.NDArray[Any]) -> None:
    """Write a single-band GeoTIFF of 1.2 km."""
    side = 1200 / len(values)
    options = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_342_400, side, side), "dtype": values.dtype}
    with rasterio.open(file, "w", "GTiff", *values.shape[::-1], 1, **options) as raster:
        raster.write(values, 1)
