"""What the views of a session need of a stored image: which chunks are new, and how large they are. Reads the disk."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr

from brickstream.latency.engines.protocol import Shot
from brickstream.latency.measures.limit import Need
from brickstream.multiscale import Pyramid

# Decoded this often, the quickest time counts.
REPEATS = 5


class StoredImage:
    """An image in a folder, as far as its bytes are concerned.

    Parameters
    ----------
    folder : Path
    pyramid : Pyramid
    """

    def __init__(self, folder: Path, pyramid: Pyramid) -> None:
        self._folder = folder
        self._pyramid = pyramid
        self._means: dict[int, float] = {}
        self._sizes: dict[tuple[int, ...], float] = {}

    def documents(self) -> int:
        """Bytes of the one document that describes the image, with those of its levels where they are consolidated."""
        found = [self._folder / name for name in ("zarr.json", ".zmetadata", ".zattrs")]
        return next(path.stat().st_size for path in found if path.exists())

    def chunk_bytes(self, level: int, index: Sequence[int]) -> float:
        """Stored bytes of a chunk, 0 where none are; in a shard, what a chunk of its level has on average."""
        if self._pyramid.levels[level].shards is not None:
            return self.mean_bytes(level)
        path = self._path(level) / "/".join(map(str, index))
        return float(path.stat().st_size) if path.exists() else 0.0

    def mean_bytes(self, level: int) -> float:
        """Stored bytes of a level over its chunks."""
        if level not in self._means:
            files = [
                path for path in self._path(level).rglob("*") if path.is_file() and not path.name.endswith(".json")
            ]
            total = sum(path.stat().st_size for path in files if not path.name.startswith(".z"))
            self._means[level] = total / float(np.prod(self._pyramid.levels[level].grid))
        return self._means[level]

    def decode_rate(self, level: int) -> float:
        """Measure how many bytes the level's compressor makes of one of its chunks in a second, on all cores.

        Only the compressor, as its library has it: less cannot be done. Infinite where there is none.
        """
        array = zarr.open_array(self._folder / self._pyramid.levels[level].path, mode="r")
        codec = _compressor(array.metadata.to_dict())
        if codec is None:
            return inf
        pixels = np.asarray(array[tuple(slice(0, n) for n in self._pyramid.levels[level].chunks)])
        stored = codec.encode(np.ascontiguousarray(pixels))
        spent = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            codec.decode(stored)
            spent.append(time.perf_counter() - begin)
        return float(pixels.nbytes) / min(spent) * (os.cpu_count() or 1)

    def needs(self, shots: Sequence[Shot]) -> list[Need]:
        """Find for every view what it is made of, and since when each chunk of it was known to be needed."""
        known: dict[tuple[int, ...], float] = {}
        return [self._need(shot, known) for shot in shots]

    def _need(self, shot: Shot, known: dict[tuple[int, ...], float]) -> Need:
        keys = [(shot.level, *index) for index in shot.chunks.tolist()]
        since = [known.setdefault(key, shot.at) for key in keys]
        sizes = (shot.regions[:, 1] - shot.regions[:, 0]).prod(axis=1)
        stored = np.array([self._stored(key) for key in keys], dtype=np.float64)
        chunk = float(np.prod(self._pyramid.chunk_shapes[shot.level])) * self._pyramid.dtype.itemsize
        return Need(
            shot.at,
            np.array(since, dtype=np.float64),
            sizes / max(1, sizes.sum()),
            stored,
            np.where(stored > 0, chunk, 0),
        )

    def _stored(self, key: tuple[int, ...]) -> float:
        if key not in self._sizes:
            self._sizes[key] = self.chunk_bytes(key[0], key[1:])
        return self._sizes[key]

    def _path(self, level: int) -> Path:
        """Folder that a level's chunks are in."""
        folder = self._folder / self._pyramid.levels[level].path
        document = folder / "zarr.json"
        if document.exists() and json.loads(document.read_text())["chunk_key_encoding"]["name"] == "default":
            return folder / "c"
        return folder


def _compressor(document: Mapping[str, Any]) -> Any:
    """The codec that makes the bytes of a chunk, by an array's metadata; None where they are stored as they are."""
    chain = list(document.get("codecs", ()))
    if chain and chain[0]["name"] == "sharding_indexed":
        chain = list(chain[0]["configuration"]["codecs"])
    for codec in chain:
        if codec["name"] in ("zstd", "gzip", "blosc"):
            config = dict(codec.get("configuration", {}))
            config["shuffle"] = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}.get(config.get("shuffle", ""), 0)
            known = {"zstd": ("level", "checksum"), "gzip": ("level",), "blosc": ("cname", "clevel", "shuffle")}
            kept = {name: config[name] for name in known[codec["name"]] if name in config}
            return numcodecs.get_codec({"id": codec["name"], **kept})
    compressor = document.get("compressor")
    return None if compressor is None else numcodecs.get_codec(dict(compressor))
