"""Views, cameras, and what of the world they see."""

import numpy as np
import pytest

from brickstream.errors import ViewError
from brickstream.multiscale import Axis, Camera, Level, Pyramid, View

AXES = tuple(Axis(n, t) for n, t in [("t", "time"), ("c", "channel"), ("z", "space"), ("y", "space"), ("x", "space")])
IMAGE = Pyramid(
    "movie",
    AXES,
    (
        Level(
            "0", (5, 2, 10, 40, 80), np.dtype("u1"), (1, 1, 5, 16, 16), (0.5, 1.0, 4.0, 1.0, 1.0), (1.0, 0, 2, 0.5, 0.5)
        ),
    ),
)
FLAT = Pyramid("flat", AXES[3:], (Level("0", (40, 80), np.dtype("u1"), (16, 16), (1.0, 1.0), (0.5, 0.5)),))


def test_a_plane_without_wishes_fits_the_canvas() -> None:
    view = View.plane(IMAGE, canvas=(800, 600))
    assert view.displayed == ("y", "x")
    assert view.center == (20.0, 40.0)
    assert view.zoom == 10.0
    assert view.world_size == (80.0, 60.0)
    assert view.region().box.tolist() == [[-10.0, 0.0], [50.0, 80.0]]
    # Time and channel start at their first pixel, space at the centre of its middle pixel.
    assert dict(view.point) == {"t": 1.0, "c": 0.0, "z": 22.0}


def test_a_plane_can_show_any_two_axes_in_any_order() -> None:
    view = View.plane(IMAGE, displayed=("x", "z"), canvas=(100, 200), zoom=2.0, center={"x": 7.0})
    assert view.center == (7.0, 20.0)
    assert view.region().box.tolist() == [[-43.0, -5.0], [57.0, 45.0]]


def test_a_volume_without_wishes_fits_the_canvas() -> None:
    view = View.volume(IMAGE, canvas=(200, 100), camera=Camera(0.0, 0.0))
    assert view.displayed == ("z", "y", "x")
    assert view.center == (20.0, 20.0, 40.0)
    # From the front: 80 wide and 40 high, with a little air.
    assert view.zoom == pytest.approx(100 / 40 / 1.04)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"displayed": ("y", "q")}, "no axis 'q'"),
        ({"displayed": ("y",)}, "2 axes are displayed"),
        ({"displayed": ("y", "y")}, "displayed axes are different"),
        ({"point": {"q": 1.0}}, "no axis 'q'"),
        ({"point": {"x": 1.0}}, "'x' is displayed"),
        ({"point": {"z": 41.0}}, "z=41 is outside the image.*z runs from 2 to 38"),
        ({"point": {"z": float("nan")}}, "z=nan is outside"),
        ({"canvas": (0, 10)}, "at least one pixel"),
        ({"zoom": 0.0}, "above zero"),
        ({"zoom": float("inf")}, "finite"),
        ({"center": (1.0, float("nan"))}, "finite"),
        ({"center": (1.0,)}, "one number for each displayed axis"),
        ({"center": {"z": 1.0}}, "not displayed"),
        ({"level": -1}, "no level -1"),
    ],
)
def test_a_view_that_cannot_be_is_refused(wish: dict[str, object], words: str) -> None:
    with pytest.raises(ViewError, match=words):
        View.plane(IMAGE, **wish)  # type: ignore[arg-type]


def test_a_flat_image_has_no_volume() -> None:
    with pytest.raises(ViewError, match="3 axes are needed"):
        View.volume(FLAT)


def test_views_are_values() -> None:
    one, same = View.plane(IMAGE, canvas=(10, 10)), View.plane(IMAGE, canvas=(10, 10))
    assert one == same
    assert hash(one) == hash(same)
    assert one != View.plane(IMAGE, canvas=(10, 11))


def test_overlaps_is_half_open_in_a_plane() -> None:
    region = View.plane(FLAT, canvas=(10, 10), zoom=1.0, center=(5.0, 5.0)).region()
    low = np.array([[10.0, 0.0], [-1.0, 0.0], [-2.0, 0.0], [3.0, 9.999]])
    assert region.overlaps(low, low + 1.0).tolist() == [False, False, False, True]
