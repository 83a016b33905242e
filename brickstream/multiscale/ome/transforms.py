"""Coordinate transformations of OME-NGFF (RFC-5), read into affine maps.

Inside a transformation the axes go by position; names come in at the end, from the coordinate systems it leads between.
Older drafts spell some of them differently (axes by name, matrices as flat lists, ``inverseOf``): those spellings are
read where the caller says that the document is a draft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from brickstream.errors import MetadataError, TransformError
from brickstream.multiscale.affine import Affine
from brickstream.multiscale.ome import parameters
from brickstream.multiscale.ome.demands import shortened
from brickstream.multiscale.ome.fields import take_counts, take_list, take_object
from brickstream.multiscale.ome.parameters import MAX_TRANSFORM_AXES, Entry, Names, Place, Transformation, dimensions

# Real documents nest three deep; a document that contains itself nests without end.
MAX_DEPTH = 32


def read_transform(
    value: object, path: str, inputs: Sequence[str], outputs: Sequence[str], *, draft: bool = False
) -> Affine:
    """Read a coordinate transformation between two spaces whose axes are known.

    Parameters
    ----------
    value : object
        The JSON object.
    path : str
        Where it stands in its document.
    inputs, outputs : sequence of str
        Names of the axes of the two spaces.
    draft : bool, default False
        Read the spellings of the drafts of RFC-5 too.

    Raises
    ------
    MetadataError
        If the object is no valid transformation, does not lead from the one space to the other, or cannot be given as
        an affine map.
    """
    read = read_transformation(value, path, tuple(inputs), tuple(outputs), draft=draft)
    if read.problem is not None:
        raise read.problem
    forward = read.forward or Affine.identity(dimensions(len(inputs)))
    return forward.rename(inputs, outputs)


def read_transformation(
    value: object,
    path: str,
    inputs: Names | None = None,
    outputs: Names | None = None,
    *,
    draft: bool = False,
) -> Transformation:
    """Read a coordinate transformation, usable or not; its maps have the axes ``dim_0``, ``dim_1`` ….

    Parameters
    ----------
    value : object
        The JSON object.
    path : str
        Where it stands in its document.
    inputs, outputs : tuple of str or None
        Names of the axes of the two spaces; None where they are not known.
    draft : bool, default False
        Read the spellings of the drafts of RFC-5 too.

    Raises
    ------
    MetadataError
        If the object is no valid transformation, or does not lead from the one space to the other.
    """
    return _read(value, Place(path, inputs, outputs, draft))


def _read(value: object, place: Place) -> Transformation:
    if place.depth > MAX_DEPTH:
        raise MetadataError(place.path, type(value).__name__, f"transformations nest at most {MAX_DEPTH} deep")
    entry = take_object(value, place.path)
    kinds = _DRAFT_KINDS if place.draft else _KINDS
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise place.error("type", kind, f"one of {', '.join(kinds)}")
    try:
        read = kinds[kind](entry, place)
    except TransformError as error:
        raise place.error(kind, error.where, error.what) from error
    for side, there, known in _sides(read.forward, place):
        if there != known:
            raise MetadataError(place.path, there, f"a transformation of {known} axes, those of its {side}")
    return read


def _sides(forward: Affine | None, place: Place) -> list[tuple[str, int, int]]:
    if forward is None:
        return []
    sides = (("input", forward.inputs, place.inputs), ("output", forward.outputs, place.outputs))
    return [(side, len(there), len(known)) for side, there, known in sides if known is not None]


def _sequence(entry: Entry, place: Place) -> Transformation:
    items = take_list(entry.get("transformations"), f"{place.path}.transformations", least=1)
    steps: list[Transformation] = []
    space = place.inputs
    for i, item in enumerate(items):
        step = _read(item, place.inside(f"transformations[{i}]", space, place.outputs if i + 1 == len(items) else None))
        steps.append(step)
        if step.forward is not None:
            space = dimensions(len(step.forward.outputs))
        elif step.problem is not None:
            space = None
    problem = next((step.problem for step in steps if step.problem is not None), None)
    return Transformation(problem=problem) if problem else _chain(steps)


def _chain(steps: Sequence[Transformation]) -> Transformation:
    """Join transformations without problems, first to last."""
    forward = join(step.forward for step in steps)
    if all(step.backward is None for step in steps) or not all(step.reversible for step in steps):
        return Transformation(forward)
    return Transformation(forward, join(step.back() for step in reversed(steps)))


def join(maps: Iterable[Affine | None]) -> Affine | None:
    """Join maps that follow each other, first to last; None changes nothing."""
    joined: Affine | None = None
    for step in maps:
        if step is not None:
            joined = step if joined is None else step @ joined
    return joined


def _by_dimension(entry: Entry, place: Place) -> Transformation:
    items = take_list(entry.get("transformations"), f"{place.path}.transformations", least=1)
    parts = [_part(take_object(item, f"{place.path}.transformations[{i}]"), place, i) for i, item in enumerate(items)]
    used = [axis for _, _, outputs in parts for axis in outputs]
    ndim_in = place.known("input") or max((axis for _, inputs, _ in parts for axis in inputs), default=0) + 1
    ndim_out = place.known("output") or max(used) + 1
    if sorted(used) != list(range(ndim_out)):
        raise place.error("transformations", sorted(used), f"every output axis from 0 to {ndim_out - 1} once")
    problem = next((part.problem for part, _, _ in parts if part.problem is not None), None)
    if problem is not None:
        return Transformation(problem=problem)
    forward = _spread([(part.forward, inputs, outputs) for part, inputs, outputs in parts], ndim_in, ndim_out)
    given = any(part.backward is not None for part, _, _ in parts)
    there = sorted(axis for _, inputs, _ in parts for axis in inputs) == list(range(ndim_in))
    if not given or not there or not all(part.reversible for part, _, _ in parts):
        return Transformation(forward)
    return Transformation(forward, _spread([(p.back(), outs, ins) for p, ins, outs in parts], ndim_out, ndim_in))


Part = tuple[Transformation, tuple[int, ...], tuple[int, ...]]


def _part(item: Entry, place: Place, i: int) -> Part:
    """Read what one entry of `byDimension` does, with the places of its input and output axes."""
    here = f"transformations[{i}]"
    inputs = _part_axes(item, ("inputAxes", "input_axes", "input"), place.inputs, f"{place.path}.{here}", place.draft)
    outputs = _part_axes(
        item, ("outputAxes", "output_axes", "output"), place.outputs, f"{place.path}.{here}", place.draft
    )
    names_in = _pick(place.inputs, inputs)
    names_out = _pick(place.outputs, outputs)
    if "transformation" in item:
        return (
            _read(item["transformation"], place.inside(f"{here}.transformation", names_in, names_out)),
            inputs,
            outputs,
        )
    return _read(item, place.inside(here, names_in, names_out)), inputs, outputs


def _pick(names: Names | None, axes: tuple[int, ...]) -> Names:
    return tuple(names[axis] for axis in axes) if names is not None else dimensions(len(axes))


def _part_axes(item: Entry, fields: Sequence[str], names: Names | None, path: str, draft: bool) -> tuple[int, ...]:
    field = next((f for f in fields[: 3 if draft else 2] if f in item), fields[0])
    path, value = f"{path}.{field}", item.get(field)
    listed = take_list(value, path, least=1)
    if draft and names is not None and all(isinstance(name, str) for name in listed):
        wrong = [name for name in listed if name not in names]
        if wrong:
            raise MetadataError(path, value, f"axes out of {shortened(names)}")
        axes = tuple(names.index(name) for name in listed)
    else:
        axes = take_counts(listed, path, "places of axes")
    most = MAX_TRANSFORM_AXES if names is None else len(names)
    if len(set(axes)) != len(axes) or max(axes) >= most:
        raise MetadataError(path, value, f"different axes from 0 to {most - 1}")
    return axes


def _spread(
    parts: Sequence[tuple[Affine | None, tuple[int, ...], tuple[int, ...]]], ndim_in: int, ndim_out: int
) -> Affine:
    """Put maps of some axes together into one of all."""
    linear, offset = np.zeros((ndim_out, ndim_in)), np.zeros(ndim_out)
    for part, inputs, outputs in parts:
        part = part or Affine.identity(dimensions(len(inputs)))
        linear[np.ix_(outputs, inputs)] = part.linear
        offset[list(outputs)] = part.offset
    return parameters.make_map(linear, offset)


def _bijection(entry: Entry, place: Place) -> Transformation:
    parameters.same_count(place)
    for field in ("forward", "inverse"):
        if field not in entry:
            raise place.error(field, None, "both ways, forward and inverse")
    forward = _read(entry["forward"], place.inside("forward", place.inputs, place.outputs))
    inverse = _read(entry["inverse"], place.inside("inverse", place.outputs, place.inputs))
    problem = forward.problem or inverse.problem
    if problem is not None:
        return Transformation(problem=problem)
    ends = [read.forward for read in (forward, inverse) if read.forward is not None]
    counts = {len(names) for end in ends for names in (end.inputs, end.outputs)}
    if len(counts) > 1:
        raise MetadataError(place.path, sorted(counts), "both ways have as many axes")
    # One way that changes nothing is an identity of as many axes as the other has.
    nothing = Affine.identity(ends[0].inputs) if ends else None
    return Transformation(forward.forward or nothing, inverse.forward or nothing)


def _inverse_of(entry: Entry, place: Place) -> Transformation:
    field = "transform" if "transform" in entry else "transformation"
    inner = _read(entry.get(field), place.inside(field, place.outputs, place.inputs))
    if inner.problem is not None:
        return inner
    if not inner.reversible:
        raise place.error(field, entry[field], "a transformation that can be inverted")
    return Transformation(inner.back(), inner.forward)


_KINDS: dict[str, Callable[[Entry, Place], Transformation]] = {
    "identity": parameters.read_identity,
    "scale": parameters.read_scale,
    "translation": parameters.read_translation,
    "affine": parameters.read_affine,
    "rotation": parameters.read_rotation,
    "mapAxis": parameters.read_map_axis,
    "projectAxis": parameters.read_project_axis,
    "sequence": _sequence,
    "byDimension": _by_dimension,
    "bijection": _bijection,
    "displacements": parameters.read_field,
    "coordinates": parameters.read_field,
}
_DRAFT_KINDS = {**_KINDS, "inverseOf": _inverse_of}
