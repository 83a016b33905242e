"""A small OME-Zarr with real chunks, as values by key: in memory, zipped, wherever a test wants it."""

import io
import zipfile
from functools import cache

import numpy as np
import zarr
from trees import Tree, multiscales
from zarr.storage import MemoryStore

from brickstream.testing import shrink

# 4 x 3 chunks, those at the end clipped; the first one is not stored.
CHUNKS = (11, 16)
PIXELS = np.random.default_rng(7).integers(1, 60000, (40, 37)).astype("u2")
PIXELS[:11, :16] = 0


@cache
def _tree(zarr_format: int) -> Tree:
    store = MemoryStore()
    attributes = multiscales(name="stored")
    if zarr_format == 3:
        attributes = {"ome": {"version": "0.5", **attributes}}
    group = zarr.create_group(store, zarr_format=zarr_format, attributes=attributes)  # type: ignore[arg-type]
    for k, pixels in enumerate((PIXELS, shrink(PIXELS, 2))):
        separator = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if zarr_format == 2 else {}
        array = group.create_array(str(k), shape=pixels.shape, dtype=pixels.dtype, chunks=CHUNKS, **separator)
        array[...] = pixels
    return {key: value.to_bytes() for key, value in store._store_dict.items()}


def ome_zarr(zarr_format: int = 3) -> Tree:
    """An image of two levels."""
    return dict(_tree(zarr_format))


def zip_of(tree: Tree, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as zipped:
        for key, value in tree.items():
            zipped.writestr(key, value)
    return file.getvalue()
