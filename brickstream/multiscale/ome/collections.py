"""Groups that lead to images: plates, wells, lists of labels and of series. What can be read of them is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brickstream.errors import MetadataError
from brickstream.multiscale.ome.demands import is_inside, is_whole
from brickstream.multiscale.ome.fields import take_object, text_or
from brickstream.multiscale.ome.model import Collection, Member
from brickstream.multiscale.ome.versions import Namespace


def collection_in(namespace: Namespace) -> Collection | None:
    """Read the collection that a group is; None where it is none.

    A plate comes first: groups that bioformats2raw made of plates say both.

    Raises
    ------
    MetadataError
        If the part that makes it a collection is not an object or a list.
    """
    for key, read in _KINDS.items():
        if key in namespace.values:
            return read(namespace.values[key], f"{namespace.prefix}{key}")
    return None


def _plate(value: object, path: str) -> Collection:
    plate = take_object(value, path)
    rows, columns = (
        tuple(text_or(line.get("name")) for line in _objects(plate.get(key))) for key in ("rows", "columns")
    )
    wells = (well for well in _objects(plate.get("wells")) if is_inside(well.get("path")))
    places = [{name: i for i, name in enumerate(names)} for names in (rows, columns)]
    members = tuple(_well_in_plate(well, *places) for well in wells)
    acquisitions = tuple(
        (int(item["id"]), text_or(item.get("name"), str(item["id"])))
        for item in _objects(plate.get("acquisitions"))
        if is_whole(item.get("id"))
    )
    return Collection("plate", members, text_or(plate.get("name")), rows, columns, acquisitions)


def _well_in_plate(well: Mapping[str, Any], rows: Mapping[str, int], columns: Mapping[str, int]) -> Member:
    """Read a well; before 0.4 only its path says in which row and column it is."""
    path = well["path"]
    row, column = _index(well.get("rowIndex")), _index(well.get("columnIndex"))
    row = rows.get(path.partition("/")[0]) if row is None else row
    column = columns.get(path.partition("/")[2]) if column is None else column
    return Member(path, path.replace("/", ""), row, column)


def _well(value: object, path: str) -> Collection:
    fields = (item for item in _objects(take_object(value, path).get("images")) if is_inside(item.get("path")))
    members = (Member(item["path"], item["path"], acquisition=_index(item.get("acquisition"))) for item in fields)
    return Collection("well", tuple(members))


def _paths(kind: str) -> Callable[[object, str], Collection]:
    def read(value: object, path: str) -> Collection:
        if not isinstance(value, list | tuple):
            raise MetadataError(path, value, "a list")
        return Collection(kind, tuple(Member(item, item) for item in value if is_inside(item)))

    return read


def _bioformats2raw(value: object, path: str) -> Collection:
    # Which images there are, the group "OME" says, or their numbers.
    return Collection("bioformats2raw", ())


def _scene(value: object, where: str) -> Collection:
    """Images that transforms of RFC-5 bring into one world, in the order they are named in."""
    steps = _objects(take_object(value, where).get("coordinateTransformations"))
    ends = [step.get(key) for step in steps for key in ("input", "output")]
    paths = [end["path"] for end in ends if isinstance(end, Mapping) and is_inside(end.get("path"))]
    return Collection("scene", tuple(Member(path, path) for path in dict.fromkeys(paths)))


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _index(value: object) -> int | None:
    return int(value) if is_whole(value) else None


_KINDS: dict[str, Callable[[object, str], Collection]] = {
    "plate": _plate,
    "well": _well,
    "labels": _paths("labels"),
    "bioformats2raw.layout": _bioformats2raw,
    "series": _paths("series"),
    "scene": _scene,
}
