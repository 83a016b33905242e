"""A view in an image's own coordinates, against clouds of points that plain NumPy carries there."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from placed import image
from viewed import ZYX, askew_scenes, camera_scenes, flipped, halved

from brickstream.errors import ViewError
from brickstream.multiscale import Affine, Camera, Level, Pyramid, View, localize, pixel_window
from brickstream.multiscale.canvas import canvas_at
from brickstream.multiscale.local import LocalView, level_window, pixel_at, pixel_noise

Array = NDArray[np.float64]
# Parts of the canvas and of a thickness, edge to edge.
SHARES = np.linspace(-1, 1, 5)


def placement_of(pyramid: Pyramid) -> tuple[Array, Array]:
    """Matrix and offset from own coordinates to the world."""
    if pyramid.placement is None:
        return np.eye(pyramid.ndim), np.zeros(pyramid.ndim)
    return pyramid.placement.linear, pyramid.placement.offset


def to_own(pyramid: Pyramid, world: Array) -> Array:
    linear, offset = placement_of(pyramid)
    return np.asarray((world - offset) @ np.linalg.inv(linear).T)


def thick_axes(view: View) -> list[tuple[str, tuple[float, float]]]:
    return [(name, reach) for name, reach in view.margins if sum(reach) > 0]


def cloud(pyramid: Pyramid, view: View) -> tuple[Array, Array]:
    """Places in view, from edge to edge: along the picture's axes and margins (n, b), and in the world (n, ndim)."""
    names = pyramid.axis_names
    size = np.array(view.canvas[::-1][-view.ndisplay :]) / view.zoom / 2
    steps = [SHARES * half for half in size]
    steps += [np.linspace(-below, above, 5) for _, (below, above) in thick_axes(view)]
    picture = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, len(steps))
    frame = np.zeros((len(steps), len(names)))
    frame[: view.ndisplay, [names.index(name) for name in view.displayed]] = view.frame()
    for row, (name, _) in enumerate(thick_axes(view), view.ndisplay):
        frame[row, names.index(name)] = 1.0
    center = dict(view.point) | dict(zip(view.displayed, view.center, strict=True))
    return picture, np.array([center[name] for name in names]) + picture @ frame


def depths_of(local: LocalView, picture: Array) -> Array:
    """The columns of a cloud that `along` has directions for: without margins that are a window."""
    return picture[:, : local.along.shape[1]]


def unit(pyramid: Pyramid, view: View) -> float:
    """What rounding may move a place by, generously."""
    _, world = cloud(pyramid, view)
    return 1e-9 * (1 + np.abs(world).max() + np.abs(placement_of(pyramid)[1]).max())


