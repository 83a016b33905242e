"""The JSON documents that describe a place: which there are, and what they say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from brickstream.chunks.http.pages import is_page
from brickstream.chunks.reader import DOCUMENTS, AtMost, Lister, Reader
from brickstream.errors import AccessDeniedError, BrickstreamError, MetadataError, StoreError, TooLongError
from brickstream.multiscale import Document, read_document

T = TypeVar("T")
JsonObject = Mapping[str, Any]

# What describes an image has kilobytes; a plate of thousands of wells has some megabytes.
MAX_DOCUMENT = 32 << 20
# The one document that only saves a round trip: a longer one would take more time than it saves.
MAX_CONSOLIDATED = 4 << 20

# Nobody waits longer for what only makes an error clearer.
HELP_S = 5.0


class WebPageError(StoreError):
    """A web page came where metadata was asked for."""


# Answers that are none. Object stores without the right to list refuse what is not there, and some servers have a page
# for it.
NO_ANSWER = (AccessDeniedError, WebPageError)


@dataclass(frozen=True, eq=False)
class Node:
    """What the documents of one place say.

    Attributes
    ----------
    reader : Reader
    documents : mapping of str to mapping
        Those that are there, by name.
    """

    reader: Reader
    documents: Mapping[str, JsonObject]

    @property
    def url(self) -> str:
        """Where the place is, for people."""
        return self.reader.url

    @property
    def where(self) -> str:
        """Where its attributes are, for errors."""
        return f"{self.url}/{'zarr.json' if self._v3 else '.zattrs'}"

    @property
    def _v3(self) -> JsonObject:
        return self.documents.get("zarr.json", {})

    @property
    def is_array(self) -> bool:
        """Whether a Zarr array is there."""
        return self._v3.get("node_type") == "array" or (not self._v3 and ".zarray" in self.documents)

    @property
    def is_there(self) -> bool:
        """Whether anything is there."""
        return bool(self.documents)

    @property
    def zarr_format(self) -> int:
        """2 or 3."""
        return 3 if self._v3 else 2

    @property
    def array(self) -> JsonObject:
        """The document of the array that is there."""
        return self._v3 or self.documents[".zarray"]

    @property
    def attributes(self) -> JsonObject:
        """Attributes of the group or array."""
        if self._v3:
            return as_object(self._v3.get("attributes"))
        found = self.documents.get(".zattrs")
        return as_object(self._consolidated_v2.get(".zattrs")) if found is None else found

    @cached_property
    def ome(self) -> Document:
        """What the attributes say in the words of OME-Zarr.

        Raises
        ------
        MetadataError
            If they cannot be what they say they are.
        """
        return ome_in(self.attributes, self.where)

    @property
    def array_name(self) -> str:
        """Name of the document that describes an array in this group."""
        return "zarr.json" if self.zarr_format == 3 else ".zarray"

    @property
    def attributes_name(self) -> str:
        """Name of the document that has the attributes of a group in this group."""
        return "zarr.json" if self.zarr_format == 3 else ".zattrs"

    @property
    def _consolidated_v2(self) -> JsonObject:
        return as_object(self.documents.get(".zmetadata", {}).get("metadata"))

    @property
    def consolidated(self) -> Mapping[str, JsonObject]:
        """Metadata documents of arrays below, by path; empty where the store has none."""
        if self._v3:
            nodes = as_object(as_object(self._v3.get("consolidated_metadata")).get("metadata"))
            return {path: doc for path, doc in nodes.items() if as_object(doc).get("node_type") == "array"}
        nodes = self._consolidated_v2
        return {key.removesuffix("/.zarray"): as_object(doc) for key, doc in nodes.items() if key.endswith("/.zarray")}

    @property
    def images_below(self) -> tuple[str, ...]:
        """Paths of the groups below that say they are images, where the store has consolidated metadata."""
        if self._v3:
            nodes = as_object(as_object(self._v3.get("consolidated_metadata")).get("metadata"))
            attributes = {path: as_object(as_object(doc).get("attributes")) for path, doc in nodes.items()}
        else:
            nodes = self._consolidated_v2
            attributes = {key[: -len("/.zattrs")]: as_object(doc) for key, doc in nodes.items() if "/.zattrs" in key}
        return tuple(path for path, said in attributes.items() if "multiscales" in as_object(said.get("ome", said)))


def ome_in(attributes: JsonObject, where: str) -> Document:
    """Read attributes leniently; errors name the document."""
    try:
        return read_document(attributes, strict=False)
    except MetadataError as error:
        raise MetadataError(error.path, error.value, error.rule, where) from error


def attributes_in(document: JsonObject, zarr_format: int) -> JsonObject:
    """Attributes in a ``zarr.json`` (format 3) or a ``.zattrs`` (2)."""
    return as_object(document.get("attributes")) if zarr_format == 3 else document


def as_object(value: object) -> JsonObject:
    """Take a JSON object; anything else counts as empty, for documents that are only a help."""
    return value if isinstance(value, Mapping) else {}


async def look(reader: Reader) -> Node:
    """Read every document that may describe a place, at once.

    A ``zarr.json`` says everything: what goes wrong with the other documents does not matter then. Where it cannot be
    read, nothing is sure, and the others are not waited for.

    Raises
    ------
    AccessDeniedError, WebPageError
        If that is all that comes.
    MetadataError, StoreError
        If a document is there and cannot be read.
    """
    first, *others = DOCUMENTS
    answers = await together([read_json(reader, first), *(_try_json(reader, key) for key in others)])
    found = {name: doc for name, doc in zip(DOCUMENTS, answers, strict=True) if isinstance(doc, Mapping)}
    if "zarr.json" in found:
        return Node(reader, found)
    errors = [error for error in answers if isinstance(error, BrickstreamError)]
    broken = [error for error in errors if not isinstance(error, NO_ANSWER)]
    if broken or (errors and not found):
        raise (broken or errors)[0]
    return Node(reader, found)


async def _try_json(reader: Reader, key: str) -> JsonObject | BrickstreamError | None:
    consolidated = key == ".zmetadata"
    try:
        return await read_json(reader, key, MAX_CONSOLIDATED if consolidated else MAX_DOCUMENT)
    except TooLongError as error:
        return None if consolidated else error
    except BrickstreamError as error:
        return error


async def read_json(reader: Reader, key: str, limit: int = MAX_DOCUMENT) -> JsonObject | StoreError | None:
    """Read a JSON object.

    Returns
    -------
    mapping, AccessDeniedError, WebPageError or None
        None where nothing is there; the error where the answer is none.

    Raises
    ------
    MetadataError, TooLongError, StoreError
        If something is there and cannot be read.
    """
    try:
        raw = await reader.read(key, AtMost(limit))
    except AccessDeniedError as error:
        return error
    if raw is None:
        return None
    where = f"{reader.url}/{key}"
    if is_page(raw):
        hint = "it may be a login, or a viewer of the data; give the URL of the image's folder"
        return WebPageError("a web page instead of Zarr metadata", where, hint)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        start = raw[:40].decode("utf-8", "replace").strip().splitlines()
        detail = f"it starts with {start[0]!r}" if start else "it is empty"
        raise MetadataError("", detail, "a JSON document", where) from error
    if not isinstance(document, Mapping):
        raise MetadataError("", document, "a JSON object", where)
    return document


async def folders_in(reader: Reader) -> tuple[str, ...]:
    """Names of the folders at a reader's root that are not hidden, as a help for people; empty where nobody tells."""
    if not isinstance(reader, Lister):
        return ()
    try:
        async with asyncio.timeout(HELP_S):
            names = await reader.names()
    except TimeoutError:
        return ()
    return tuple(sorted(name for name in names if not name.startswith(".")))


async def together(reads: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await coroutines at once; the first error ends all of them, and none is left running."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors.exceptions[0].__cause__
    return [task.result() for task in tasks]
