"""Images and scenes of OME-NGFF 0.6: levels, coordinate systems, and what leads from one to another (RFC-5).

The transformations of the levels lead to one coordinate system, the *intrinsic* one, which "should be used for viewing
and processing unless a use case dictates otherwise". It is the world here too, unless its axes are nothing but the
dimensions of an array and the image can be placed in a system with real axes: then the first of those is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brickstream.errors import MetadataError, TransformError
from brickstream.multiscale.affine import Affine
from brickstream.multiscale.ome.demands import demand, demand_text, is_inside, shortened
from brickstream.multiscale.ome.fields import take_list, take_object, take_text, text_or
from brickstream.multiscale.ome.graph import (
    OUTSIDE,
    CoordinateGraph,
    Edge,
    Node,
    read_edges,
    read_reference,
    read_systems,
)
from brickstream.multiscale.ome.image_rules import demand_axis_types, demand_nodes, demand_order
from brickstream.multiscale.ome.model import Dataset, Image
from brickstream.multiscale.ome.parameters import dimensions
from brickstream.multiscale.ome.transforms import read_transform
from brickstream.multiscale.pyramid import Axis, Channel

# The axes by name and the path to a vector of parameters went with the third draft.
_EARLY_DRAFT = re.compile(r"0\.[0-5]\b.*|0\.6[.-]?dev[0-2]?")


@dataclass(frozen=True)
class _Level:
    """One entry of `datasets`: where it stands, its array, the map from its pixels to the intrinsic system."""

    where: str
    path: str
    intrinsic: Node
    pixels: Affine
    shifted: bool


def read_image(
    entry: Mapping[str, Any],
    path: str,
    version: str,
    channels: tuple[Channel, ...] = (),
    *,
    strict: bool = False,
    system: str | None = None,
) -> Image:
    """Read one entry of ``multiscales`` that has coordinate systems.

    Transformations that are valid and not linear, or whose parameters are in an array, are no error here: the image is
    placed without them.

    Parameters
    ----------
    entry : mapping
    path : str
        Of the entry in its document.
    version : str
        Of OME-NGFF.
    channels : tuple of Channel, optional
    strict : bool, default False
        Refuse what the specification does not allow, even where it can be read: levels that are rotated, the spellings
        of early drafts in later versions.
    system : str, optional
        Name of the coordinate system to place the image in.

    Raises
    ------
    MetadataError
        If something is missing or wrong, or the image cannot be placed in the system asked for.
    """
    strict = strict and not _EARLY_DRAFT.fullmatch(version)
    systems = read_systems(take_list(entry.get("coordinateSystems"), f"{path}.coordinateSystems", least=1), path)
    if strict:
        demand_text(entry, path, "name")
        _demand_axes(systems, path)
    levels = _read_levels(entry.get("datasets"), f"{path}.datasets", systems, strict=strict)
    graph = CoordinateGraph(systems, _read_outer(entry, path, systems, strict=strict), path)
    intrinsic = levels[0].intrinsic
    worlds = _worlds(graph, intrinsic)
    world = worlds[0] if system is None else Node(system)
    if world not in worlds:
        raise _no_world(graph, intrinsic, world)
    placing = None if world == intrinsic else graph.between(intrinsic, world)
    names = tuple(axis.name for axis in systems[world])
    datasets = tuple(_dataset(level, levels[0], placing, names) for level in levels)
    demand_order(datasets, path)
    choices = (world, *(node for node in worlds if node != world))
    return Image(
        text_or(entry.get("name")),
        version,
        systems[world],
        datasets,
        channels,
        systems=tuple(node.name for node in choices),
    )


def read_scene(value: object, path: str, version: str = "0.6") -> CoordinateGraph:
    """Read the ``scene`` of a group: how the coordinate systems of several images lie to each other.

    Raises
    ------
    MetadataError
        If a coordinate system or a transformation is not valid.
    """
    scene = take_object(value, path)
    named = scene.get("coordinateSystems")
    systems = read_systems(() if named is None else named, path)
    draft = _EARLY_DRAFT.fullmatch(version) is not None
    if not draft:
        _demand_axes(systems, path)
    listed = scene.get("coordinateTransformations")
    edges = read_edges(listed, f"{path}.coordinateTransformations", systems, draft=draft, least=1)
    return CoordinateGraph(systems, edges, path)


def _read_outer(
    entry: Mapping[str, Any], path: str, systems: Mapping[Node, tuple[Axis, ...]], *, strict: bool
) -> tuple[Edge, ...]:
    """Read the transformations that are the same for all levels."""
    path, listed = f"{path}.coordinateTransformations", entry.get("coordinateTransformations")
    if listed is None and not (strict and "coordinateTransformations" in entry):
        return ()
    return read_edges(listed, path, systems, draft=not strict, least=int(strict))


def _read_levels(value: object, path: str, systems: Mapping[Node, tuple[Axis, ...]], *, strict: bool) -> list[_Level]:
    levels: list[_Level] = []
    for k, item in enumerate(take_list(value, path, least=1)):
        level = _read_level(take_object(item, f"{path}[{k}]"), f"{path}[{k}]", systems, strict=strict)
        intrinsic = levels[0].intrinsic if levels else level.intrinsic
        place = f"{path}[{k}].coordinateTransformations[0].output"
        same = f"that of all levels, {shortened([intrinsic])}"
        demand(level.intrinsic == intrinsic, place, str(level.intrinsic), same)
        listed = strict and any(level.path == other.path for other in levels)
        demand(not listed, f"{path}[{k}].path", level.path, "no array listed twice")
        levels.append(level)
    return levels


def _read_level(
    item: Mapping[str, Any], path: str, systems: Mapping[Node, tuple[Axis, ...]], *, strict: bool
) -> _Level:
    name = take_text(item.get("path"), f"{path}.path", "a dataset names the path of its array")
    demand(is_inside(name), f"{path}.path", name, OUTSIDE)
    if strict:
        demand_nodes(name, f"{path}.path")
    here = f"{path}.coordinateTransformations"
    steps = take_list(item.get("coordinateTransformations"), here, least=1)
    demand(len(steps) == 1 or not strict, here, f"{len(steps)} transformations", "exactly one, perhaps a sequence")
    here = f"{here}[0]"
    step = take_object(steps[0], here)
    if strict:
        _demand_reference(step.get("input"), f"{here}.input", "path")
        _demand_reference(step.get("output"), f"{here}.output", "name")
        _demand_scaling(step, here)
    # What `input` says does not matter: it is always this array.
    intrinsic = read_reference(step.get("output"), f"{here}.output", systems)
    names = tuple(axis.name for axis in systems[intrinsic])
    pixels = read_transform(step, here, dimensions(len(names)), names, draft=not strict)
    demand(pixels.invertible, here, step.get("type"), "a transformation that can be inverted")
    return _Level(path, name, intrinsic, pixels, step["type"] not in ("scale", "identity"))


def _worlds(graph: CoordinateGraph, intrinsic: Node) -> list[Node]:
    """Coordinate systems of the document that the image can be placed in, the default first."""
    ndim = len(graph.systems[intrinsic])
    maps = graph.maps(intrinsic)
    same = [node for node in maps if len(graph.systems.get(node, ())) == ndim]
    worlds = [node for node in same if (placing := maps[node]) is None or placing.invertible]
    if _is_array(graph.systems[intrinsic]):
        worlds.sort(key=lambda node: _is_array(graph.systems[node]))
    return worlds


def _is_array(axes: Sequence[Axis]) -> bool:
    return all(axis.type == "array" for axis in axes)


def _no_world(graph: CoordinateGraph, intrinsic: Node, world: Node) -> MetadataError:
    """Say why the image cannot be placed in a system."""
    try:
        placing = graph.between(intrinsic, world)
    except MetadataError as error:
        return error
    return MetadataError(graph.path, placing.linear.tolist(), f"a map to {shortened([world])} that can be inverted")


def _dataset(level: _Level, first: _Level, placing: Affine | None, names: Sequence[str]) -> Dataset:
    """Give the map from a level's pixels to the world in its plainest form."""
    pixels, shifted = level.pixels, level.shifted
    if placing is not None:
        if not shifted and pixels.scales is not None and first.pixels.scales is not None:
            # No translation is written: the levels cover the same extent.
            shift = first.pixels.offset + (pixels.scales - first.pixels.scales) / 2
            pixels = Affine(pixels.inputs, pixels.outputs, pixels.linear, shift)
        try:
            pixels, shifted = placing @ pixels, True
        except TransformError as error:
            raise MetadataError(level.where, error.where, error.what) from error
    return Dataset.mapped(level.path, pixels.rename(names, names), shifted=shifted)


