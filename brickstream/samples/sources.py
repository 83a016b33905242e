"""The pictures themselves: where their pixels come from, and what is known about them.

Real data are read by path out of installed packages. Those packages are never imported: importing the land mask alone
takes seconds and most of a gigabyte.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from brickstream.errors import BrickstreamError, CodecError, MissingPackageError
from brickstream.samples.layout import Axis, channel
from brickstream.samples.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from brickstream.samples.pyramid import Reader, Region

_HINT = "pip install 'brickstream[samples]'"
_SYNTHETIC_AXES = (
    Axis("t", "time", 1.0, "second"),
    Axis("c", "channel"),
    Axis("z", "space", 1.0, "micrometer"),
    Axis("y", "space", 1.0, "micrometer"),
    Axis("x", "space", 1.0, "micrometer"),
)
# Photons that a pixel counts where nothing is, and so many more where the picture is brightest.
_DARK, _LIGHT = 80, 900


@dataclass(frozen=True)
class Source:
    """A picture that can be written.

    Parameters
    ----------
    name : str
        Name of the image.
    shape : tuple of int
        Shape of level 0 in storage order.
    dtype : dtype
        Type of a pixel.
    axes : tuple of Axis
        In storage order; axes of space come last.
    channels : tuple of dict
        ``omero`` entries.
    read : callable
        Gets rising regions of level 0 and yields their pixels in that order; files are open only while it runs.
    chunk : int
        Edge of a chunk along each axis of space.
    smallest : int
        The pyramid ends when all axes of space are at most this long.
    shard : int
        Chunks per shard along each axis of space.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: tuple[Axis, ...]
    channels: tuple[dict[str, Any], ...]
    read: Reader
    chunk: int
    smallest: int
    shard: int


def globe() -> Source:
    """Describe the land mask of the Earth: 21600 x 43200 uint8, land 255, sea 0, north up.

    Raises
    ------
    MissingPackageError
        When ``global-land-mask`` is not installed.
    """
    path = _package_file("global_land_mask", "globe_combined_mask_compressed.npz")
    with _mask_stream(path) as member:
        shape = _npy_shape(member, path)
    # A pixel is half an arc minute. 512 x 512 is 256 KiB decoded, as much as 64 x 64 x 64: a canvas needs about a dozen
    # chunks, enough to see the picture arrive, few enough that round trips do not dominate.
    axes = tuple(Axis(n, "space", 180 / shape[0], "degree") for n in "yx")
    view = channel("land", (0, 255), (0, 255), "FFFFFF")
    return Source(
        "globe",
        shape,
        np.dtype(np.uint8),
        axes,
        (view,),
        lambda r: _read_mask(path, r),
        chunk=512,
        smallest=512,
        shard=4,
    )


def brain() -> Source:
    """Describe the MNI ICBM152 T1 template: about 189 x 233 x 197 (z, y, x) uint8, 1 mm, the head's top at the last z.

    Raises
    ------
    MissingPackageError
        When ``nilearn`` (and with it nibabel) is not installed.
    """
    path = _package_file("nilearn", "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")
    voxels, spacing = _read_nifti(path)
    axes = tuple(Axis(n, "space", s, "millimeter") for n, s in zip("zyx", spacing, strict=True))
    # 64^3 keeps level 0 at some 50 requests of tens of kilobytes; 32^3 would make it more than 300 for a brain of 2 MB.
    # The coarsest level is about 24^3 and its chunk is no larger: the first picture costs one small request.
    view = channel("T1", (0, 255), (0, 232), "FFFFFF")
    return Source(
        "brain",
        voxels.shape,
        voxels.dtype,
        axes,
        (view,),
        lambda regions: (voxels[r] for r in regions),
        chunk=64,
        smallest=32,
        shard=2,
    )


def synthetic(shape: tuple[int, ...] = (256, 256, 256)) -> Source:
    """Describe a computed uint16 picture of 2 to 5 axes, the last of ``t, c, z, y, x``; the same on every machine.

    Raises
    ------
    BrickstreamError
        When `shape` has fewer than 2 or more than 5 axes, or an axis without pixels.
    """
    if not 2 <= len(shape) <= 5 or min(shape) < 1:
        raise BrickstreamError("a synthetic sample has 2 to 5 axes of at least 1 pixel", f"shape {shape}")
    axes = _SYNTHETIC_AXES[-len(shape) :]
    n_channels = shape[-4] if len(shape) > 3 else 1
    colors = ("FFFFFF",) if n_channels == 1 else ("00FF00", "FF00FF", "00FFFF", "FFFF00")
    views = tuple(channel(f"channel {i}", (0, 65535), (0, 45000), colors[i % len(colors)]) for i in range(n_channels))
    edge = 512 if len(shape) == 2 else 64
    return Source(
        "synthetic",
        shape,
        np.dtype("<u2"),
        axes,
        views,
        lambda regions: (_synthetic_band(shape, r) for r in regions),
        chunk=edge,
        smallest=edge,
        shard=4 if len(shape) == 2 else 2,
    )


