"""Writes a sample into a folder: all of it, or nothing."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import zarr

from brickstream.errors import AccessDeniedError, BrickstreamError, StoreError
from brickstream.samples import sources
from brickstream.samples.layout import group_attributes, halved_levels
from brickstream.samples.pyramid import CODECS, Storage, write_pyramid

if TYPE_CHECKING:
    from collections.abc import Callable

    from brickstream.samples.layout import Level
    from brickstream.samples.sources import Source

    Progress = Callable[[int, int], None]

SAMPLE_NAMES = ("globe", "brain", "synthetic", "microscope")
"""What :func:`write_sample` can write."""

# Raise it when what a sample contains changes: an older copy is then no longer taken for a finished one.
_REVISION = 2
_COMPUTED = {"synthetic": sources.synthetic, "microscope": sources.microscope}
_ZARR_FORMATS = {"0.4": 2, "0.5": 3}


def write_sample(
    name: str,
    dest: Path,
    *,
    ome_version: str = "0.5",
    sharded: bool = False,
    shape: tuple[int, ...] | None = None,
    chunks: tuple[int, ...] | None = None,
    codec: str = "zstd",
    progress: Progress | None = None,
) -> Path:
    """Write a sample image with its mean pyramid as OME-Zarr.

    The store is made in a hidden folder beside `dest` and renamed at the end: an interrupted run leaves nothing at
    `dest`, and only a killed one leaves the hidden folder. Memory is bounded: the gigapixel globe needs less than 400
    megabytes. Blocks; safe in any thread.

    Parameters
    ----------
    name : {"globe", "brain", "synthetic", "microscope"}
        Which picture: the land mask of the Earth (y, x), a human brain (z, y, x), a computed one, or the computed one
        under the noise of a camera.
    dest : Path
        The folder that becomes the store; folders above it are made. If it exists already it must be the same finished
        sample (same name, version, sharding, shape, chunks and codec), which is then left as it is.
    ome_version : {"0.5", "0.4"}
        Version of OME-Zarr: 0.5 is Zarr v3, 0.4 is Zarr v2 with "/" between chunk indices.
    sharded : bool, default False
        Store many chunks per file (0.5 only).
    shape : tuple of int, optional
        Shape of level 0 in storage order, for computed pictures only: 2 to 5 axes, the last of t, c, z, y, x.
    chunks : tuple of int, optional
        Pixels of a chunk along each axis, in storage order; smaller levels have smaller chunks. Default 64 along each
        axis of space (512 in a plane), 1 along others.
    codec : {"zstd", "blosc", "none"}
        How chunks are compressed; blosc is lz4 with shuffled bytes.
    progress : callable, optional
        Called in this thread as ``progress(done, total)`` in decoded bytes of all levels; the last call has both equal.

    Returns
    -------
    Path
        `dest`.

    Raises
    ------
    MissingPackageError
        When the package that holds the data is not installed.
    StoreError
        When `dest` is something else already, or cannot be written.
    BrickstreamError
        When the name or an option is not one of the above.
    """
    dest = Path(dest)
    source = _source(name, shape)
    storage = _storage(source, ome_version, sharded, chunks, codec)
    spatial = [axis.type == "space" for axis in source.axes]
    levels = halved_levels(source.shape, spatial, source.smallest)
    attributes = group_attributes(source.name, source.axes, levels, source.channels, ome_version=ome_version)
    attributes["brickstream"] = {
        "sample": name,
        "revision": _REVISION,
        "ome_version": ome_version,
        "sharded": sharded,
        "shape": list(source.shape),
        **_unusual(chunks, codec),
    }
    count = _Counter(sum(math.prod(level.shape) for level in levels) * source.dtype.itemsize, progress)
    if _is_finished(dest, attributes):
        count.finish()
        return dest
    _write(dest, source, levels, storage, attributes, count)
    return dest


class _Counter:
    """Adds up decoded bytes and passes them on."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done = 0
        self._total = total
        self._progress = progress

    def advance(self, nbytes: int) -> None:
        self._done += nbytes
        if self._progress is not None:
            self._progress(self._done, self._total)

    def finish(self) -> None:
        if self._done < self._total:
            self.advance(self._total - self._done)