def _demand_reference(value: object, path: str, field: str) -> None:
    """Demand an end of a level's transformation: an object with `field`, or the text that drafts put in its place."""
    if not isinstance(value, str):
        found = take_object(value, path).get(field)
        demand(isinstance(found, str), f"{path}.{field}", found, "a text")


def _demand_scaling(step: Mapping[str, Any], path: str) -> None:
    kind = step.get("type")
    if kind in ("scale", "identity"):
        return
    rule = "a scale, an identity, or a sequence of a scale and a translation"
    demand(kind == "sequence", f"{path}.type", kind, rule)
    steps = take_list(step.get("transformations"), f"{path}.transformations")
    kinds = [take_object(item, f"{path}.transformations[{i}]").get("type") for i, item in enumerate(steps)]
    demand(kinds == ["scale", "translation"], f"{path}.transformations", kinds, "a scale followed by a translation")


def _demand_axes(systems: Mapping[Node, tuple[Axis, ...]], path: str) -> None:
    for i, axes in enumerate(systems.values()):
        here, types = f"{path}.coordinateSystems[{i}].axes", [axis.type for axis in axes]
        demand(2 <= len(axes) <= 5, here, types, "from 2 to 5 axes")
        if not _is_array(axes):
            demand_axis_types(types, here)
