"""Groups that are no image but lead to images: lists to choose from, without a look at each entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from brickstream.chunks.opening.documents import NO_ANSWER, JsonObject, Node, attributes_in, ome_in, read_json, together
from brickstream.chunks.opening.places import clean_path
from brickstream.chunks.reader import Reader
from brickstream.errors import BrickstreamError, CollectionError, NotFoundError
from brickstream.multiscale import Collection, Member

# Images of bioformats2raw that nothing lists are counted; more than that nobody has in one file.
MAX_SERIES = 1024
_FIRST_SERIES = 4

# What collections are called, and the kind of their entries.
_KINDS = {
    "plate": ("a plate", "well"),
    "well": ("a well", "image"),
    "labels": ("a list", "label"),
    "bioformats2raw": ("a collection", "image"),
    "scene": ("a scene", "image"),
    "group": ("a group", "array"),
    "image": ("an image", "image"),
}
_MANY = {"well": "wells", "image": "images", "label": "label images", "array": "arrays"}


@dataclass(frozen=True)
class CollectionEntry:
    """One thing that a collection leads to.

    Attributes
    ----------
    name : str
        For people, such as ``"A1"``.
    path : str
        From the collection's place, such as ``"A/1"``; empty for the place itself.
    kind : {"image", "label", "array", "well"}
        A well is a collection of its own.
    state : {"named", "found"}
        Whether the metadata names it and nobody has looked yet, or its own metadata was found.
    row, column : int or None
        Of a well in its plate.
    acquisition : int or None
        Of a field in its well.
    """

    name: str
    path: str
    kind: str
    state: Literal["named", "found"] = "named"
    row: int | None = None
    column: int | None = None
    acquisition: int | None = None


@dataclass(frozen=True)
class ImageCollection:
    """A list of images to choose from: open one by its path.

    Attributes
    ----------
    url : str
        Where it is, without secrets.
    kind : str
        ``"plate"``, ``"well"``, ``"labels"``, ``"bioformats2raw"``, ``"scene"``, ``"group"`` (of images, or of arrays
        that make no pyramid), or ``"image"``: one image and its labels.
    entries : tuple of CollectionEntry
        In the order of the metadata.
    name : str
    zarr_format : int or None
        2 or 3.
    rows, columns : tuple of str
        Names, of a plate.
    acquisitions : tuple of (int, str)
        Id and name, of a plate.
    """

    url: str
    kind: str
    entries: tuple[CollectionEntry, ...]
    name: str = ""
    zarr_format: int | None = None
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    acquisitions: tuple[tuple[int, str], ...] = ()

    @property
    def title(self) -> str:
        """What it is, in words, such as ``"a plate of 96 wells"``."""
        what, many, count = _KINDS[self.kind][0], _MANY[self.entries[-1].kind], len(self.entries)
        return f"{what} of {count} {many if count != 1 else many.removesuffix('s')}"


async def list_images(node: Node) -> ImageCollection | None:
    """List what a group leads to; None where it is no collection.

    Nothing is asked for but where the metadata does not name the images: those of bioformats2raw are counted.

    Raises
    ------
    NotFoundError
        If it is a list without entries, or one of places elsewhere.
    MetadataError
        If it cannot be what it says it is.
    """
    about = node.ome.collection
    if about is None:
        images = () if node.ome.images else node.images_below
        return _group(node, images, "image") if images else None
    if about.kind == "series":
        raise NotFoundError("a list of images that lie in the folder above", node.url, "give the URL of that folder")
    entries = await _series(node) if about.kind == "bioformats2raw" else _entries(about.members, about.kind)
    if not entries:
        what, kind = _KINDS[about.kind]
        raise NotFoundError(f"{what} without {_MANY[kind]}", node.url, "it may be half written")
    return ImageCollection(
        node.url, about.kind, entries, about.name, node.zarr_format, about.rows, about.columns, about.acquisitions
    )


def _entries(members: Sequence[Member], kind: str) -> tuple[CollectionEntry, ...]:
    by_path = {clean_path(member.path): member for member in members}
    return tuple(
        CollectionEntry(m.name, path, _KINDS[kind][1], "named", m.row, m.column, m.acquisition)
        for path, m in by_path.items()
        if path
    )


async def _series(node: Node) -> tuple[CollectionEntry, ...]:
    """Images of bioformats2raw: those that the group OME lists, or else the groups 0, 1, 2 up to the first gap."""
    name, batch = node.attributes_name, range(_FIRST_SERIES)
    # The first numbers are asked for together with the list: most files have one or two images.
    listed, *answers = await together([_answer(node.reader, f"{path}/{name}") for path in ("OME", *map(str, batch))])
    if isinstance(listed, BrickstreamError) and not isinstance(listed, NO_ANSWER):
        raise listed
    if isinstance(listed, Mapping):
        attributes = attributes_in(listed, node.zarr_format)
        named = ome_in(attributes, f"{node.url}/OME/{name}").collection
        if named is not None and named.kind == "series":
            return _entries(named.members, "bioformats2raw")
    while len(answers) < MAX_SERIES and all(map(_is_there, answers)):
        batch = range(batch.stop, min(2 * batch.stop, MAX_SERIES))
        answers += await together([_answer(node.reader, f"{k}/{name}") for k in batch])
    count = len(list(takewhile(_is_there, answers)))
    return tuple(CollectionEntry(str(k), str(k), "image", "found") for k in range(count))


async def _answer(reader: Reader, key: str) -> JsonObject | BrickstreamError | None:
    try:
        return await read_json(reader, key)
    except BrickstreamError as error:
        return error


def _is_there(answer: object) -> bool:
    """Whether something is at a number; what cannot be read is there, and opening it says what is wrong."""
    return answer is not None and not isinstance(answer, NO_ANSWER)


def array_group(node: Node, paths: Sequence[str]) -> ImageCollection:
    """List arrays that are no levels of one image."""
    return _group(node, sorted(paths), "array")


def _group(node: Node, paths: Sequence[str], kind: str) -> ImageCollection:
    entries = tuple(CollectionEntry(path, path, kind, "found") for path in paths)
    return ImageCollection(node.url, "group", entries, "", node.zarr_format)


def must_choose(collection: ImageCollection) -> CollectionError:
    """Say that somebody has to choose, and out of what."""
    paths = tuple(entry.path for entry in collection.entries)
    return CollectionError(f"{collection.title}, not one image", collection.url, paths)


async def labels_beside(reader: Reader, zarr_format: int) -> tuple[str, ...]:
    """Names of the label images beside an image; one round trip.

    Raises
    ------
    MetadataError, StoreError
        If the list is there and cannot be read.
    """
    key = "labels/zarr.json" if zarr_format == 3 else "labels/.zattrs"
    document = await read_json(reader, key)
    if not isinstance(document, Mapping):
        return ()
    about: Collection | None = ome_in(attributes_in(document, zarr_format), f"{reader.url}/{key}").collection
    members = about.members if about is not None and about.kind == "labels" else ()
    return tuple(path for path in (clean_path(member.path) for member in members) if path)
