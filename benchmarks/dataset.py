"""The data that every engine reads: Zarr v3, chunks of 64^3 uint16 that look like a microscope's and halve in size."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import zarr
from engines.task import CHUNK, Case

SUMS = "sums.json"


def write(folder: Path, cases: list[Case]) -> dict[str, int]:
    """Write what is not there yet; return the sum of the pixels of each case's view, to check what engines deliver."""
    known = json.loads((folder / SUMS).read_text()) if (folder / SUMS).exists() else {}
    for case in cases:
        if case.path not in known:
            known[case.path] = _write_case(folder, case)
            (folder / SUMS).write_text(json.dumps(known))
    return known


def _write_case(folder: Path, case: Case) -> int:
    # The checksum lets a reader notice damage.
    codec = zarr.codecs.ZstdCodec(level=1, checksum=True)
    array = zarr.create_array(
        folder / case.path,
        shape=case.shape,
        chunks=(CHUNK,) * 3,
        dtype="uint16",
        compressors=codec,
        dimension_names=("z", "y", "x"),
        overwrite=True,
    )
    rng, total = np.random.default_rng(0), 0
    for index in product(*map(range, case.grid)):
        box = tuple(slice(i * CHUNK, (i + 1) * CHUNK) for i in index)
        pixels = _noise(rng, index)
        array[box] = pixels
        total += int(case.seen(pixels).sum(dtype=np.uint64))
    return total


def _noise(rng: np.random.Generator, index: tuple[int, ...]) -> np.ndarray:
    """Smooth structures under shot noise: the high bytes are worth little, the low ones cannot be compressed."""
    z, y, x = (np.arange(CHUNK, dtype=np.float32) + CHUNK * i for i in index)
    smooth = np.sin(z / 23)[:, None, None] + np.sin(y / 31)[None, :, None] + np.sin(x / 17)[None, None, :]
    light = 120 + 15 * smooth
    shot = rng.standard_normal(light.shape, dtype=np.float32) * np.sqrt(light)
    return np.clip(light + shot, 0, 65535).astype(np.uint16)
