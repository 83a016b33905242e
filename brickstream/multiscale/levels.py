"""Which level fills the canvas."""

from __future__ import annotations

import numpy as np

from brickstream.multiscale.local import localize
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.view import View

# Float noise of a zoom that was itself computed from extents must not push the choice one level finer.
TOLERANCE = 1e-6


def choose_level(pyramid: Pyramid, view: View) -> int:
    """Choose the coarsest level with at least one pixel per canvas pixel on every displayed axis.

    An axis that no finer level resolves better does not count: going finer would not help it. Level 0 where none has
    enough. For a volume the pixels are those at the centre of the view.
    """
    if view.level is not None:
        return view.level
    local = localize(pyramid, view)
    scales = pyramid.scales[:, list(local.axes)]
    best_so_far = np.minimum.accumulate(scales, axis=0)
    for k in range(len(scales) - 1, 0, -1):
        fine_enough = scales[k] * local.resolution <= 1 + TOLERANCE
        no_better = scales[k] <= best_so_far[k - 1] * (1 + TOLERANCE)
        if (fine_enough | no_better).all():
            return k
    return 0
