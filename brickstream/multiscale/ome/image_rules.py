"""What the specification demands of images, versions 0.1 to 0.5, beyond what reading them needs.

Each function looks at one object, knows its JSON path, and raises MetadataError for the first demand that it breaks.
What the specification only recommends is not demanded, and keys that it does not know are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from brickstream.multiscale.ome.demands import (
    demand,
    demand_distinct,
    demand_text,
    demand_version,
    is_rgba,
    is_whole,
    matches,
)
from brickstream.multiscale.ome.fields import take_list, take_number, take_numbers, take_object
from brickstream.multiscale.ome.model import Dataset
from brickstream.multiscale.ome.versions import Namespace, generation, has_systems
from brickstream.multiscale.pyramid import NOISE, Axis

_GROUPS = {"time": 0, "channel": 1, "space": 2}
# Not empty, not only dots, not what Zarr keeps for itself.
_NODE = re.compile(r"(?!__)(?!\.*\Z).*", re.DOTALL)
_HEX = re.compile(r"[0-9A-Fa-f]{6}")
# The types of axes that are named but not typed: everybody writes these names for them.
USUAL_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def check_images(namespace: Namespace) -> None:
    """Check ``multiscales``; images with coordinate systems are checked by those who read them."""
    values, prefix = namespace.values, namespace.prefix
    entries = take_list(values["multiscales"], f"{prefix}multiscales", least=1)
    if len(entries) > 1:
        demand_distinct(entries, f"{prefix}multiscales", "no image listed twice")
    for i, item in enumerate(entries):
        path = f"{prefix}multiscales[{i}]"
        entry = take_object(item, path)
        version = namespace.version_of_image(entry)
        if generation(version) >= 5:
            _check_nesting(entry, path)
        if not has_systems(entry, version):
            _check_entry(entry, path, version, said_here=namespace.version is None)


def _check_entry(entry: Mapping[str, Any], path: str, version: str, *, said_here: bool) -> None:
    if said_here:
        demand_version(entry, path)
    demand_text(entry, path, "name")
    for k, item in enumerate(take_list(entry.get("datasets"), f"{path}.datasets", least=1)):
        demand(isinstance(item, Mapping), f"{path}.datasets[{k}]", item, "an object")
    if generation(version) == 1 and "metadata" in entry:
        demand_text(take_object(entry["metadata"], f"{path}.metadata"), f"{path}.metadata", "method", "version")
    if generation(version) == 3:
        _check_axis_names(entry.get("axes"), f"{path}.axes")
    if generation(version) >= 4:
        _check_axes(entry.get("axes"), f"{path}.axes")
        _check_transforms(entry, path, required=False)
        _check_datasets(entry["datasets"], f"{path}.datasets", zarr=3 if generation(version) >= 5 else 2)


def _check_axis_names(value: object, path: str) -> None:
    """Axes as 0.3 has them."""
    for i, name in enumerate(take_list(value, path, least=2)):
        demand(isinstance(name, str) and name in USUAL_TYPES, f"{path}[{i}]", name, "one of t, c, z, y, x")


def _check_axes(value: object, path: str) -> None:
    axes = take_list(value, path)
    demand(2 <= len(axes) <= 5, path, axes, "from 2 to 5 axes")
    for i, item in enumerate(axes):
        axis = take_object(item, f"{path}[{i}]")
        # An axis without a unit, or of a type of its own, may say so with null.
        for key in ("type", "unit"):
            demand(isinstance(axis.get(key), str | None), f"{path}[{i}].{key}", axis.get(key), "a text")
    types = [axis["type"] if axis.get("type") is not None else _usual_type(axis.get("name")) for axis in axes]
    demand_axis_types(types, path)


def demand_axis_types(types: Sequence[str | None], path: str) -> None:
    """Demand that axes are of types that go together, in the right order."""
    demand(types.count("space") in (2, 3), path, types, "2 or 3 axes of type space")
    for kind in ("time", "channel"):
        demand(types.count(kind) <= 1, path, types, f"at most one axis of type {kind}")
    demand(sum(kind not in _GROUPS for kind in types) <= 1, path, types, "at most one axis of a type of its own")
    order = [_GROUPS.get(str(kind), _GROUPS["channel"]) for kind in types]
    demand(order == sorted(order), path, types, "time before channel (or a type of its own) before space")


def demand_names(axes: Sequence[Axis], path: str) -> None:
    """Demand that each axis has a name of its own."""
    names = [axis.name for axis in axes]
    demand(len(set(names)) == len(names), path, names, "axis names are unique")


def demand_order(datasets: Sequence[Dataset], path: str) -> None:
    """Demand levels from fine to coarse, as far as the metadata tells; `path` is that of the image."""
    sizes = [(k, size) for k, dataset in enumerate(datasets) if (size := dataset.pixel_size) is not None]
    for (_, finer), (k, coarser) in pairwise(sizes):
        fine = all(c >= f * (1 - NOISE) for f, c in zip(finer, coarser, strict=True))
        demand(fine, f"{path}.datasets[{k}]", coarser, "datasets go from fine to coarse")


def _usual_type(name: object) -> str | None:
    return USUAL_TYPES.get(name) if isinstance(name, str) else None


def _check_datasets(items: Sequence[Any], path: str, zarr: int) -> None:
    for k, item in enumerate(items):
        _check_transforms(item, f"{path}[{k}]", required=True)
        if zarr == 3:
            demand_nodes(item.get("path"), f"{path}[{k}].path")
    # One array cannot be both the larger and the smaller.
    demand_distinct(items, path, "no array listed twice", key=lambda item: item.get("path"))


def demand_nodes(value: object, path: str) -> None:
    """Demand the path of an array of Zarr 3."""
    good = isinstance(value, str) and all(_NODE.fullmatch(name) for name in value.split("/"))
    demand(good, path, value, "names that Zarr 3 allows")


def _check_transforms(owner: Mapping[str, Any], path: str, *, required: bool) -> None:
    if not required and "coordinateTransformations" not in owner:
        return
    path = f"{path}.coordinateTransformations"
    steps = take_list(owner.get("coordinateTransformations"), path, least=1)
    for i, item in enumerate(steps):
        kind = take_object(item, f"{path}[{i}]").get("type")
        demand(kind in ("scale", "translation"), f"{path}[{i}].type", kind, "scale or translation")
        take_numbers(item.get(kind), f"{path}[{i}].{kind}")
    kinds = [step["type"] for step in steps]
    demand(kinds.count("scale") == 1, path, kinds, "exactly one scale")
    demand(kinds.count("translation") <= 1, path, kinds, "at most one translation")
    demand(kinds[0] == "scale", path, kinds, "the translation after the scale")


def _check_nesting(entry: Mapping[str, Any], path: str) -> None:
    """What stands once for the group, from 0.5 on, does not stand in an image too."""
    for key in ("ome", "multiscales"):
        demand(key not in entry, f"{path}.{key}", entry.get(key), "this key belongs to the group")
    form = entry.get("zarr_format", 3)
    demand(form == 3, f"{path}.zarr_format", form, "OME-Zarr 0.5 is Zarr 3")


def check_omero(value: object, path: str) -> None:
    """Check how channels like to be shown."""
    listed = take_object(value, path).get("channels")
    for i, item in enumerate(take_list(listed, f"{path}.channels")):
        place = f"{path}.channels[{i}]"
        channel = take_object(item, place)
        demand(matches(_HEX, channel.get("color")), f"{place}.color", channel.get("color"), "six hexadecimal digits")
        window = take_object(channel.get("window"), f"{place}.window")
        for key in ("start", "min", "end", "max"):
            demand(take_number(window.get(key)) is not None, f"{place}.window.{key}", window.get(key), "a number")
        demand_text(channel, place, "label", "family")
        demand(isinstance(channel.get("active", True), bool), f"{place}.active", channel.get("active"), "true or false")


def check_label(namespace: Namespace) -> None:
    """Check ``image-label``."""
    path = f"{namespace.prefix}image-label"
    value = take_object(namespace.values["image-label"], path)
    if namespace.version is None:
        demand_version(value, path)
    if "colors" in value:
        _check_colors(value["colors"], f"{path}.colors")
    if "properties" in value:
        _check_properties(value["properties"], f"{path}.properties")
    if "source" in value:
        demand_text(take_object(value["source"], f"{path}.source"), f"{path}.source", "image")


def _check_colors(value: object, path: str) -> None:
    colors = take_list(value, path, least=1)
    for i, item in enumerate(colors):
        color = take_object(item, f"{path}[{i}]")
        number = color.get("label-value")
        demand(take_number(number) is not None, f"{path}[{i}].label-value", number, "a number")
        if "rgba" in color:
            demand(is_rgba(color["rgba"]), f"{path}[{i}].rgba", color["rgba"], "four integers from 0 to 255")
    demand_distinct(colors, path, "one color for a label-value", key=lambda color: color["label-value"])


def _check_properties(value: object, path: str) -> None:
    properties = take_list(value, path, least=1)
    for i, item in enumerate(properties):
        number = take_object(item, f"{path}[{i}]").get("label-value")
        demand(is_whole(number), f"{path}[{i}].label-value", number, "an integer")
    demand_distinct(properties, path, "nothing listed twice")
