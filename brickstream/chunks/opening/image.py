"""Place to image: two round trips of metadata, then every level is ready to be read.

Everything that may describe the place is asked for at once; what answers decides. A 403 on such a probe means "not
there", as object stores without the right to list answer so; where everything is refused, the image is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from brickstream.chunks.array_source import outline, source_of
from brickstream.chunks.opening.collections import (
    CollectionEntry,
    ImageCollection,
    array_group,
    labels_beside,
    list_images,
    must_choose,
)
from brickstream.chunks.opening.documents import JsonObject, Node, folders_in, look, read_json, together
from brickstream.chunks.opening.places import Below, clean_path
from brickstream.chunks.reader import Reader
from brickstream.chunks.source import ChunkSource
from brickstream.chunks.zarr.arrays import ArrayInfo, array_info, make_source
from brickstream.errors import MetadataError, NotFoundError, StoreError, some_of
from brickstream.multiscale import Image, Pyramid, pyramid_of
from brickstream.multiscale.array_likes import plain_image
from brickstream.multiscale.assemble import ArrayShape, assemble

# Names that arrays of a plain group tend to have; most web servers cannot list them.
_LIKELY_ARRAYS = tuple(f"{prefix}{k}" for prefix in ("", "s") for k in range(12))
# More arrays than that in one group are looked at by nobody.
_MAX_ARRAYS = 64
# A plate of one well of one field, made by bioformats2raw; what goes deeper leads in a circle.
_MAX_DEPTH = 4


@dataclass(frozen=True, eq=False)
class ChunkedImage:
    """An opened image: a pyramid, and one source for each level.

    Attributes
    ----------
    url : str
        Where it is, without secrets.
    format : str
        Such as ``"ome-zarr 0.5"`` or ``"zarr 2 array"``.
    zarr_format : int or None
        2 or 3; None for sources that are not Zarr.
    pyramid : Pyramid
    sources : tuple of ChunkSource
        One for each level, finest first.
    reader : Reader or None
        For what else lies beside the levels (labels); None for sources that are not Zarr.
    """

    url: str
    format: str
    zarr_format: int | None
    pyramid: Pyramid
    sources: tuple[ChunkSource, ...]
    reader: Reader | None = None


async def open_image(reader: Reader, executor: Executor) -> ChunkedImage:
    """Open the image at a reader's root: OME-Zarr, a plain array, or a group of arrays.

    A collection of one image is that image.

    Raises
    ------
    CollectionError
        If there are several images to choose from.
    NotFoundError
        If nothing that looks like Zarr is there.
    AccessDeniedError
        If every probe is refused.
    MetadataError, CodecError, StoreError
        If what is there cannot be read.
    """
    for _ in range(_MAX_DEPTH):
        opened = await _open_place(reader, executor)
        if isinstance(opened, ChunkedImage):
            return opened
        if len(opened.entries) > 1:
            raise must_choose(opened)
        reader = Below(reader, opened.entries[0].path)
    raise MetadataError("", reader.url, "an image, not list in list without end", reader.url)


async def _open_place(reader: Reader, executor: Executor) -> ChunkedImage | ImageCollection:
    root = await look(reader)
    if root.is_array:
        info = array_info(root.array, "", root.url)
        return await _finish(root, executor, f"zarr {root.zarr_format} array", [info], _plain([info], root.attributes))
    if root.ome.images:
        image = root.ome.images[0]
        infos = await _arrays(root, [clean_path(dataset.path) for dataset in image.datasets])
        return await _finish(root, executor, f"ome-zarr {image.version}", infos, image)
    found = await _several(root)
    if isinstance(found, ImageCollection):
        return found
    return await _finish(root, executor, f"zarr {root.zarr_format} group", found, _plain(found, {}))


async def _several(root: Node) -> ImageCollection | list[ArrayInfo]:
    """What a group without an image of its own holds: images to choose from, or the arrays of one pyramid."""
    collection = await list_images(root)
    if collection is not None:
        return collection
    infos = await _arrays_in(root)
    return infos if _make_pyramid(infos) else array_group(root, [info.path for info in infos])


async def open_collection(reader: Reader) -> ImageCollection:
    """List what the place at a reader's root leads to; an image leads to itself and its labels.

    Raises
    ------
    NotFoundError, AccessDeniedError, MetadataError, StoreError
        As :func:`open_image`.
    """
    root = await look(reader)
    labels: tuple[str, ...] = ()
    if root.ome.images:
        labels = await labels_beside(reader, root.zarr_format)
    elif not root.is_array:
        found = await _several(root)
        if isinstance(found, ImageCollection):
            return found
    name = root.ome.images[0].name if root.ome.images else ""
    name = name or reader.url.rstrip("/").rpartition("/")[2]
    entries = [CollectionEntry(name, "", "image", "found")]
    entries += [CollectionEntry(label, f"labels/{label}", "label") for label in labels]
    return ImageCollection(root.url, "image", tuple(entries), name, root.zarr_format)


async def read_labels(image: ChunkedImage) -> tuple[str, ...]:
    """Names of the label images beside an image; one round trip.

    Raises
    ------
    MetadataError, StoreError
        If the list is there and cannot be read.
    """
    if image.reader is None or image.zarr_format is None:
        return ()
    return await labels_beside(image.reader, image.zarr_format)


def is_array_like(value: object) -> bool:
    """Whether a value is an array, or a list that may hold arrays; zarr's own arrays are read as places."""
    is_array = hasattr(value, "shape") and hasattr(value, "dtype") and not hasattr(value, "store_path")
    return is_array or isinstance(value, list | tuple)


