"""The parameters of coordinate transformations (RFC-5): vectors, matrices and axes, read into affine maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brickstream.errors import MetadataError
from brickstream.multiscale.affine import Affine, FloatArray
from brickstream.multiscale.ome.demands import shortened
from brickstream.multiscale.ome.fields import take_counts, take_list, take_numbers, take_text

MAX_TRANSFORM_AXES = 16
# Numbers are written with a few digits: a rotation by 80 degrees as 0.17 and 0.985.
FEW_DIGITS = 1e-2

Entry = Mapping[str, Any]
Names = tuple[str, ...]


def dimensions(length: int) -> Names:
    """Names of axes that only have a place, as RFC-5 gives them to the dimensions of an array."""
    return tuple(f"dim_{i}" for i in range(length))


@dataclass(frozen=True)
class Transformation:
    """What a document says of the way from one coordinate system to another.

    Attributes
    ----------
    forward : Affine or None
        None for an identity between systems whose number of axes is not known, and where there is a problem.
    backward : Affine or None
        The way back, where the document gives it; else it is the inverse of `forward`.
    problem : MetadataError or None
        Why a valid transformation is not usable here: it is not linear, or its numbers are in an array.
    """

    forward: Affine | None = None
    backward: Affine | None = None
    problem: MetadataError | None = None

    @property
    def reversible(self) -> bool:
        """Whether there is a way back."""
        if self.problem is not None:
            return False
        return self.forward is None or self.backward is not None or self.forward.invertible

    def back(self) -> Affine | None:
        """The way back.

        Raises
        ------
        TransformError
            If there is none.
        """
        return self.backward if self.backward is not None or self.forward is None else self.forward.inverse()


@dataclass(frozen=True)
class Place:
    """Where a transformation stands, and what is known of the spaces it leads between.

    Attributes
    ----------
    path : str
        In the document.
    inputs, outputs : tuple of str or None
        Names of the axes; None where they are not known.
    draft : bool
        Whether the spellings of the drafts count.
    depth : int
        How many transformations this one is in.
    """

    path: str
    inputs: Names | None
    outputs: Names | None
    draft: bool
    depth: int = 0

    def inside(self, path: str, inputs: Names | None, outputs: Names | None) -> Place:
        """Give the place of a transformation inside this one."""
        return replace(self, path=f"{self.path}.{path}", inputs=inputs, outputs=outputs, depth=self.depth + 1)

    def error(self, field: str, value: object, rule: str) -> MetadataError:
        """Say what is wrong with a field."""
        return MetadataError(f"{self.path}.{field}", value, rule)

    def known(self, ends: str = "either") -> int | None:
        """Number of axes of the input, of the output, or of whichever is known."""
        sides = {"input": (self.inputs,), "output": (self.outputs,), "either": (self.inputs, self.outputs)}[ends]
        return next((len(side) for side in sides if side is not None), None)


def make_map(linear: FloatArray, offset: FloatArray) -> Affine:
    """Make a map between axes that only have a place."""
    rows, columns = linear.shape
    return Affine(dimensions(columns), dimensions(rows), linear, offset)


def same_count(place: Place) -> None:
    """Refuse a transformation that leads to another number of axes, where it must not."""
    if place.inputs is not None and place.outputs is not None and len(place.inputs) != len(place.outputs):
        found = f"{len(place.inputs)} to {len(place.outputs)} axes"
        raise MetadataError(place.path, found, "its input and output have as many axes")


def read_identity(entry: Entry, place: Place) -> Transformation:
    """A map that changes nothing."""
    same_count(place)
    ndim = place.known()
    return Transformation(None if ndim is None else Affine.identity(dimensions(ndim)))


def _in_an_array(entry: Entry, place: Place, kind: str, *, allowed: bool) -> Transformation | None:
    """Tell a transformation whose numbers are not in the document; None where they are."""
    if kind in entry or "path" not in entry:
        if allowed and not place.draft and "path" in entry:
            raise place.error("path", entry["path"], f"either numbers or a path, besides {kind}")
        return None
    if not allowed:
        raise place.error("path", entry["path"], f"its numbers stand in {kind}, not in an array")
    take_text(entry["path"], f"{place.path}.path", "the path of an array")
    if kind == "rotation":
        same_count(place)
    return Transformation(
        problem=place.error("path", entry["path"], "numbers in the document (arrays of parameters are not read)")
    )


def _vector(entry: Entry, place: Place, kind: str) -> FloatArray | Transformation:
    elsewhere = _in_an_array(entry, place, kind, allowed=place.draft)
    if elsewhere is not None:
        return elsewhere
    same_count(place)
    numbers = take_numbers(entry.get(kind), f"{place.path}.{kind}")
    ndim = place.known()
    if ndim is not None and len(numbers) != ndim:
        raise place.error(kind, entry.get(kind), f"one number for each of the {ndim} axes")
    if not 0 < len(numbers) <= MAX_TRANSFORM_AXES:
        raise place.error(kind, entry.get(kind), f"from 1 to {MAX_TRANSFORM_AXES} numbers")
    return np.array(numbers)


def read_scale(entry: Entry, place: Place) -> Transformation:
    """One factor an axis, none of them zero; negative ones are flips."""
    scale = _vector(entry, place, "scale")
    if isinstance(scale, Transformation):
        return scale
    if not scale.all():
        raise place.error("scale", entry.get("scale"), "scales are not zero")
    return Transformation(make_map(np.diag(scale), np.zeros(len(scale))))


def read_translation(entry: Entry, place: Place) -> Transformation:
    """One offset an axis."""
    offset = _vector(entry, place, "translation")
    return offset if isinstance(offset, Transformation) else Transformation(make_map(np.eye(len(offset)), offset))


def _matrix(entry: Entry, place: Place, kind: str, columns: int | None) -> FloatArray:
    """Read a matrix given by rows; in drafts also as a flat list, where the number of columns is known."""
    path = f"{place.path}.{kind}"
    items = take_list(entry.get(kind), path, least=1)
    if place.draft and columns and not isinstance(items[0], list | tuple):
        flat = take_numbers(items, path)
        if len(flat) % columns:
            raise MetadataError(path, items, f"rows of {columns} numbers")
        return np.array(flat).reshape(-1, columns)
    if len(items) > MAX_TRANSFORM_AXES:
        raise MetadataError(path, f"{len(items)} rows", f"at most {MAX_TRANSFORM_AXES} rows")
    rows = [take_numbers(row, f"{path}[{i}]") for i, row in enumerate(items)]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or not 0 < lengths[0] <= MAX_TRANSFORM_AXES + 1:
        raise MetadataError(path, entry.get(kind), "rows of the same length, one number for each axis")
    return np.array(rows)


def read_affine(entry: Entry, place: Place) -> Transformation:
    """A matrix of M rows and N + 1 columns, the last of which is the offset."""
    elsewhere = _in_an_array(entry, place, "affine", allowed=True)
    if elsewhere is not None:
        return elsewhere
    inputs, outputs = place.known("input"), place.known("output")
    matrix = _matrix(entry, place, "affine", None if inputs is None else inputs + 1)
    rows, columns = matrix.shape
    corner = [0.0] * (columns - 1) + [1.0]
    if place.draft and rows == columns and rows - 1 == outputs and matrix[-1].tolist() == corner:
        matrix, rows = matrix[:-1], rows - 1  # the whole matrix in homogeneous coordinates
    if columns < 2 or columns - 1 != (inputs or columns - 1) or rows != (outputs or rows):
        shape = f"{outputs or 'M'} rows of {'N + 1' if inputs is None else inputs + 1} numbers"
        raise place.error("affine", entry["affine"], shape)
    return Transformation(make_map(matrix[:, :-1], matrix[:, -1]))


def read_rotation(entry: Entry, place: Place) -> Transformation:
    """A square matrix with orthonormal rows and determinant 1, as exact as it is written."""
    elsewhere = _in_an_array(entry, place, "rotation", allowed=True)
    if elsewhere is not None:
        return elsewhere
    same_count(place)
    matrix = _matrix(entry, place, "rotation", place.known())
    rows, columns = matrix.shape
    if rows != columns or rows != (place.known() or rows) or rows < 2:
        raise place.error("rotation", entry["rotation"], "a square matrix with one row for each axis")
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(matrix @ matrix.T - np.eye(rows)).max()
    if not off <= FEW_DIGITS or np.linalg.det(matrix) < 0:
        raise place.error("rotation", entry["rotation"], "a rotation: orthonormal rows, determinant 1")
    return Transformation(make_map(matrix, np.zeros(rows)))


def read_map_axis(entry: Entry, place: Place) -> Transformation:
    """A permutation: the place of the input axis that each output axis is."""
    path, value = f"{place.path}.mapAxis", entry.get("mapAxis")
    if place.draft and isinstance(value, Mapping):
        sources = _sources_by_name(value, place, path)
    else:
        sources = list(take_counts(value, path, "places of axes"))
    inputs = place.known("input") or (max(sources, default=0) + 1 if place.draft else len(sources))
    if any(source >= inputs for source in sources) or not 0 < len(sources) <= MAX_TRANSFORM_AXES:
        raise MetadataError(path, value, f"places of axes from 0 to {inputs - 1}")
    if not place.draft:
        if len(set(sources)) != len(sources) or len(sources) != inputs:
            raise MetadataError(path, value, f"every axis from 0 to {inputs - 1} once")
        if not 2 <= len(sources) <= 5:
            raise MetadataError(path, value, "from 2 to 5 axes")
    return Transformation(make_map(np.eye(inputs)[sources], np.zeros(len(sources))))


def _sources_by_name(value: Mapping[str, Any], place: Place, path: str) -> list[int]:
    """Places of the inputs that each output comes from, where a draft names both."""
    if place.inputs is None or place.outputs is None:
        raise MetadataError(path, value, "axes by place, where the coordinate systems are not known")
    for name in place.outputs:
        if value.get(name) not in place.inputs:
            raise MetadataError(f"{path}.{name}", value.get(name), f"one of the axes {shortened(place.inputs)}")
    return [place.inputs.index(value[name]) for name in place.outputs]


def read_project_axis(entry: Entry, place: Place) -> Transformation:
    """Drop axes, and add axes on which every point is at zero."""
    if "droppedInputs" not in entry and "createdOutputs" not in entry:
        raise MetadataError(place.path, dict(entry), "droppedInputs, createdOutputs or both")
    dropped, created = (_axes_of_projection(entry, place, field) for field in ("droppedInputs", "createdOutputs"))
    inputs, outputs = place.known("input"), place.known("output")
    change = len(created) - len(dropped)
    if inputs is None and outputs is None:
        return Transformation(problem=MetadataError(place.path, dict(entry), "known coordinate systems at its ends"))
    inputs = (outputs or 0) - change if inputs is None else inputs
    outputs = inputs + change if outputs is None else outputs
    if outputs != inputs + change or max(dropped, default=-1) >= inputs or max(created, default=-1) >= outputs:
        raise MetadataError(place.path, dict(entry), f"axes that lead from {inputs} axes to {outputs}")
    linear = np.zeros((outputs, inputs))
    kept = [i for i in range(inputs) if i not in dropped]
    filled = [i for i in range(outputs) if i not in created]
    linear[filled, kept] = 1.0
    return Transformation(make_map(linear, np.zeros(outputs)))


def _axes_of_projection(entry: Entry, place: Place, field: str) -> tuple[int, ...]:
    if field not in entry:
        return ()
    rule = "from 1 to 3 different places of axes"
    axes = take_counts(entry[field], f"{place.path}.{field}", rule)
    if not 1 <= len(axes) <= 3 or len(set(axes)) != len(axes) or max(axes) >= MAX_TRANSFORM_AXES:
        raise place.error(field, entry[field], rule)
    return axes


def read_field(entry: Entry, place: Place) -> Transformation:
    """Displacements and coordinates: fields of vectors in an array, valid and not linear."""
    take_text(entry.get("path"), f"{place.path}.path", "the path of an array")
    interpolation = entry.get("interpolation", "linear")
    if not place.draft and interpolation not in ("nearest", "linear", "cubic"):
        raise place.error("interpolation", interpolation, "nearest, linear or cubic")
    if entry["type"] == "displacements":
        same_count(place)
    return Transformation(problem=place.error("type", entry["type"], "a linear transformation"))
