"""How often rays are cast, and how many samples they have at least."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fed import CANVAS, Fed

from brickstream.multiscale import Camera, View
from brickstream.render.look import Look, Slab

SHAPE = (20, 24, 28)
SLAB = Slab((10, 12, 14), (1.0, 0.4, 0.3), 1.0)


@pytest.mark.parametrize("slab", [None, SLAB])
def test_no_ray_is_cast_twice_where_a_host_draws_both_sides_of_the_box(kit, slab: Slab | None) -> None:
    array = np.full(SHAPE, 60, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    with Fed(kit, Look(method="mip", clim=(0, 255), slab=slab, blending="additive")) as fed:
        once = fed.draw(pyramid, [array], View.volume(pyramid, canvas=CANVAS, camera=Camera(30, 20)))
        fed.screen.scene.visual.update_gl_state(cull_face=False)
        assert once.max() == 60
        assert np.array_equal(fed.picture(), once)


def test_a_slab_thinner_than_a_step_has_one_sample(kit) -> None:
    array = np.full(SHAPE, 200, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    look = Look(method="average", clim=(0, 255), slab=SLAB, step=1.0)
    with Fed(kit, look) as fed:
        one = fed.draw(pyramid, [array], View.volume(pyramid, canvas=CANVAS, camera=Camera(30, 20)))
        fed.screen.scene.look = replace(look, step=3.0)
        assert one.max() == 200
        assert np.array_equal(fed.picture(), one)