def image_of(arrays: Any, *, name: str = "", client: Any = None, **description: Any) -> ChunkedImage:
    """Make an image of one array-like, or of a list of them from fine to coarse. No pixel is read.

    Parameters
    ----------
    arrays : array-like, or sequence of array-like
        NumPy, dask, zarr, tensorstore, h5py: anything with `shape`, `dtype` and ``__getitem__``; or a
        :class:`brickstream.chunks.ChunkSource` of one's own.
    name : str, optional
    client : distributed.Client, optional
        Of a cluster that computes the chunks of dask arrays; see :class:`brickstream.chunks.ArraySource`.
    **description
        `axes`, `scales`, `translations`, `affine`, `units`, `chunks` and `is_labels` of
        :func:`brickstream.multiscale.pyramid_of`.

    Raises
    ------
    MetadataError
        If something is no array, or does not fit the rest.
    """
    several = isinstance(arrays, list | tuple)
    outlines = [outline(array) for array in arrays] if several else outline(arrays)
    pyramid = pyramid_of(outlines, name=name, **description)
    listed = arrays if several else [arrays]
    pairs = zip(listed, pyramid.levels, strict=True)
    sources = tuple(source_of(array, level.chunks, client) for array, level in pairs)
    return ChunkedImage(name or "array", "array" if len(listed) == 1 else "arrays", None, pyramid, sources)


async def _arrays(root: Node, paths: Sequence[str]) -> list[ArrayInfo]:
    """Metadata of the named arrays, from the consolidated document or in one round trip."""
    known = root.consolidated

    async def one(path: str) -> ArrayInfo:
        where = f"{root.url}/{path}/{root.array_name}"
        document: JsonObject | StoreError | None = known.get(path)
        if document is None:
            document = await read_json(root.reader, f"{path}/{root.array_name}")
        if isinstance(document, StoreError):
            raise document
        if document is None:
            raise NotFoundError("a level that the metadata names is not there", where, "the store may be half written")
        return array_info(document, path, where)

    return await together(one(path) for path in paths)


async def _arrays_in(root: Node) -> list[ArrayInfo]:
    """Metadata of the arrays of a group that does not name them, the largest first."""
    if not root.is_there:
        raise _nothing_here(root, await folders_in(root.reader))
    folders: Sequence[str] = ()
    documents = root.consolidated or await _documents(root, _LIKELY_ARRAYS)
    if not documents:
        folders = await folders_in(root.reader)
        documents = await _documents(root, folders[:_MAX_ARRAYS])
    infos = [array_info(doc, path, f"{root.url}/{path}") for path, doc in documents.items() if _is_array(doc)]
    if not infos:
        raise _nothing_here(root, folders)
    return sorted(infos, key=lambda info: [-n for n in info.shape])


async def _documents(root: Node, paths: Sequence[str]) -> dict[str, JsonObject]:
    answers = await together(read_json(root.reader, f"{path}/{root.array_name}") for path in paths)
    pairs = zip(paths, answers, strict=True)
    return {path: document for path, document in pairs if isinstance(document, Mapping)}


def _is_array(document: JsonObject) -> bool:
    return document.get("zarr_format") == 2 or document.get("node_type") == "array"


def _nothing_here(root: Node, folders: Sequence[str]) -> NotFoundError:
    what = "a Zarr group without an image" if root.is_there else "no Zarr image here"
    likely = [name for name in folders if ".zarr" in name.lower()] or list(folders)
    if likely:
        return NotFoundError(what, root.url, f"there are folders in it: {some_of(likely)}")
    if root.is_there:
        return NotFoundError(what, root.url, "it has no OME metadata and no arrays 0, 1, ...")
    hint = "there is no zarr.json, .zgroup or .zarray; give the URL of the image's folder"
    return NotFoundError(what, root.url, hint)


def _make_pyramid(infos: Sequence[ArrayInfo]) -> bool:
    """Whether arrays that nothing describes can be the levels of one image."""
    first = infos[0]
    alike = all(len(info.shape) == len(first.shape) and info.dtype == first.dtype for info in infos)
    return alike and all(
        coarser.shape != finer.shape and all(c <= f for f, c in zip(finer.shape, coarser.shape, strict=True))
        for finer, coarser in pairwise(infos)
    )


def _plain(infos: Sequence[ArrayInfo], attributes: JsonObject) -> Image:
    """Describe arrays without OME metadata."""
    xarray = attributes.get("_ARRAY_DIMENSIONS")
    names = infos[0].names or (xarray if isinstance(xarray, list) else None)
    return plain_image([_array_shape(info) for info in infos], names, infos[0].path)


def _array_shape(info: ArrayInfo) -> ArrayShape:
    return ArrayShape(info.path, info.shape, info.dtype, info.chunks, info.shards)


async def _finish(root: Node, executor: Executor, form: str, infos: Sequence[ArrayInfo], image: Image) -> ChunkedImage:
    name = root.url.rstrip("/").rpartition("/")[2]
    pyramid = assemble(image, [_array_shape(info) for info in infos], name, root.url)
    # A rare codec loads a package, which takes its time.
    sources = await asyncio.to_thread(lambda: tuple(make_source(info, root.reader, executor) for info in infos))
    return ChunkedImage(root.url, form.strip(), infos[0].zarr_format, pyramid, sources, root.reader)
