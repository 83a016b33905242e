"""Values with their coordinates become images with scale and translation, in whatever order they come."""

from typing import Any

import numpy as np
import pytest

from brickstream.chunks import ChunkedImage, grid_image
from brickstream.engine import Engine
from brickstream.errors import MetadataError

X, Y, Z = np.mgrid[0:3:4j, 10:12:5j, -1:1:6j]
VALUE = 100 * X + 10 * Y + Z


def check(image: ChunkedImage, value: np.ndarray[Any, Any] = VALUE) -> None:
    level = image.pyramid.levels[0]
    assert image.pyramid.axis_names == ("z", "y", "x")
    assert level.scale == pytest.approx((0.4, 0.5, 1.0))
    assert level.translation == pytest.approx((-1.0, 10.0, 0.0))
    assert np.array_equal(image.sources[0].array, value.transpose(2, 1, 0))


@pytest.mark.parametrize("order", ["C", "F", "shuffled", "solid"])
def test_a_mesh_grid_in_any_order_is_the_same_image(order: Any) -> None:
    parts = [X, Y, Z, VALUE]
    if order == "shuffled":
        mixed = np.random.default_rng(0).permutation(VALUE.size)
        parts = [part.ravel()[mixed] for part in parts]
    elif order != "solid":
        parts = [part.ravel(order) for part in parts]
    check(grid_image(*parts))


def test_axes_and_a_solid_array_are_one_too() -> None:
    check(grid_image(X[:, 0, 0], Y[0, :, 0], Z[0, 0, :], VALUE))
    check(grid_image(X[::-1, 0, 0], Y[0, :, 0], Z[0, 0, ::-1], VALUE[::-1, :, ::-1]))
    check(grid_image(X[:, 0, 0].tolist(), Y[0, :, 0], Z[0, 0, :], VALUE.tolist()))


def test_the_type_of_the_values_and_what_is_said_of_them_stay() -> None:
    counted = np.arange(VALUE.size, dtype=np.int16).reshape(VALUE.shape)
    image = grid_image(X, Y, Z, counted, name="field", units="meter")
    check(image, counted)
    assert image.pyramid.dtype == np.int16
    assert [axis.unit for axis in image.pyramid.axes] == ["meter"] * 3
    flat = grid_image([0, 1], [3, 3], [5, 5], [7.0, 8.0]).pyramid.levels[0]
    assert (flat.shape, flat.translation, flat.scale) == ((1, 1, 2), (5.0, 3.0, 0.0), (1.0, 1.0, 1.0))


async def test_a_value_is_read_where_it_was_given() -> None:
    async with Engine() as engine:
        image = grid_image(X.ravel(), Y.ravel(), Z.ravel(), VALUE.ravel())
        value = await engine.value_at(image, {"x": 2.0, "y": 11.5, "z": 0.2})
    assert value == pytest.approx(100 * 2 + 10 * 11.5 + 0.2)


WRONG: list[tuple[Any, str]] = [
    ((X.ravel(), Y.ravel()[:-1], Z.ravel(), VALUE.ravel()), "at y: a place for each of the 120 values"),
    ((X.ravel()[1:], Y.ravel()[1:], Z.ravel()[1:], VALUE.ravel()[1:]), "every point of a grid once.*119 values for 4"),
    (
        ([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [1, 2, 3, 4]),
        "every point of a grid once, found .a point given twice",
    ),
    ((X[:, 0, 0] ** 2, Y[0, :, 0], Z[0, 0, :], VALUE), "at x: even steps; resample first.*from 1 to 5"),
    (([0, 2, 1], [0], [0], [[[1]], [[2]], [[3]]]), "at x: even steps"),
    (([0.0, np.nan], [0], [0], [[[1]], [[2]]]), "at x: even steps"),
    (([], [], [], []), "at x: even steps.*no places"),
    ((X, Y, Z, VALUE.astype(complex)), "dtype"),
]


@pytest.mark.parametrize(("parts", "what"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_even_grid_is_refused_and_what_to_do_is_said(parts: Any, what: str) -> None:
    with pytest.raises(MetadataError, match=what):
        grid_image(*parts)
