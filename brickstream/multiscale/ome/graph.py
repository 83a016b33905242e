"""Coordinate systems of OME-NGFF (RFC-5) and the transformations between them, as a graph to find one's way in."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brickstream.errors import MetadataError, TransformError
from brickstream.multiscale.affine import Affine
from brickstream.multiscale.ome.demands import demand, is_inside, shortened
from brickstream.multiscale.ome.fields import take_list, take_object, take_text
from brickstream.multiscale.ome.image_rules import USUAL_TYPES, demand_names
from brickstream.multiscale.ome.parameters import FEW_DIGITS, MAX_TRANSFORM_AXES, Names, Transformation, dimensions
from brickstream.multiscale.ome.transforms import join, read_transformation
from brickstream.multiscale.pyramid import Axis

# A system, a transformation that leads on from it, and whether it is walked backwards.
Step = tuple["Node", "Edge", bool]
OUTSIDE = "a path below the document's own group"


@dataclass(frozen=True, order=True)
class Node:
    """A coordinate system, as transformations refer to it.

    Attributes
    ----------
    name : str
        Empty for the pixels of an array.
    path : str
        The group or array below the document that has it; empty for the document's own.
    """

    name: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.name}" if self.path else self.name


@dataclass(frozen=True)
class Edge:
    """A transformation from one coordinate system to another."""

    source: Node
    target: Node
    transformation: Transformation


@dataclass(frozen=True, eq=False)
class CoordinateGraph:
    """Coordinate systems and what leads from one to another.

    Attributes
    ----------
    systems : mapping of Node to tuple of Axis
        Those that the document describes.
    edges : tuple of Edge
    path : str
        Where the graph stands in its document.
    """

    systems: Mapping[Node, tuple[Axis, ...]]
    edges: tuple[Edge, ...]
    path: str = ""

    @cached_property
    def _ways(self) -> dict[Node, list[Step]]:
        """For each system the next ones, the edge there, and whether it is walked backwards; forwards first."""
        ways: dict[Node, list[Step]] = {node: [] for node in self.systems}
        for edge in self.edges:
            ways.setdefault(edge.source, []).append((edge.target, edge, False))
        for edge in self.edges:
            ways.setdefault(edge.target, []).append((edge.source, edge, True))
        return ways

    def maps(self, source: Node) -> dict[Node, Affine | None]:
        """Maps from one system to all that linear transformations lead to, nearest first; None is an identity.

        A system is left out where numbers overflow on the way, or ways that are equally short disagree.
        """
        maps: dict[Node, Affine | None] = {}
        for node, steps in self._steps_to(source).items():
            with suppress(MetadataError):
                self._extend(maps, node, steps)
        return maps

    def _extend(self, maps: dict[Node, Affine | None], node: Node, steps: Sequence[Step]) -> None:
        """Add the map to a system to those to the systems that its last steps begin at."""
        try:
            ways = [join((maps[start], _walk(edge, back))) for start, edge, back in steps if start in maps]
        except TransformError as error:
            raise self._bad_way(node, error.what) from error
        if not all(_agree(ways[0], way) for way in ways[1:]):
            raise self._bad_way(node, "one way, or ways that agree")
        if ways or not steps:
            maps[node] = ways[0] if ways else None

    def _bad_way(self, node: Node, rule: str) -> MetadataError:
        return MetadataError(f"{self.path}.coordinateTransformations", f"a way to {node}", rule)

    def _steps_to(self, source: Node) -> dict[Node, list[Step]]:
        """The last steps of the shortest ways to each system that can be reached, nearest first."""
        last: dict[Node, list[Step]] = {source: []}
        distance = {source: 0}
        queue = deque([source])
        while queue:
            node = queue.popleft()
            for target, edge, back in self._ways.get(node, ()):
                if not _passable(edge, back):
                    continue
                if target not in distance:
                    distance[target] = distance[node] + 1
                    last[target] = []
                    queue.append(target)
                if distance[target] == distance[node] + 1:
                    last[target].append((node, edge, back))
        return last

    def between(self, source: str | Node, target: str | Node) -> Affine:
        """Map points of one coordinate system to another, along transformations or against them.

        Parameters
        ----------
        source, target : str or Node
            A name stands for a system of the document's own.

        Returns
        -------
        Affine
            With the names of the systems' axes; ``dim_0``, ``dim_1`` … where they are not known.

        Raises
        ------
        MetadataError
            If there is no such system, no way of linear transformations that can be inverted where they have to, or
            several ways that are equally short and disagree.
        """
        start, end = self._node(source), self._node(target)
        last = self._steps_to(start)
        if end not in last:
            raise self._no_way(start, end, last)
        needed = _before(last, end)
        maps: dict[Node, Affine | None] = {}
        for node, steps in last.items():
            if node in needed:
                self._extend(maps, node, steps)
        joined = maps[end]
        joined = self._identity(start, end) if joined is None else joined
        return joined.rename(self._names(start, joined.inputs), self._names(end, joined.outputs))

    def _identity(self, start: Node, end: Node) -> Affine:
        axes = self.systems.get(start) or self.systems.get(end)
        if axes is None:
            raise MetadataError(self.path, str(start), "a coordinate system whose axes are known")
        return Affine.identity(dimensions(len(axes)))

    def _node(self, given: str | Node) -> Node:
        node = Node(given) if isinstance(given, str) else given
        if node not in self._ways:
            rule = f"one of {shortened(sorted(self._ways))}"
            raise MetadataError(f"{self.path}.coordinateSystems", str(node), rule)
        return node

    def _names(self, node: Node, otherwise: Names) -> Names:
        axes = self.systems.get(node)
        return otherwise if axes is None else tuple(axis.name for axis in axes)

    def _no_way(self, start: Node, end: Node, reached: Container[Node]) -> MetadataError:
        """Say why one system cannot be reached from another: a transformation that might have led on, or none."""
        for edge in self.edges:
            if edge.transformation.problem is not None and (edge.source in reached or edge.target in reached):
                return edge.transformation.problem
        rule = "transformations that lead there (and can be inverted where they lead back)"
        return MetadataError(f"{self.path}.coordinateTransformations", f"{start} to {end}", rule)


def _before(last: Mapping[Node, Sequence[Step]], end: Node) -> set[Node]:
    """All systems on the shortest ways to one, itself included."""
    found, queue = {end}, deque([end])
    while queue:
        for start, _, _ in last[queue.popleft()]:
            if start not in found:
                found.add(start)
                queue.append(start)
    return found


def _agree(one: Affine | None, other: Affine | None) -> bool:
    """Whether two maps are the same but for what is lost where few digits are written."""
    known = one or other
    if known is None:
        return True
    nothing = Affine.identity(known.inputs)
    one, other = one or nothing, other or nothing
    if one.linear.shape != other.linear.shape:
        return False
    lengths = np.maximum(np.abs(one.linear), np.abs(other.linear)).max(axis=1)
    distances = np.maximum(lengths, np.maximum(np.abs(one.offset), np.abs(other.offset)))
    turned = np.abs(one.linear - other.linear) > FEW_DIGITS * lengths[:, None]
    return not turned.any() and not (np.abs(one.offset - other.offset) > FEW_DIGITS * distances).any()


def _passable(edge: Edge, back: bool) -> bool:
    return edge.transformation.reversible if back else edge.transformation.problem is None


def _walk(edge: Edge, back: bool) -> Affine | None:
    return edge.transformation.back() if back else edge.transformation.forward


def read_systems(value: object, path: str) -> dict[Node, tuple[Axis, ...]]:
    """Read a list of coordinate systems; `path` is that of the object that has it.

    Raises
    ------
    MetadataError
        If a system has no name or the name of another, or its axes are none.
    """
    systems: dict[Node, tuple[Axis, ...]] = {}
    path = f"{path}.coordinateSystems"
    for i, item in enumerate(take_list(value, path)):
        entry = take_object(item, f"{path}[{i}]")
        node = Node(take_text(entry.get("name"), f"{path}[{i}].name", "a coordinate system has a name"))
        if node in systems:
            raise MetadataError(f"{path}[{i}].name", node.name, "names of coordinate systems are unique")
        systems[node] = _read_axes(entry.get("axes"), f"{path}[{i}].axes")
    return systems


def _read_axes(value: object, path: str) -> tuple[Axis, ...]:
    items = take_list(value, path, least=1)
    if len(items) > MAX_TRANSFORM_AXES:
        raise MetadataError(path, f"{len(items)} axes", f"at most {MAX_TRANSFORM_AXES} axes")
    axes = []
    for i, item in enumerate(items):
        entry = take_object(item, f"{path}[{i}]")
        name = take_text(entry.get("name"), f"{path}[{i}].name", "an axis has a name")
        texts = {field: entry.get(field) for field in ("type", "unit", "longName")}
        for field, text in texts.items():
            if text is not None and not isinstance(text, str):
                raise MetadataError(f"{path}[{i}].{field}", text, "a text")
        if not isinstance(entry.get("discrete", False), bool | None):
            raise MetadataError(f"{path}[{i}].discrete", entry["discrete"], "true or false")
        axes.append(Axis(name, texts["type"] if texts["type"] is not None else USUAL_TYPES.get(name), texts["unit"]))
    demand_names(axes, path)
    return tuple(axes)


def read_edges(
    value: object, path: str, systems: Mapping[Node, tuple[Axis, ...]], *, draft: bool, least: int = 0
) -> tuple[Edge, ...]:
    """Read the transformations between coordinate systems.

    Raises
    ------
    MetadataError
        If one is not valid, or leads from or to a system that the document refers to as its own and does not have.
    """
    edges = []
    for i, item in enumerate(take_list(value, path, least=least)):
        entry = take_object(item, f"{path}[{i}]")
        source = read_reference(entry.get("input"), f"{path}[{i}].input", systems, draft=draft)
        target = read_reference(entry.get("output"), f"{path}[{i}].output", systems, draft=draft)
        inputs, outputs = (_axis_names(systems.get(node)) for node in (source, target))
        read = read_transformation(entry, f"{path}[{i}]", inputs, outputs, draft=draft)
        edges.append(Edge(source, target, read))
    return tuple(edges)


def _axis_names(axes: Sequence[Axis] | None) -> Names | None:
    return None if axes is None else tuple(axis.name for axis in axes)


def read_reference(value: object, path: str, systems: Mapping[Node, tuple[Axis, ...]], *, draft: bool = False) -> Node:
    """Read what `input` or `output` refers to: a name, or an object with a name and perhaps a path.

    Raises
    ------
    MetadataError
        If there is no such system among the document's own.
    """
    field, name, group = path, value, None
    if not isinstance(value, str):
        entry = take_object(value, path)
        field, name, group = f"{path}.name", entry.get("name"), entry.get("path")
        demand(group in (None, "") or is_inside(group), f"{path}.path", group, OUTSIDE)
    if draft and group and name is None:
        return Node("", group)
    node = Node(take_text(name, field, "the name of a coordinate system"), group or "")
    if node.path or node in systems:
        return node
    if draft:
        return Node("", node.name)  # not a system but the path of an array
    raise MetadataError(field, node.name, f"one of the coordinate systems {shortened(systems)}")
