"""From what people give (a URL, a path, a store, arrays) to an image or a list of images, or to a helpful error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from brickstream.chunks.cache.cached import CachedReader
from brickstream.chunks.cache.disk import DiskCache
from brickstream.chunks.http.client import HttpClient
from brickstream.chunks.opening.collections import ImageCollection
from brickstream.chunks.opening.documents import HELP_S, NO_ANSWER, as_object, ome_in, read_json, together
from brickstream.chunks.opening.image import (
    ChunkedImage,
    image_of,
    is_array_like,
    open_collection,
    open_image,
)
from brickstream.chunks.opening.places import below, clean_path, make_reader, places_above
from brickstream.chunks.reader import DOCUMENTS, Reader
from brickstream.errors import BrickstreamError, NotFoundError, StoreError, some_of
from brickstream.multiscale import Document

T = TypeVar("T")
# What people call what the metadata calls otherwise.
_CALLED = {"labels": "list of labels", "bioformats2raw": "collection", "series": "list of images"}


def _is_far(where: Any) -> bool:
    """Whether a place is worth a cache on disk: not a folder, nor memory, nor an object of somebody else's."""
    return isinstance(where, str) and "://" in where and where.partition("://")[0].lower() not in ("file", "memory")


@dataclass(frozen=True)
class Opener:
    """Opens places with what an engine has.

    Attributes
    ----------
    client : HttpClient
    executor : concurrent.futures.Executor
        Threads that decode.
    cache : DiskCache or None
        Where answers of servers are kept.
    """

    client: HttpClient
    executor: Executor
    cache: DiskCache | None = None

    async def image(self, where: Any, path: str = "") -> ChunkedImage:
        """Open the image at a place, or at a path inside it; see :meth:`brickstream.Engine.open`."""
        if is_array_like(where) and not path:
            return image_of(where)
        return await self._open(below(where, path), lambda reader: open_image(reader, self.executor))

    async def collection(self, where: Any, path: str = "") -> ImageCollection:
        """List what a place leads to; see :meth:`brickstream.Engine.open_collection`."""
        return await self._open(below(where, path), open_collection)

    async def _open(self, where: Any, read: Callable[[Reader], Awaitable[T]]) -> T:
        try:
            reader = await self._reader(where)
        except NotFoundError as error:
            raise await self._explained(error, where) from error
        try:
            return await read(reader)
        except (NotFoundError, *NO_ANSWER) as error:
            # Of a level that is missing or refused, the groups above know nothing.
            if error.where not in (reader.url, *(f"{reader.url}/{name}" for name in DOCUMENTS)):
                raise
            raise await self._explained(error, where) from error

    async def _reader(self, where: Any) -> Reader:
        # Looking whether a folder is there blocks, and so does loading what reads other kinds of URL.
        reader = await asyncio.to_thread(make_reader, where, self.client)
        if self.cache is None or not _is_far(where):
            return reader
        return CachedReader(reader, self.cache, where, repr(sorted(self.client.options.credentials().items())))

    async def _explained(self, error: StoreError, where: Any) -> StoreError:
        """Say what the groups above a place know about it; the same error where they know nothing."""
        places = await asyncio.to_thread(places_above, where)
        try:
            async with asyncio.timeout(HELP_S):
                above = await together(self._known(place) for place, _ in places)
        except TimeoutError:
            return error
        for (_, rest), known in zip(places, above, strict=True):
            better = _explain(error, rest, *known) if known is not None else None
            if better is not None:
                return better
        return error

    async def _known(self, place: Any) -> tuple[str, Document] | None:
        """Where a place is and what its metadata says, where it is some and can be read."""
        try:
            reader = await self._reader(place)
            v3, v2 = await together(read_json(reader, name) for name in ("zarr.json", ".zattrs"))
            attributes = as_object(v3).get("attributes") if isinstance(v3, Mapping) else v2
            return reader.url, ome_in(as_object(attributes), reader.url)
        except BrickstreamError:
            return None  # only a help: the error that is told is the one of the place itself


def _explain(error: StoreError, rest: str, url: str, about: Document) -> StoreError | None:
    """Say what a group above a place knows about it; None where it knows nothing.

    Parameters
    ----------
    error : StoreError
        What opening the place said.
    rest : str
        Path from the group to the place.
    url : str
        Where the group is.
    about : Document
        What its metadata says.
    """
    collection, refused = about.collection, isinstance(error, NO_ANSWER)
    if about.images:
        hint = "open the image itself, or one of its labels"
        return error if refused else NotFoundError(f"no image {some_of([rest])} in this image", url, hint)
    if collection is None:
        return None
    kind = _CALLED.get(collection.kind, collection.kind)
    paths = [clean_path(member.path) for member in collection.members]
    named = [path for path in paths if f"{rest}/".startswith(f"{path}/")]
    if refused and (named or not paths):
        return error
    if named:
        what = f"the {kind} names {some_of(named)}, but nothing is there"
        return NotFoundError(what, error.where, "it may be half written")
    hint = f"it has {some_of(paths)}" if paths else "its images are 0, 1, ..."
    return NotFoundError(f"no {some_of([rest])} in this {kind}", url, hint)
