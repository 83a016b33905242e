"""URL to image: two round trips of metadata, then every level is ready to be read.

Everything that may describe the place is asked for at once; what answers decides. A 403 on such a probe means "not
there", as object stores without the right to list answer so; where everything is refused, the image is refused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from brickstream.chunks.arrays import ArrayInfo, array_info, make_source
from brickstream.chunks.reader import Reader
from brickstream.chunks.source import ChunkSource
from brickstream.errors import AccessDeniedError, BrickstreamError, MetadataError, NotFoundError
from brickstream.multiscale import Image, Pyramid, read_metadata
from brickstream.multiscale.array_likes import plain_image
from brickstream.multiscale.assemble import ArrayShape, assemble

T = TypeVar("T")

_PROBES = ("zarr.json", ".zattrs", ".zarray", ".zgroup", ".zmetadata")
# Names that arrays of a plain group tend to have; a web server cannot list them.
_LIKELY_ARRAYS = tuple(f"{prefix}{k}" for prefix in ("", "s") for k in range(12))


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

    Raises
    ------
    NotFoundError
        If nothing that looks like Zarr is there.
    AccessDeniedError
        If every probe is refused.
    MetadataError, CodecError, StoreError
        If what is there cannot be read.
    """
    probes = await _probe(reader, "")
    root = _Node(reader, probes)
    if root.is_array:
        info = array_info(root.array, "", root.where)
        return _finish(reader, executor, f"zarr {root.zarr_format} array", [info], _plain([info], root.attributes))
    if not root.is_group:
        raise _nothing_there(reader)
    images = read_metadata(root.attributes, strict=False)
    if images:
        image = images[0]
        infos = await _arrays(reader, root, [dataset.path for dataset in image.datasets])
        return _finish(reader, executor, f"ome-zarr {image.version}", infos, image)
    if "bioformats2raw.layout" in root.ome:
        return await _open_series(reader, executor)
    if "plate" in root.ome:
        raise _plate(root)
    return await _open_group(reader, executor, root)


@dataclass(frozen=True, eq=False)
class _Node:
    """What the probes of one place found."""

    reader: Reader
    documents: Mapping[str, Mapping[str, Any]]

    @property
    def where(self) -> str:
        return self.reader.url

    @property
    def _v3(self) -> Mapping[str, Any]:
        return self.documents.get("zarr.json", {})

    @property
    def is_array(self) -> bool:
        return self._v3.get("node_type") == "array" or (not self._v3 and ".zarray" in self.documents)

    @property
    def is_group(self) -> bool:
        return bool(self.documents)

    @property
    def zarr_format(self) -> int:
        return 3 if self._v3 else 2

    @property
    def array(self) -> Mapping[str, Any]:
        return self._v3 or self.documents[".zarray"]

    @property
    def attributes(self) -> Mapping[str, Any]:
        if self._v3:
            return _mapping(self._v3.get("attributes"))
        found = self.documents.get(".zattrs")
        return _mapping(self._consolidated_v2.get(".zattrs")) if found is None else found

    @property
    def ome(self) -> Mapping[str, Any]:
        return _mapping(self.attributes.get("ome", self.attributes))

    @property
    def _consolidated_v2(self) -> Mapping[str, Any]:
        return _mapping(self.documents.get(".zmetadata", {}).get("metadata"))

    @property
    def consolidated(self) -> Mapping[str, Mapping[str, Any]]:
        """Metadata documents of arrays below, by path; empty where the store has none."""
        if self._v3:
            nodes = _mapping(_mapping(self._v3.get("consolidated_metadata")).get("metadata"))
            return {path: doc for path, doc in nodes.items() if _mapping(doc).get("node_type") == "array"}
        nodes = self._consolidated_v2
        return {key.removesuffix("/.zarray"): _mapping(doc) for key, doc in nodes.items() if key.endswith("/.zarray")}


def _mapping(value: object) -> Mapping[str, Any]:
    """Take a JSON object; anything else counts as empty, for documents that are only a help."""
    return value if isinstance(value, Mapping) else {}


async def _probe(reader: Reader, prefix: str) -> dict[str, Mapping[str, Any]]:
    """Read every document that may describe a place, at once.

    A ``zarr.json`` says everything: what goes wrong with the other probes does not matter then. Where it cannot be
    read, nothing is sure, and the others are not waited for.
    """
    first, *others = (f"{prefix}{name}" for name in _PROBES)
    answers = await _together([_read_json(reader, first), *(_try_json(reader, key) for key in others)])
    found = {name: doc for name, doc in zip(_PROBES, answers, strict=True) if isinstance(doc, Mapping)}
    if "zarr.json" in found:
        return found
    errors = [error for error in answers if isinstance(error, BrickstreamError)]
    broken = [error for error in errors if not isinstance(error, AccessDeniedError)]
    if broken or (errors and not found):
        raise (broken or errors)[0]
    return found


async def _try_json(reader: Reader, key: str) -> Mapping[str, Any] | BrickstreamError | None:
    try:
        return await _read_json(reader, key)
    except BrickstreamError as error:
        return error