@pytest.mark.oracle
@given(askew_scenes())
def test_places_of_the_picture_are_where_plain_numpy_finds_them(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    local = localize(pyramid, view)
    picture, world = cloud(pyramid, view)
    own, axes = to_own(pyramid, world), list(local.axes)
    noise = unit(pyramid, view)
    depths = depths_of(local, picture)
    np.testing.assert_allclose(local.focus + depths @ local.along.T, own[:, axes], rtol=0, atol=noise)
    others = [axis for axis in range(pyramid.ndim) if axis not in axes]
    assert np.isnan(local.window[:, axes]).all()
    # Of a thickness that is a window: from the lowest place to the highest. Nothing else varies off the axes.
    found = np.stack([own.min(axis=0), own.max(axis=0)])[:, others]
    np.testing.assert_allclose(local.window[:, others], found, rtol=0, atol=noise)
    # A thickness is a window where it lies along axes of the image alone.
    there = np.abs(placement_of(pyramid)[0]) > 1e-12
    at = [pyramid.axis_index(name) for name, _ in thick_axes(view)]
    aligned = (there.sum(axis=0) == 1).all() and (there.sum(axis=1) == 1).all()
    alone = all(there[i].sum() == there[:, i].sum() == there[i, i] for i in at)
    assert depths.shape[1] == view.ndisplay + (0 if aligned or alone else len(at))


@pytest.mark.oracle
@given(askew_scenes())
def test_the_axes_are_those_along_which_the_picture_varies(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    local = localize(pyramid, view)
    linear, _ = placement_of(pyramid)
    columns = np.zeros((pyramid.ndim, 0))
    for row in view.frame():
        world = np.zeros(pyramid.ndim)
        world[[pyramid.axis_index(name) for name in view.displayed]] = row
        columns = np.column_stack([columns, np.linalg.inv(linear) @ world])
    for name, _ in thick_axes(view) if local.along.shape[1] > view.ndisplay else ():
        columns = np.column_stack([columns, np.linalg.inv(linear)[:, pyramid.axis_index(name)]])
    varies = np.flatnonzero((np.abs(columns) > 1e-12).any(axis=1)).tolist()
    assert sorted(local.axes) == varies
    assert local.flat == (len(varies) > columns.shape[1])
    runs = [np.flatnonzero(np.abs(column) > 1e-12).tolist() for column in columns.T]
    alone = all(len(run) == 1 for run in runs) and len(varies) == columns.shape[1]
    assert local.aligned == alone
    if alone:
        assert [[axis] for axis in local.axes] == runs


@pytest.mark.oracle
@given(askew_scenes())
def test_the_region_holds_what_is_in_view_and_nothing_beside_it(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    local = localize(pyramid, view)
    depths = depths_of(local, cloud(pyramid, view)[0])
    middle, half = (depths.min(axis=0) + depths.max(axis=0)) / 2, np.ptp(depths, axis=0) / 2
    rim = depths[(np.abs(depths - middle) > 0.99 * half).any(axis=1)]
    for share, which, inside in [(0.999, depths, True), (1.001, rim, False)]:
        places = local.focus + (middle + share * (which - middle)) @ local.along.T
        assert len(places) > 1
        assert (local.region.overlaps(places, places) == inside).all()


@pytest.mark.oracle
@given(askew_scenes())
def test_resolution_is_the_length_on_canvas_of_the_part_of_a_unit_that_lies_in_the_picture(
    scene: tuple[Pyramid, View],
) -> None:
    pyramid, view = scene
    local = localize(pyramid, view)
    for i, step in enumerate(np.eye(len(local.axes))):
        move = np.linalg.lstsq(local.along[:, : view.ndisplay], step, rcond=None)[0]
        pixels = np.linalg.norm(move) * view.zoom * 2.0**view.bias
        assert local.resolution[i] == pytest.approx(pixels, rel=1e-9, abs=1e-9 * view.zoom)


# ---- cameras


@pytest.mark.oracle
@given(camera_scenes(), st.tuples(*[st.floats(-1.5, 1.5)] * 3))
def test_the_region_of_a_camera_is_its_frustum(scene: tuple[Pyramid, View], share: tuple[float, ...]) -> None:
    pyramid, view = scene
    local = localize(pyramid, view)
    place = np.array(view.center) + np.array(share) * max(view.canvas) / view.zoom
    world = np.array([dict(view.point).get(name, 0.0) for name in pyramid.axis_names])
    world[[pyramid.axis_index(name) for name in view.displayed]] = place
    own = to_own(pyramid, world)
    planes = view.region().to_planes()
    slack = (planes[:, :3] @ place + planes[:, 3]) / np.linalg.norm(planes[:, :3], axis=1)
    assume(np.abs(slack).min() > 1e-6 / view.zoom)
    others = [axis for axis in range(pyramid.ndim) if axis not in local.axes]
    if not local.flat:
        at = own[None, list(local.axes)]
        assert local.region.overlaps(at, at).tolist() == [bool((slack > 0).all())]
        np.testing.assert_allclose(own[others], local.window[0, others], rtol=0, atol=1e-6)


@pytest.mark.oracle
@given(camera_scenes(), st.tuples(*[st.floats(-1, 1)] * 3))
def test_an_eye_says_how_long_a_unit_is_on_the_canvas(scene: tuple[Pyramid, View], share: tuple[float, ...]) -> None:
    pyramid, view = scene
    local = localize(pyramid, view)
    camera, eye = view.camera, local.eye
    assert camera is not None
    assert (eye is None) == (camera.fov == 0)
    linear, _ = placement_of(pyramid)
    if eye is None:
        return
    # Lengths are those of the world where the image is not sheared.
    assume(np.allclose(linear.T @ linear, np.eye(len(linear)), atol=1e-9) and not local.flat)
    names = [pyramid.axis_index(name) for name in view.displayed]
    forward, far = camera.rotation()[::-1, 1], camera.eye_distance(view.world_size[1])
    there = np.array(view.center) + np.array(share) * far
    depth = (there - np.array(view.center)) @ forward + far
    assume(depth > 0.01 * far)
    side = np.cross(forward, [0.3, -0.7, 0.5])
    side /= np.linalg.norm(side)
    pixels = np.linalg.norm(canvas_at(view, there + 1e-6 * depth * side) - canvas_at(view, there)) / (1e-6 * depth)
    world = np.array([dict(view.point).get(name, 0.0) for name in pyramid.axis_names])
    world[names] = there
    own = to_own(pyramid, world)[list(local.axes)]
    assert (own - eye.position) @ eye.forward == pytest.approx(depth)
    assert eye.focal / depth == pytest.approx(pixels * 2.0**view.bias, rel=1e-5)
    corners = np.array([[w, h] for w in (0, view.canvas[0]) for h in (0, view.canvas[1])]) - np.array(view.canvas) / 2
    widest = max(np.linalg.norm(corner) for corner in corners)
    assert eye.spread == pytest.approx(np.cos(np.arctan(widest / (eye.focal / 2.0**view.bias))))
    planes = view.region().to_planes()
    nearest = np.array(view.center) + (eye.near - far) * forward
    assert planes[4, :3] @ nearest + planes[4, 3] == pytest.approx(0, abs=1e-9 * far)


def test_the_resolution_of_a_volume_is_that_at_its_centre() -> None:
    near = Camera(fov=90.0, distance=10.0)
    for camera, zoom in [(Camera(), 2.0), (Camera(fov=90.0), 2.0), (near, 5.0)]:
        view = View.volume(halved(flipped(7.0)), canvas=(80, 100), zoom=2.0, camera=camera, bias=1.0)
        np.testing.assert_allclose(localize(halved(flipped(7.0)), view).resolution, [2 * zoom] * 3)


# ---- which axes there are


def test_axes_that_the_view_does_not_name_are_at_their_first_pixel() -> None:
    parts = (Level("0", (5, 6, 7), np.dtype("u1"), (5, 6, 7), (2.0, 1.0, 1.0), (30.0, 0.0, 0.0)),)
    turn = flipped(100.0)
    for placement, first in [(None, 30.0), (turn, 30.0)]:
        pyramid = image(("z", "y", "x"), parts, placement)
        local = localize(pyramid, View(("y", "x"), (), (4, 4), (1.0, 1.0), 1.0))
        assert local.window[:, 0].tolist() == [first, first]


def test_axes_that_the_image_does_not_have_are_no_restriction() -> None:
    view = View(("y", "x"), (("t", 4.0), ("z", 3.0)), (4, 4), (1.0, 1.0), 1.0, margins=(("t", (1.0, 1.0)),))
    there, without = localize(halved(), view), localize(halved(), View.from_dict(view.to_dict() | {"margins": {}}))
    assert there.axes == without.axes == (1, 2)
    np.testing.assert_array_equal(there.window, without.window)
    with pytest.raises(ViewError, match="no axis 'c'"):
        localize(halved(), View(("c", "x"), (), (4, 4), (1.0, 1.0), 1.0))


def test_a_picture_within_as_many_axes_has_them_in_its_own_order() -> None:
    """Turned by little, down still runs mostly along y; by more than 45 degrees, along x."""
    for degrees, axes in [(0.0, (1, 2)), (30.0, (1, 2)), (60.0, (2, 1)), (90.0, (2, 1)), (180.0, (1, 2))]:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = Affine(("z", "y", "x"), ("z", "y", "x"), np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), np.zeros(3))
        pyramid = halved(turn)
        assert localize(pyramid, View.plane(pyramid)).axes == axes


# ---- pixels of a level

EIGHTHS = st.integers(-40, 120).map(lambda n: n / 8)


@given(EIGHTHS, EIGHTHS, st.integers(1, 12))
def test_a_window_has_the_pixels_that_it_overlaps(one: float, other: float, n: int) -> None:
    low, high = sorted((one, other))
    first, last = (int(end[0]) for end in pixel_window(np.array([low]), np.array([high]), np.array([n])))
    shown = [i for i in range(n) if i - 0.5 < high and low < i + 0.5]
    if low == high:
        shown = [i for i in range(n) if i - 0.5 <= low < i + 0.5]
    nearest = 0 if high <= -0.5 else n - 1
    assert (first, last) == ((shown[0], shown[-1]) if shown else (nearest, nearest))


@given(EIGHTHS, st.integers(1, 12))
def test_the_pixel_at_a_place_holds_it(place: float, n: int) -> None:
    holding = [i for i in range(n) if i - 0.5 <= place < i + 0.5]
    beside = [-1] if place < -0.5 else [n]
    assert [int(pixel_at(np.array(place), np.array(n)))] == (holding or beside)


@pytest.mark.parametrize("off", [-1e-10, 0.0, 1e-10])
def test_a_billionth_of_a_pixel_is_noise(off: float) -> None:
    low, high, shape = np.array([1.5 + off]), np.array([4.5 + off]), np.array([9])
    assert [int(end[0]) for end in pixel_window(low, high, shape)] == [2, 4]
    assert [int(end[0]) for end in pixel_window(low + 0.01, high + 0.01, shape)] == [2, 5]
    assert [int(end[0]) for end in pixel_window(low - 0.01, high - 0.01, shape)] == [1, 4]
    assert int(pixel_at(low[0], shape[0])) == 2


@pytest.mark.parametrize("far", [float("inf"), 1e300, 1e75])
def test_positions_without_end_are_beside_the_level(far: float) -> None:
    first, last = pixel_window(np.array([-far, far, -far]), np.array([far, far, -far]), np.array([5, 5, 5]))
    assert (first.tolist(), last.tolist()) == ([0, 4, 0], [4, 4, 0])
    assert pixel_at(np.array([-far, far]), np.array([5, 5])).tolist() == [-1, 5]


@given(st.integers(0, 10**9), st.booleans(), st.floats(1e-3, 1e3), st.integers(0, 50), st.integers(0, 10**10))
@example(far=0, back=False, scale=0.1, one=0, size=9_999_999_800)
@example(far=0, back=False, scale=1 / 3, one=0, size=9_999_999_800)
@example(far=0, back=False, scale=0.65, one=0, size=9_999_999_801)
@pytest.mark.oracle
def test_far_from_the_origin_edges_are_still_edges(far: int, back: bool, scale: float, one: int, size: int) -> None:
    """A window from the edge of one pixel to that of another, through float64 positions of any size.

    Pixel 0 is far from the origin, and the window as far, or back at the origin among pixels of large numbers.
    """
    first, last = one + far * back, one + far * back + size
    start = scale * (far * (1 - 2 * back) + 1 / 3)
    pyramid = Pyramid("far", ZYX[2:], (Level("0", (10**11,), np.dtype("u1"), (51,), (scale,), (start,)),))
    low, high = (np.array([scale * (edge + far * (1 - 2 * back) + 1 / 3)]) for edge in (first - 0.5, last + 0.5))
    noise = float(pixel_noise(pyramid, 0, np.maximum(np.abs(low), np.abs(high)))[0])
    assume(noise < 0.25)
    assert [int(end[0]) for end in level_window(pyramid, 0, low, high)] == [first, last]
    # Not by chance: exactly, both ends are nearer to their edges than the noise.
    exact = [(Fraction(float(end[0])) - Fraction(start)) / Fraction(scale) for end in (low, high)]
    assert abs(exact[0] - (first - Fraction(1, 2))) < noise
    assert abs(exact[1] - (last + Fraction(1, 2))) < noise


def test_noise_is_at_least_a_billionth_and_at_most_a_quarter_of_a_pixel() -> None:
    pyramid = Pyramid("p", ZYX[2:], (Level("0", (9,), np.dtype("u1"), (9,), (1.0,), (0.0,)),))
    for far, low, high in [(0.0, 1e-9, 1e-9), (1e9, 9e-7, 1e-6), (1e30, 0.25, 0.25)]:
        assert low <= float(pixel_noise(pyramid, 0, np.array([far]))[0]) <= high
