"""Affine maps between spaces whose axes have names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brickstream.errors import TransformError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Float noise that is left over where a matrix was multiplied with its own inverse.
NOISE = 1e-12
# A matrix whose axes have been brought to the same length is singular where it shrinks some direction by this much.
SINGULAR = 1e-13


@dataclass(frozen=True, eq=False)
class Affine:
    """A map ``linear @ point + offset`` from one space to another.

    Attributes
    ----------
    inputs, outputs : tuple of str
        Names of the axes, each unique within its space.
    linear : ndarray of shape (len(outputs), len(inputs)), float64
        Read-only.
    offset : ndarray of shape (len(outputs),), float64
        Read-only.

    Raises
    ------
    TransformError
        If shapes and names do not fit, names repeat, or a number is not finite.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    linear: FloatArray
    offset: FloatArray

    def __post_init__(self) -> None:
        for field, names in (("inputs", self.inputs), ("outputs", self.outputs)):
            names = tuple(names)
            if not all(isinstance(name, str) for name in names):
                raise TransformError("the names of axes are texts", f"{field}: {names}")
            if len(set(names)) != len(names):
                raise TransformError("the axes of a space have different names", f"{field}: {', '.join(names)}")
            object.__setattr__(self, field, names)
        shapes = {"linear": (len(self.outputs), len(self.inputs)), "offset": (len(self.outputs),)}
        for field, shape in shapes.items():
            object.__setattr__(self, field, _frozen_numbers(getattr(self, field), shape, field))

    @classmethod
    def identity(cls, names: Sequence[str]) -> Affine:
        """The map that changes nothing."""
        return cls.scaling(names, np.ones(len(names)))

    @classmethod
    def scaling(
        cls,
        names: Sequence[str],
        scale: ArrayLike,
        translation: ArrayLike | None = None,
        *,
        outputs: Sequence[str] | None = None,
    ) -> Affine:
        """Make ``scale * point + translation``, axis by axis; `outputs` default to `names`."""
        scale = np.asarray(scale, dtype=np.float64)
        if scale.ndim != 1:
            raise TransformError("a scaling has one number for each axis", f"{scale.tolist()}")
        offset = np.zeros(len(scale)) if translation is None else np.asarray(translation, dtype=np.float64)
        return cls(tuple(names), tuple(names if outputs is None else outputs), np.diag(scale), offset)

    def __call__(self, points: ArrayLike) -> FloatArray:
        """Map points: ndarray of shape (..., inputs) to ndarray of shape (..., outputs), float64."""
        points = np.asarray(points, dtype=np.float64)
        diagonal = self.scales
        # Axis by axis, one product and one sum: a matrix product would round differently from platform to platform.
        mapped = points * diagonal if diagonal is not None else points @ self.linear.T
        return np.asarray(mapped + self.offset, dtype=np.float64)

    def vectors(self, vectors: ArrayLike) -> FloatArray:
        """Map directions (no offset): ndarray of shape (..., inputs) to (..., outputs), float64."""
        return np.asarray(np.asarray(vectors, dtype=np.float64) @ self.linear.T)

    def __matmul__(self, first: Affine) -> Affine:
        """Compose: ``(self @ first)(p) == self(first(p))``; the axes in between are matched by name.

        Raises
        ------
        TransformError
            If `first` does not give the axes that this map takes.
        """
        if set(self.inputs) != set(first.outputs):
            raise TransformError(
                "two maps do not follow each other", f"{', '.join(first.outputs)} into {', '.join(self.inputs)}"
            )
        first = first.reorder(outputs=self.inputs)
        mine, theirs = self.scales, first.scales
        # What overflows is refused as a number that is not finite.
        with np.errstate(over="ignore", invalid="ignore"):
            if mine is not None and theirs is not None:
                scale, offset = mine * theirs, mine * first.offset + self.offset
                return Affine.scaling(first.inputs, scale, offset, outputs=self.outputs)
            linear, offset = self.linear @ first.linear, self.linear @ first.offset + self.offset
        return Affine(first.inputs, self.outputs, linear, offset)

    def inverse(self) -> Affine:
        """Give the map back.

        Raises
        ------
        TransformError
            If the map is singular, or its spaces have different numbers of axes.
        """
        if not self.invertible:
            raise TransformError(
                "an affine map that cannot be inverted", f"{self.linear.tolist()}", "it flattens the space"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            return Affine(self.outputs, self.inputs, *self._inverted())

    def _inverted(self) -> tuple[FloatArray, FloatArray]:
        steps = self._steps
        if steps is None:
            linear = np.asarray(np.linalg.inv(self.linear), dtype=np.float64)
            return linear, np.asarray(-np.linalg.solve(self.linear, self.offset), dtype=np.float64)
        linear, offset = np.zeros_like(self.linear.T), np.zeros(len(self.inputs))
        rows = np.arange(len(self.outputs))
        linear[steps, rows] = 1 / self.linear[rows, steps]
        # Not -(1/s) * t, which rounds twice.
        offset[steps] = -self.offset / self.linear[rows, steps]
        return linear, offset

    def solve(self, points: ArrayLike) -> FloatArray:
        """Points of the input space that are mapped to `points` (..., outputs): more exact than the inverse's product.

        Raises
        ------
        TransformError
            If the map cannot be inverted.
        """
        points = np.asarray(points, dtype=np.float64) - self.offset
        diagonal = self.scales
        if diagonal is not None and diagonal.all():
            return np.asarray(points / diagonal, dtype=np.float64)
        if not self.invertible:
            self.inverse()
        return np.asarray(np.linalg.solve(self.linear, points[..., None])[..., 0], dtype=np.float64)

    @cached_property
    def invertible(self) -> bool:
        """Whether the map can be undone in float64."""
        rows, columns = self.linear.shape
        if rows != columns:
            return False
        if not rows:
            return True
        # Axes may have very different units: only directions decide, lengths do not.
        longest = np.abs(self.linear).max(axis=0)
        if not longest.all():
            return False
        across = self.linear / longest
        heights = np.abs(across).max(axis=1, keepdims=True)
        return bool(heights.all() and np.linalg.svd(across / heights, compute_uv=False)[-1] > SINGULAR)

    @cached_property
    def aligned(self) -> bool:
        """Whether every output depends on one input, and every input on one output: scales, flips, swapped axes."""
        return self._steps is not None

    @cached_property
    def _steps(self) -> IntArray | None:
        """Position of the one input that each output depends on; None where it is not so."""
        rows, columns = self.linear.shape
        there = np.abs(self.linear) > NOISE * np.abs(self.linear).max(axis=1, initial=0.0, keepdims=True)
        if rows != columns or (there.sum(axis=1) != 1).any() or (there.sum(axis=0) != 1).any():
            return None
        return np.asarray(there.argmax(axis=1), dtype=np.int64)

    @cached_property
    def scales(self) -> FloatArray | None:
        """Scales of the axes, in their order, where the map is nothing but scales (zero included) and an offset."""
        rows, columns = self.linear.shape
        diagonal = np.diagonal(self.linear)
        return diagonal if rows == columns and (np.diag(diagonal) == self.linear).all() else None

    def source_of(self, output: str) -> str:
        """Name of the input axis that an output axis comes from, in an aligned map.

        Raises
        ------
        TransformError
            If the map is not aligned.
        """
        if self._steps is None:
            raise TransformError("the map mixes axes", f"{self.linear.tolist()}")
        return self.inputs[int(self._steps[self.outputs.index(output)])]

    def reorder(self, inputs: Sequence[str] | None = None, outputs: Sequence[str] | None = None) -> Affine:
        """Give the same map with its axes in another order."""
        inputs, outputs = tuple(inputs or self.inputs), tuple(outputs or self.outputs)
        if (inputs, outputs) == (self.inputs, self.outputs):
            return self
        if set(inputs) != set(self.inputs) or set(outputs) != set(self.outputs):
            raise TransformError("other axes than the map has", f"{', '.join(inputs)} to {', '.join(outputs)}")
        rows, columns = [self.outputs.index(n) for n in outputs], [self.inputs.index(n) for n in inputs]
        return Affine(inputs, outputs, self.linear[np.ix_(rows, columns)], self.offset[rows])

    def rename(self, inputs: Sequence[str] | None = None, outputs: Sequence[str] | None = None) -> Affine:
        """Give the same map with other names for its axes."""
        return Affine(tuple(inputs or self.inputs), tuple(outputs or self.outputs), self.linear, self.offset)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Affine):
            return NotImplemented
        same_names = self.inputs == other.inputs and self.outputs == other.outputs
        return same_names and bool((self.linear == other.linear).all() and (self.offset == other.offset).all())

    def __hash__(self) -> int:
        return hash((self.inputs, self.outputs, (self.linear + 0.0).tobytes(), (self.offset + 0.0).tobytes()))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "linear": self.linear.tolist(),
            "offset": self.offset.tolist(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Affine:
        """The inverse of :meth:`to_dict`.

        Raises
        ------
        TransformError
            If the value is not what :meth:`to_dict` gives.
        """
        try:
            linear, offset = np.array(value["linear"], dtype=float), np.array(value["offset"], dtype=float)
            inputs, outputs = tuple(value["inputs"]), tuple(value["outputs"])
            return cls(inputs, outputs, linear.reshape(len(outputs), len(inputs)), offset)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise TransformError("not an affine map", f"{error}") from error


def _frozen_numbers(value: ArrayLike, shape: tuple[int, ...], field: str) -> FloatArray:
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TransformError(f"the {field} part of an affine map is made of numbers", f"{error}") from error
    if numbers.shape != shape:
        raise TransformError(
            f"the {field} part of an affine map has one number for each axis", f"{numbers.shape} instead of {shape}"
        )
    if not np.isfinite(numbers).all():
        raise TransformError("the numbers of an affine map are finite", f"{field}={numbers.tolist()}")
    numbers.flags.writeable = False
    return numbers
