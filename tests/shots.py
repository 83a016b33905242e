"""A small pyramid, and a view of all of one of its planes, as the lab hands it to engines."""

import numpy as np

from brickstream.latency.engines.protocol import shot_of
from brickstream.multiscale import View, pyramid_of

PYRAMID = pyramid_of(
    [np.zeros((8, 64, 64), np.uint16), np.zeros((4, 32, 32), np.uint16)],
    axes=("z", "y", "x"),
    chunks=[(4, 16, 16), (4, 16, 16)],
)
SHAPES = [level.shape for level in PYRAMID.levels]
SHOT = shot_of(0.0, View.plane(PYRAMID, canvas=(64, 64), point={"z": 1.0}), PYRAMID)