async def _together(reads: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await coroutines at once; the first error ends all of them, and none is left running."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors.exceptions[0].__cause__
    return [task.result() for task in tasks]


async def _read_json(reader: Reader, key: str) -> Mapping[str, Any] | AccessDeniedError | None:
    """Read a JSON object; None where it is not there, the error where it is refused."""
    try:
        raw = await reader.read(key)
    except AccessDeniedError as error:
        return error
    if raw is None:
        return None
    where = f"{reader.url}/{key}"
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        start = raw[:40].decode("utf-8", "replace").strip().splitlines()
        detail = f"it starts with {start[0]!r}" if start else "it is empty"
        raise MetadataError("", detail, "a JSON document", where) from error
    if not isinstance(document, Mapping):
        raise MetadataError("", document, "a JSON object", where)
    return document


def _nothing_there(reader: Reader) -> NotFoundError:
    return NotFoundError(
        "no Zarr image here",
        reader.url,
        "there is no zarr.json, .zgroup or .zarray; give the URL of the image's folder",
    )


def _plate(root: _Node) -> MetadataError:
    wells = root.ome["plate"].get("wells", []) if isinstance(root.ome["plate"], Mapping) else []
    first = wells[0].get("path", "A/1") if wells and isinstance(wells[0], Mapping) else "A/1"
    return MetadataError("plate", f"{len(wells)} wells", f"one image, such as {root.where}/{first}/0", root.where)


async def _arrays(reader: Reader, root: _Node, paths: Sequence[str]) -> list[ArrayInfo]:
    """Metadata of the named arrays, from the consolidated document or in one round trip."""
    known = root.consolidated
    name = "zarr.json" if root.zarr_format == 3 else ".zarray"

    async def one(path: str) -> ArrayInfo:
        where = f"{reader.url}/{path}/{name}"
        document: Mapping[str, Any] | AccessDeniedError | None = known.get(path)
        if document is None:
            document = await _read_json(reader, f"{path}/{name}")
        if isinstance(document, AccessDeniedError):
            raise document
        if document is None:
            raise NotFoundError("a level that the metadata names is not there", where, "the store may be half written")
        return array_info(document, path, where)

    return await _together(one(path) for path in paths)


async def _open_series(reader: Reader, executor: Executor) -> ChunkedImage:
    """Open the first image of a bioformats2raw collection."""
    below = _Below(reader, "0")
    return await open_image(below, executor)


@dataclass(frozen=True)
class _Below:
    """A reader of a folder inside another reader's root."""

    reader: Reader
    folder: str

    @property
    def url(self) -> str:
        return f"{self.reader.url}/{self.folder}"

    async def read(self, key: str, *args: Any, **kwargs: Any) -> bytes | None:
        return await self.reader.read(f"{self.folder}/{key}", *args, **kwargs)


async def _open_group(reader: Reader, executor: Executor, root: _Node) -> ChunkedImage:
    """Open a group of arrays without OME metadata, as a pyramid ordered by size."""
    known = root.consolidated
    name = "zarr.json" if root.zarr_format == 3 else ".zarray"
    if known:
        documents = dict(known)
    else:
        answers = await _together(_read_json(reader, f"{path}/{name}") for path in _LIKELY_ARRAYS)
        pairs = zip(_LIKELY_ARRAYS, answers, strict=True)
        documents = {path: document for path, document in pairs if isinstance(document, Mapping)}
    infos = [array_info(doc, path, f"{reader.url}/{path}") for path, doc in documents.items() if _is_array(doc)]
    if not infos:
        raise NotFoundError(
            "a Zarr group without an image", reader.url, "it has no OME metadata and no arrays 0, 1, ..."
        )
    infos.sort(key=lambda info: [-n for n in info.shape])
    if len({len(info.shape) for info in infos}) > 1:
        names = ", ".join(sorted(info.path for info in infos))
        raise MetadataError("", names, "one pyramid; give the URL of one of these arrays", reader.url)
    return _finish(reader, executor, f"zarr {root.zarr_format} group", infos, _plain(infos, {}))


def _is_array(document: Mapping[str, Any]) -> bool:
    return document.get("zarr_format") == 2 or document.get("node_type") == "array"


def _plain(infos: Sequence[ArrayInfo], attributes: Mapping[str, Any]) -> Image:
    """Describe arrays without OME metadata."""
    xarray = attributes.get("_ARRAY_DIMENSIONS")
    names = infos[0].names or (xarray if isinstance(xarray, list) else None)
    return plain_image([_array_shape(info) for info in infos], names, infos[0].path)


def _array_shape(info: ArrayInfo) -> ArrayShape:
    return ArrayShape(info.path, info.shape, info.dtype, info.chunks, info.shards)


def _finish(reader: Reader, executor: Executor, form: str, infos: Sequence[ArrayInfo], image: Image) -> ChunkedImage:
    name = reader.url.rstrip("/").rpartition("/")[2]
    pyramid = assemble(image, [_array_shape(info) for info in infos], name, reader.url)
    sources = tuple(make_source(info, reader, executor) for info in infos)
    return ChunkedImage(reader.url, form.strip(), infos[0].zarr_format, pyramid, sources, reader)


async def read_labels(image: ChunkedImage) -> tuple[str, ...]:
    """Names of the label images beside an image; one round trip.

    Raises
    ------
    MetadataError, StoreError
        If the list is there and cannot be read.
    """
    if image.reader is None:
        return ()
    name = "labels/zarr.json" if image.zarr_format == 3 else "labels/.zattrs"
    document = await _read_json(image.reader, name)
    if not isinstance(document, Mapping):
        return ()
    attributes = document.get("attributes", {}) if image.zarr_format == 3 else document
    ome = attributes.get("ome", attributes) if isinstance(attributes, Mapping) else {}
    labels = ome.get("labels", []) if isinstance(ome, Mapping) else []
    return tuple(str(label) for label in labels) if isinstance(labels, list) else ()