def _source(name: str, shape: tuple[int, ...] | None) -> Source:
    if name not in SAMPLE_NAMES:
        raise BrickstreamError("there is no sample of this name", name, f"choose one of {', '.join(SAMPLE_NAMES)}")
    if name in _COMPUTED:
        compute = _COMPUTED[name]
        return compute() if shape is None else compute(tuple(shape))
    if shape is not None:
        raise BrickstreamError("only computed samples can have another shape", name, "leave out the shape")
    return sources.globe() if name == "globe" else sources.brain()


def _unusual(chunks: tuple[int, ...] | None, codec: str) -> dict[str, Any]:
    """What is said of a sample only where it was asked for: copies without it are as they always were."""
    asked: dict[str, Any] = {} if chunks is None else {"chunks": list(chunks)}
    return asked if codec == CODECS[0] else {**asked, "codec": codec}


def _storage(source: Source, ome_version: str, sharded: bool, chunks: tuple[int, ...] | None, codec: str) -> Storage:
    if ome_version not in _ZARR_FORMATS:
        raise BrickstreamError("unknown version of OME-Zarr", ome_version, "choose 0.4 or 0.5")
    if sharded and ome_version == "0.4":
        raise BrickstreamError("OME-Zarr 0.4 has no shards", source.name, "choose 0.5 or leave out the shards")
    if codec not in CODECS:
        raise BrickstreamError("there is no codec of this name", codec, f"choose one of {', '.join(CODECS)}")
    if chunks is not None and (len(chunks) != len(source.axes) or min(chunks) < 1):
        where = "x".join(map(str, chunks))
        raise BrickstreamError(f"chunks of {source.name} have {len(source.axes)} sides of at least 1 pixel", where)
    spatial = [axis.type == "space" for axis in source.axes]
    return Storage(
        zarr_format=_ZARR_FORMATS[ome_version],
        chunk=chunks or tuple(source.chunk if s else 1 for s in spatial),
        shard=tuple(source.shard if s else 1 for s in spatial) if sharded else None,
        axis_names=tuple(axis.name for axis in source.axes),
        stream_axis=spatial.index(True),
        codec=codec,
    )


def _write(
    dest: Path, source: Source, levels: tuple[Level, ...], storage: Storage, attributes: dict[str, Any], count: _Counter
) -> None:
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=dest.parent, prefix=f".{dest.name}-", ignore_cleanup_errors=True) as scratch:
            folder = Path(scratch) / "image"
            zarr.create_group(folder, zarr_format=2 if storage.zarr_format == 2 else 3, attributes=attributes)
            write_pyramid(folder, levels, source.dtype, source.read, storage, count.advance)
            _consolidate(folder)
            _move(folder, dest, attributes)
    except BrickstreamError:
        raise
    except PermissionError as error:
        raise AccessDeniedError("the sample cannot be written", str(dest), "choose another folder") from error
    except OSError as error:
        raise StoreError(f"the sample cannot be written: {error.strerror or error}", str(dest)) from error


def _consolidate(folder: Path) -> None:
    """Put the metadata of all levels beside that of the image: readers that know it save a round trip."""
    with warnings.catch_warnings():
        # zarr-python says that the v3 specification has no such thing yet; readers that do not know it ignore it.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(folder)


def _move(folder: Path, dest: Path, attributes: dict[str, Any]) -> None:
    """Rename the finished store to its place; another run may have put the same sample there meanwhile."""
    if not _is_finished(dest, attributes):
        folder.rename(dest)


def _is_finished(dest: Path, attributes: dict[str, Any]) -> bool:
    """Tell whether `dest` is this very sample; raise StoreError if it is anything else."""
    if not dest.exists():
        return False
    try:
        found = zarr.open_group(dest, mode="r").attrs.asdict()
    except (OSError, ValueError, KeyError):
        found = {}
    if found.get("brickstream") != attributes["brickstream"]:
        raise StoreError("there is something else already", str(dest), "remove it or choose another place")
    return True
