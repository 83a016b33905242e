"""The array that is put together where the finished picture is of several levels."""

import numpy as np

from brickstream.engine.compose import Piece, compose
from brickstream.latency.suites.planning import halved
from brickstream.multiscale import Budget, Camera, View, plan_view


def test_where_the_finest_level_is_not_needed_a_coarser_one_is_seen() -> None:
    """Every pixel of the box around the finest bricks shows the finest chunk that the finished picture has there."""
    pyramid = halved("cube", (32, 32, 32), 4)
    view = View.volume(pyramid, canvas=(60, 40), zoom=2.0, center=(16, 10, 16), camera=Camera(30.0, 20.0, 0.0, 90.0))
    plan = plan_view(pyramid, view, Budget(200, (4, 4, 4)))
    assert len([part for part in plan.levels if part.final.any()]) > 1
    pieces = []
    for part in plan.levels:
        for index in part.chunks.tolist():
            region = np.array(pyramid.levels[part.level].chunk_box(tuple(index)))
            pieces.append(Piece(part.level, region, np.full(region[1] - region[0], 10 + part.level, np.uint16)))
    target = plan.target
    picture = compose(plan, target.level, pieces)
    corners = target.corner_pixels
    assert picture.shape == tuple(corners[1] - corners[0] + 1)
    expected = np.zeros(picture.shape, np.uint16)
    for place, pixel in enumerate(np.stack(np.indices(picture.shape), axis=-1).reshape(-1, 3) + corners[0]):
        for part in plan.levels:
            scale = 2 ** (part.level - target.level)
            if (part.chunks == pixel // scale // 4).all(axis=1).any():
                expected.flat[place] = 10 + part.level
    np.testing.assert_array_equal(picture, expected)
    assert len(np.unique(picture)) > 1
