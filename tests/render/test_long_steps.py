"""Pictures of a volume that moves: long steps, and what hides them."""

from __future__ import annotations

import numpy as np
import pytest
from fed import CANVAS, Fed, Picture, pyramid_of
from vispy.color import Colormap

from brickstream.multiscale import Camera, View
from brickstream.render.look import Look

SHAPE = (48, 56, 64)
FOG = Colormap([(0, 0, 0, 0), (1, 1, 1, 0.04)])
CLEAR, WHITE = (0, 0, 0, 0), (1, 1, 1, 0.5)
SHELLS = Colormap([CLEAR, CLEAR, (0.9, 0.5, 0.1, 0.5), CLEAR, WHITE, CLEAR, WHITE, CLEAR, (0.2, 0.6, 1, 0.5)])


def hill() -> np.ndarray:
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    return (255 * np.exp(-3 * (z**2 + y**2 + x**2))).astype(np.float32)


def smoothed(picture: Picture, reach: int = 4) -> Picture:
    """Means over squares: what is left of an error that has a shape."""
    for axis in (0, 1):
        sums = np.cumsum(picture, axis=axis)
        picture = np.diff(np.take(sums, range(0, sums.shape[axis], reach), axis=axis), axis=axis) / reach
    return picture


@pytest.mark.parametrize("method", ["translucent", "additive", "attenuated_mip"])
def test_long_steps_leave_fog_as_dense(kit, method: str) -> None:
    pyramid, arrays = pyramid_of(kit, np.full(SHAPE, 128.0), [])
    colormap = "grays" if method == "attenuated_mip" else FOG
    with Fed(kit, Look(method=method, clim=(0, 255), colormap=colormap, attenuation=0.05)) as fed:
        wanted = fed.draw(pyramid, arrays, View.volume(pyramid, canvas=CANVAS, camera=Camera(30, 20)))
        fed.screen.scene.coarseness = 5.0
        assert fed.picture().mean() == pytest.approx(wanted.mean(), rel=0.01)
        fed.screen.scene.coarseness = 1.0
        assert np.array_equal(fed.picture(), wanted)


def test_jitter_makes_noise_of_the_rings_of_long_steps(kit) -> None:
    pyramid, arrays = pyramid_of(kit, hill(), [])
    errors = {}
    with Fed(kit, Look(method="translucent", clim=(0, 255), colormap=SHELLS)) as fed:
        wanted = fed.draw(pyramid, arrays, View.volume(pyramid, canvas=CANVAS, camera=Camera(30, 20)))
        for jitter in (False, True):
            fed.screen.scene.look = Look(method="translucent", clim=(0, 255), colormap=SHELLS, step=0.8, jitter=jitter)
            fed.screen.scene.coarseness = 5.0
            error = smoothed(fed.picture() - wanted)[..., 0]
            errors[jitter] = float(error[smoothed(wanted)[..., 0] > 40].std())
    assert errors[False] > 3
    assert errors[True] < 0.6 * errors[False], errors
