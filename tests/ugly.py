"""Pyramids as ugly as real ones, views of them, and what of them is in view, point by point."""

import numpy as np
from hypothesis import strategies as st

from brickstream.multiscale import Axis, Camera, Level, Pyramid, View


@st.composite
def pyramids(draw: st.DrawFn, ndim: int = 2, longest: int = 60) -> Pyramid:
    """Ratios that differ by axis, levels with their own translation, sizes rounded up or down, odd chunks."""
    shape = draw(st.tuples(*[st.integers(1, longest)] * ndim))
    scale = draw(st.tuples(*[st.sampled_from([0.25, 0.5, 1.0, 1.5, 3.0])] * ndim))
    shift = draw(st.tuples(*[st.sampled_from([-7.25, 0.0, 0.5, 100.0])] * ndim))
    levels = []
    for k in range(draw(st.integers(1, 4))):
        chunks = draw(st.tuples(*[st.integers(1, 20)] * ndim))
        levels.append(Level(str(k), shape, np.dtype("u1"), chunks, scale, shift))
        ratio = draw(st.tuples(*[st.sampled_from([1.0, 1.5, 2.0, 3.0, 5.0])] * ndim))
        up = draw(st.booleans())
        jitter = draw(st.tuples(*[st.sampled_from([0.0, 0.0, 0.0, 0.25, -0.5])] * ndim))
        shape = tuple(max(1, -int(-n // r) if up else int(n // r)) for n, r in zip(shape, ratio, strict=True))
        shift = tuple(t + s * ((r - 1) / 2 + j * r) for t, s, r, j in zip(shift, scale, ratio, jitter, strict=True))
        scale = tuple(s * r for s, r in zip(scale, ratio, strict=True))
    return Pyramid("ugly", tuple(Axis(name, "space") for name in "zyx"[-ndim:]), tuple(levels))


def centers(draw: st.DrawFn, pyramid: Pyramid, count: int) -> tuple[float, ...]:
    """A point in the image or somewhat beside it, in quarters of a world unit."""
    extent = pyramid.extent()[:, -count:]
    size = extent[1] - extent[0]
    return tuple(
        draw(st.integers(int((low - 0.3 * n) * 4), int((low + 1.3 * n) * 4))) / 4
        for low, n in zip(extent[0], size, strict=True)
    )


@st.composite
def planes(draw: st.DrawFn, ndim: int = 2) -> tuple[Pyramid, View]:
    pyramid = draw(pyramids(ndim))
    shown = draw(st.permutations(pyramid.axis_names))[:2]
    center = dict(zip(pyramid.axis_names[-2:], centers(draw, pyramid, 2), strict=True))
    view = View.plane(
        pyramid,
        displayed=shown,
        canvas=draw(st.tuples(st.integers(1, 80), st.integers(1, 80))),
        center={name: value for name, value in center.items() if name in shown},
        zoom=draw(st.sampled_from([0.125, 0.5, 1.0, 2.0, 8.0])),
        level=draw(st.none() | st.integers(0, len(pyramid.levels) - 1)),
    )
    return pyramid, view


@st.composite
def volumes(draw: st.DrawFn, longest: int = 24) -> tuple[Pyramid, View]:
    pyramid = draw(pyramids(3, longest=longest))
    angles = st.integers(-180, 180)
    camera = Camera(
        draw(angles), draw(st.integers(-90, 90)), draw(angles), draw(st.sampled_from([0.0, 20.0, 60.0, 120.0]))
    )
    view = View.volume(
        pyramid,
        canvas=draw(st.tuples(st.integers(1, 80), st.integers(1, 80))),
        center=centers(draw, pyramid, 3),
        zoom=draw(st.sampled_from([0.25, 1.0, 2.0, 8.0])),
        camera=camera,
        level=draw(st.none() | st.integers(0, len(pyramid.levels) - 1)),
    )
    return pyramid, view


def voxel_centres(pyramid: Pyramid, k: int) -> np.ndarray:
    """World centres of all voxels of a level: (..., 3) in the order z, y, x."""
    level = pyramid.levels[k]
    axes = [np.arange(n) * s + t for n, s, t in zip(level.shape, level.scale, level.translation, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def seen_by_projection(view: View, points: np.ndarray) -> np.ndarray:
    """Whether points (z, y, x) fall on the canvas, by turning them into the camera and dividing by depth."""
    camera = view.camera
    assert camera is not None
    width, height = view.world_size
    right, forward, up = camera.rotation().T
    offset = (points - np.array(view.center))[..., ::-1]
    across, depth, above = offset @ right, offset @ forward, offset @ up
    if camera.fov:
        slope = np.tan(np.radians(camera.fov) / 2)
        distance = camera.distance or height / 2 / slope
        shrink = (distance + depth) * slope / (height / 2)
        near, _ = camera.lens(width, height)
        shrink = np.where(distance + depth > near, shrink, 0.0)
    else:
        shrink = np.ones_like(depth)
    return (shrink > 1e-6) & (abs(across) < width / 2 * shrink * 0.999) & (abs(above) < height / 2 * shrink * 0.999)


def cube(side: int) -> Pyramid:
    levels = []
    while not levels or side * 2 > 64:
        k = len(levels)
        levels.append(Level(str(k), (side,) * 3, np.dtype("u1"), (64,) * 3, (2.0**k,) * 3, (2.0**k / 2 - 0.5,) * 3))
        side //= 2
    return Pyramid("cube", tuple(Axis(name, "space") for name in "zyx"), tuple(levels))
