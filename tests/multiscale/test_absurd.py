"""Pyramids and views that cannot be, or hardly: a typed error or a plan within its bounds, never a hang or a crash."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import BrickstreamError, BudgetError, MetadataError
from brickstream.multiscale import Affine, Axis, Budget, Camera, Level, Pyramid, View, plan_view
from tests.ugly import cube

AXES = tuple(Axis(name, "space") for name in "zyx")
LEVEL = Level("0", (40, 50, 60), np.dtype("u1"), (8, 8, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
COARSE = replace(LEVEL, path="1", shape=(20, 25, 30), scale=(2.0, 2.0, 2.0))
NAN, INF = float("nan"), float("inf")


def placed(linear: Any, offset: Any = (0.0, 0.0, 0.0), names: str = "zyx") -> Affine:
    return Affine(tuple(names), tuple(names), np.array(linear, float), np.array(offset, float))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"levels": ()}, "from 1 to 64 levels"),
        ({"levels": (LEVEL,) * 100}, "from 1 to 64 levels"),
        ({"axes": AXES[:2]}, "one number for each of the 2 axes"),
        ({"axes": (AXES[0], AXES[1], AXES[1])}, "axis names are unique"),
        ({"axes": ()}, "from 1 to 6 axes"),
        ({"levels": (replace(LEVEL, scale=(0.0, 1.0, 1.0)),)}, "finite and above zero"),
        ({"levels": (replace(LEVEL, scale=(NAN, 1.0, 1.0)),)}, "finite and above zero"),
        ({"levels": (replace(LEVEL, scale=(-1.0, 1.0, 1.0)),)}, "finite and above zero"),
        ({"levels": (replace(LEVEL, translation=(INF, 1.0, 1.0)),)}, "translations are finite"),
        ({"levels": (replace(LEVEL, shape=(-4, 5, 6)),)}, "at least one pixel"),
        ({"levels": (replace(LEVEL, shape=(0, 5, 6)),)}, "at least one pixel"),
        ({"levels": (replace(LEVEL, chunks=(0, 5, 6)),)}, "at least one pixel"),
        ({"levels": (replace(LEVEL, scale=(1.0, 1.0)),)}, "one number for each of the 3 axes"),
        ({"levels": (COARSE, LEVEL)}, "no finer than level 0"),
        ({"placement": placed(np.zeros((3, 3)))}, "can be undone"),
        ({"placement": placed([[1, 1, 0], [0, 0, 0], [0, 0, 1]])}, "can be undone"),
        ({"placement": placed(2 * np.eye(3))}, "columns of length 1"),
        ({"placement": placed(np.eye(3), names="abc")}, "from and to the axes z, y, x"),
    ],
)
def test_a_pyramid_that_cannot_be_is_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(MetadataError, match=rule):
        Pyramid(**{"name": "bad", "axes": AXES, "levels": (LEVEL,), **changes})


@pytest.mark.parametrize("brick", [(8, 8), (8, 8, 8, 8), ()])
def test_bricks_of_the_wrong_number_of_axes_are_refused(brick: tuple[int, ...]) -> None:
    with pytest.raises(BudgetError, match="one number for each of z, y, x"):
        plan_view(cube(64), View.volume(cube(64)), Budget(10, brick))


@pytest.mark.parametrize("brick", [(0, 8, 8), (-1, 8, 8)])
def test_bricks_without_pixels_are_refused(brick: tuple[int, ...]) -> None:
    with pytest.raises(BudgetError, match="at least one pixel"):
        Budget(10, brick)


huge = st.sampled_from([1e-300, 1e-9, 1.0, 1e9, 1e17, 1e300, -1e300, NAN, INF])


@given(
    st.sampled_from([64, 1 << 20]),
    st.tuples(huge, huge, huge),
    huge,
    st.sampled_from([1, 7, 10**5, 10**9]),
    st.sampled_from([0.0, 1e-9, 60.0, 179.9, 180.0, -1.0, NAN]),
    huge | st.none(),
    st.sampled_from([1, 3, 2000]),
    st.sampled_from([1, 2, 32, 10**9]),
)
def test_an_absurd_view_is_refused_or_planned_within_its_budget(
    side: int,
    center: tuple[float, float, float],
    zoom: float,
    canvas: int,
    fov: float,
    distance: float | None,
    bricks: int,
    brick: int,
) -> None:
    pyramid = cube(side)
    try:
        camera = Camera(fov=fov, distance=distance)
        view = View.volume(pyramid, canvas=(canvas, canvas), center=center, zoom=zoom, camera=camera)
        plan = plan_view(pyramid, view, Budget(bricks, (brick,) * 3))
    except BrickstreamError:
        return
    assert sum(len(part.bricks) for part in plan.levels) <= bricks
    for part in plan.levels:
        assert (part.corner_pixels[0] >= 0).all()
        assert (part.corner_pixels[1] < pyramid.shapes[part.level]).all()
        assert np.isfinite(part.distances).all()
