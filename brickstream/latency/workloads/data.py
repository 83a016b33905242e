"""The images that engines are measured on, by name: real ones, and computed ones of stated chunks and codecs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from brickstream.errors import BrickstreamError
from brickstream.samples import write_sample


@dataclass(frozen=True)
class Data:
    """An image, and how it is stored: OME-Zarr 0.5, a pyramid of means.

    Attributes
    ----------
    title : str
        What it is, for people.
    sample : str
        The picture, as :func:`~brickstream.samples.write_sample` names it.
    axes : str
        One letter each, in storage order.
    shape, chunks : tuple of int
        Of level 0, in pixels.
    dtype : str
        Type of a pixel.
    levels : int
        How many.
    codec : {"zstd", "blosc", "none"}
        How chunks are compressed.
    shards : tuple of int or None
        The shape of a shard in pixels, where there are shards.
    """

    title: str
    sample: str
    axes: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    levels: int
    codec: str = "zstd"
    shards: tuple[int, ...] | None = None


_VOLUME = Data(
    "A computed volume under a camera's noise, in chunks of 64^3",
    "microscope",
    "zyx",
    (256, 512, 512),
    (64, 64, 64),
    "uint16",
    4,
)
_PLANES = Data(
    "A computed series of planes under a camera's noise, in chunks of one plane of 1024^2",
    "microscope",
    "tczyx",
    (8, 2, 2, 2048, 2048),
    (1, 1, 1, 1024, 1024),
    "uint16",
    6,
)
_GLOBE = Data("The land mask of the Earth", "globe", "yx", (21600, 43200), (512, 512), "uint8", 8)
_BRAIN = Data("The MNI ICBM152 template of a human brain", "brain", "zyx", (189, 233, 197), (64, 64, 64), "uint8", 4)

DATA = {
    "volume-64": _VOLUME,
    "volume-128": replace(_VOLUME, title="The same, in chunks of 128^3", chunks=(128, 128, 128)),
    "volume-64-sharded": replace(_VOLUME, title="The same, 8 chunks of 64^3 to a shard", shards=(128, 128, 128)),
    "volume-64-blosc": replace(_VOLUME, title="The same in chunks of 64^3, lz4 in Blosc", codec="blosc"),
    "volume-64-raw": replace(_VOLUME, title="The same in chunks of 64^3, not compressed", codec="none"),
    "planes-1024": _PLANES,
    "globe": _GLOBE,
    "brain": _BRAIN,
}
"""Images by name. Each is written in seconds."""

_COMPUTED = "microscope"


def write_data(name: str, folder: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write an image of :data:`DATA` into a folder, unless it is there already; blocks.

    Parameters
    ----------
    name : str
    folder : Path
        The image becomes ``folder / name``.
    progress : callable, optional
        Takes finished and planned bytes, in this thread.

    Returns
    -------
    Path
        ``folder / name``.

    Raises
    ------
    MissingPackageError
        If the package that holds a real image is not installed.
    StoreError
        If something else is there already, or it cannot be written.
    BrickstreamError
        If there is no image of this name.
    """
    if name not in DATA:
        raise BrickstreamError("there are no data of this name", name, f"choose one of {', '.join(DATA)}")
    data = DATA[name]
    return write_sample(
        data.sample,
        Path(folder) / name,
        sharded=data.shards is not None,
        shape=data.shape if data.sample == _COMPUTED else None,
        chunks=data.chunks,
        codec=data.codec,
        progress=progress,
    )
