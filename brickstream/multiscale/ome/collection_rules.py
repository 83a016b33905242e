"""What the specification demands of plates, wells and other collections, beyond what reading them needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from brickstream.multiscale.ome.demands import (
    demand,
    demand_distinct,
    demand_text,
    demand_version,
    is_inside,
    is_whole,
    matches,
    shortened,
)
from brickstream.multiscale.ome.fields import take_list, take_number, take_object
from brickstream.multiscale.ome.model import Collection
from brickstream.multiscale.ome.versions import Namespace, generation

_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_WELL = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9]+")
# From 0.6 on: any name that Zarr takes, of the characters that are safe everywhere.
_FIELD = re.compile(r"(?!__)(?!\.+\Z)[A-Za-z0-9_.-]+")


def check_collections(namespace: Namespace) -> None:
    """Check the parts of a document that name other groups."""
    values, prefix = namespace.values, namespace.prefix
    if "plate" in values:
        _check_plate(namespace)
    if "well" in values:
        _check_well(namespace)
    if "labels" in values:
        _check_paths(take_list(values["labels"], f"{prefix}labels", least=1), f"{prefix}labels")
    if "series" in values:
        _check_paths(take_list(values["series"], f"{prefix}series"), f"{prefix}series")
    if "bioformats2raw.layout" in values:
        layout = values["bioformats2raw.layout"]
        demand(take_number(layout) == 3, f"{prefix}bioformats2raw.layout", layout, "the number 3")
    if "scene" in values:
        take_object(values["scene"], f"{prefix}scene")


def _check_paths(paths: Sequence[Any], path: str) -> None:
    for i, item in enumerate(paths):
        demand(is_inside(item), f"{path}[{i}]", item, "a path inside the group, as text")


def _check_plate(namespace: Namespace) -> None:
    path = f"{namespace.prefix}plate"
    plate = take_object(namespace.values["plate"], path)
    if namespace.version is None:
        demand_version(plate, path)
    number = generation(namespace.version_of("plate"))
    demand_text(plate, path, "name")
    for key in ("rows", "columns"):
        _check_lines(plate.get(key), f"{path}.{key}", named=number >= 4)
    if "acquisitions" in plate:
        _check_acquisitions(plate["acquisitions"], f"{path}.acquisitions", number)
    if "field_count" in plate and number >= 4:
        demand(is_whole(plate["field_count"], 1), f"{path}.field_count", plate["field_count"], "an integer above zero")
    _check_wells(plate, f"{path}.wells", number)


def _check_lines(value: object, path: str, *, named: bool) -> None:
    """Check rows or columns; their names are paths from 0.4 on."""
    lines = take_list(value, path, least=1)
    for i, item in enumerate(lines):
        name = take_object(item, f"{path}[{i}]").get("name")
        demand(isinstance(name, str), f"{path}[{i}].name", name, "a text")
        demand(not named or matches(_ALPHANUMERIC, name), f"{path}[{i}].name", name, "letters and digits")
    demand_distinct(lines, path, "nothing listed twice", key=_name if named else None)


def _check_acquisitions(value: object, path: str, number: int) -> None:
    acquisitions = take_list(value, path, least=1 if number < 4 else 0)
    for i, item in enumerate(acquisitions):
        place = f"{path}[{i}]"
        acquisition = take_object(item, place)
        demand_text(acquisition, place, "name", "description")
        for key, least in _acquisition_numbers(number).items():
            if key == "id" or key in acquisition:
                found = acquisition.get(key)
                good = take_number(found) is not None if number == 1 else is_whole(found, least)
                demand(good, f"{place}.{key}", found, "a number" if number == 1 else _least(least))
    demand_distinct(acquisitions, path, "every acquisition has an id of its own", key=lambda item: item["id"])


def _acquisition_numbers(number: int) -> dict[str, float]:
    """Give the keys of an acquisition that hold numbers, and the least of each."""
    if number == 1:
        return {"id": -inf, "maximumfieldcount": -inf, "starttime": -inf}
    early = number < 4
    return {
        "id": -inf if early else 0,
        "maximumfieldcount": -inf if early else 1,
        "starttime": 0,
        "endtime": 0,
    }


def _least(least: float) -> str:
    return "an integer" if least == -inf else f"an integer from {least} on"


def _check_wells(plate: Mapping[str, Any], path: str, number: int) -> None:
    wells = take_list(plate.get("wells"), path, least=1)
    names = {key: [line["name"] for line in plate[f"{key}s"]] for key in ("row", "column")}
    for i, item in enumerate(wells):
        place = f"{path}[{i}]"
        well = take_object(item, place)
        where = well.get("path")
        if number < 4:
            demand(is_inside(where), f"{place}.path", where, "a path inside the plate, as text")
            continue
        demand(matches(_WELL, where), f"{place}.path", where, "the name of a row, a slash, the name of a column")
        for key, listed in names.items():
            index = well.get(f"{key}Index")
            last = len(listed) - 1
            demand(is_whole(index, 0, last), f"{place}.{key}Index", index, f"an integer from 0 to {last}")
        row, column = (listed[int(well[f"{key}Index"])] for key, listed in names.items())
        # The column may come first: published examples have it so, and the path alone says where the well is.
        named = (f"{row}/{column}", f"{column}/{row}")
        demand(where in named, f"{place}.path", where, f"{named[0]}, by its indices")
    demand_distinct(wells, path, "no well listed twice")


def _check_well(namespace: Namespace) -> None:
    path = f"{namespace.prefix}well"
    well = take_object(namespace.values["well"], path)
    if namespace.version is None:
        demand_version(well, path)
    number = generation(namespace.version_of("well"))
    images = take_list(well.get("images"), f"{path}.images", least=1)
    for i, item in enumerate(images):
        place = f"{path}.images[{i}]"
        image = take_object(item, place)
        where = image.get("path")
        good = matches(_FIELD if number >= 6 else _ALPHANUMERIC, where)
        demand(good, f"{place}.path", where, "a path of letters and digits")
        acquisition = image.get("acquisition", 0)
        demand(is_whole(acquisition), f"{place}.acquisition", acquisition, "an integer")
    demand_distinct(images, f"{path}.images", "no field listed twice", key=_path if number >= 5 else None)


def check_fields(well: Collection, plate: Collection) -> None:
    """Check that each field of a well names one of the acquisitions of its plate, where there are several."""
    known = {number for number, _ in plate.acquisitions}
    for i, field in enumerate(well.members if known else ()):
        good = field.acquisition in known or (field.acquisition is None and len(known) == 1)
        demand(good, f"well.images[{i}].acquisition", field.acquisition, f"one of {shortened(sorted(known))}")


def _name(item: Mapping[str, Any]) -> object:
    return item["name"]


def _path(item: Mapping[str, Any]) -> object:
    return item["path"]