def microscope(shape: tuple[int, ...] = (256, 512, 512)) -> Source:
    """Describe the picture of :func:`synthetic` as a camera counts it: dim light under shot noise.

    A detector's noise cannot be compressed, so that chunks are about half as large as their pixels, as real ones are.
    The same on every machine, and whatever the chunks are.

    Raises
    ------
    BrickstreamError
        As for :func:`synthetic`.
    """
    smooth = synthetic(shape)
    views = tuple(channel(v["label"], (0, 65535), (_DARK, _DARK + _LIGHT), v["color"]) for v in smooth.channels)
    return replace(
        smooth, name="microscope", channels=views, read=lambda regions: (_counted(shape, r) for r in regions)
    )


def _counted(shape: tuple[int, ...], region: Region) -> NDArray[Any]:
    """Count the light of a band, each of its planes with a noise of its own."""
    band = _synthetic_band(shape, region)
    axis = max(0, len(shape) - 3)
    place = [s.start for s in region[:axis]]
    planes = band.reshape(band.shape[axis:])
    for number, plane in enumerate(planes, region[axis].start):
        light = _DARK + _LIGHT * (plane.astype(np.float32) / np.iinfo(plane.dtype).max) ** 2
        noise = np.random.default_rng([*place, number]).standard_normal(light.shape, dtype=np.float32)
        plane[...] = np.rint(np.maximum(light + noise * np.sqrt(light), 0))
    return band


def _synthetic_band(shape: tuple[int, ...], region: Region) -> NDArray[Any]:
    lead = max(0, len(shape) - 3)
    # Time moves the picture by a twentieth of each wavelength, a channel by a third.
    turn = sum(s.start * step for s, step in zip(reversed(region[:lead]), (0.31, 0.05), strict=False))
    space = region[lead:]
    picture = pattern(
        [s.start for s in space],
        [s.stop for s in space],
        factor=(1,) * len(space),
        extent=shape[lead:],
        dtype="<u2",
        turn=turn,
    )
    return picture[(None,) * lead]


def _package_file(package: str, relative: str) -> Path:
    """Return the path of a data file of an installed package, without running any code of that package."""
    distribution = package.replace("_", "-")
    spec = find_spec(package)
    if spec is None:
        raise MissingPackageError("this sample needs a package that is not installed", distribution, _HINT)
    for folder in spec.submodule_search_locations or ():
        path = Path(folder) / relative
        if path.is_file():
            return path
    raise MissingPackageError(f"the installed {distribution} has no such data file", relative, _HINT)


@contextmanager
def _mask_stream(path: Path) -> Iterator[IO[bytes]]:
    """Open the table of the land mask; a damaged archive is a CodecError, also while it is read."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("mask.npy") as member:
            yield member
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise CodecError("the land mask is damaged", str(path), _HINT) from error


def _npy_shape(member: IO[bytes], path: Path) -> tuple[int, ...]:
    """Read the header of a ``.npy`` stream of booleans in C order and return the shape; the pixels follow."""
    try:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(member)
    except ValueError as error:
        raise CodecError("the land mask has no readable header", str(path), _HINT) from error
    if fortran or dtype != np.bool_ or len(shape) != 2:
        raise CodecError(f"the land mask should be a table of booleans, found {dtype} {shape}", str(path), _HINT)
    return shape


def _read_mask(path: Path, regions: Iterable[Region]) -> Iterator[NDArray[np.uint8]]:
    """Yield bands of whole rows of the land mask; the archive can only be decompressed from its start."""
    with _mask_stream(path) as member:
        _, width = _npy_shape(member, path)
        row = 0
        for rows, _ in regions:
            _skip(member, (rows.start - row) * width)
            band = np.empty((rows.stop - rows.start, width), dtype=np.uint8)
            _fill(member, band.reshape(-1), path)
            # The package marks the sea.
            np.multiply(1 - band, 255, out=band)
            row = rows.stop
            yield band


def _skip(stream: IO[bytes], count: int) -> None:
    while count > 0:
        count -= len(stream.read(min(count, 1 << 20))) or count


def _fill(stream: IO[bytes], target: NDArray[np.uint8], path: Path) -> None:
    done = 0
    while done < target.size:
        data = stream.read(min(target.size - done, 1 << 20))
        if not data:
            raise CodecError("the land mask ends too early", str(path), _HINT)
        target[done : done + len(data)] = np.frombuffer(data, dtype=np.uint8)
        done += len(data)


def _read_nifti(path: Path) -> tuple[NDArray[np.uint8], tuple[float, ...]]:
    """Return the voxels as (z, y, x) and the spacing in mm in the same order."""
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
        from nibabel.spatialimages import HeaderDataError
        from nibabel.wrapstruct import WrapStructError
    except ImportError as error:
        raise MissingPackageError("this sample needs a package that is not installed", "nibabel", _HINT) from error
    try:
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))
        voxels = np.asanyarray(image.dataobj)
    except (gzip.BadGzipFile, zlib.error, EOFError, ImageFileError, HeaderDataError, WrapStructError) as error:
        raise CodecError("the brain is damaged", str(path), _HINT) from error
    if voxels.ndim != 3 or voxels.dtype != np.uint8:
        raise CodecError(f"the brain should be 3D uint8, found {voxels.ndim}D {voxels.dtype}", str(path), _HINT)
    spacing = tuple(float(s) for s in np.linalg.norm(image.affine[:3, :3], axis=0)[::-1])
    return np.ascontiguousarray(voxels.T), spacing
