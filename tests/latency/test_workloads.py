"""Named workloads: the same words are a session of any image, always the same one of the same image."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brickstream.errors import BrickstreamError, ViewError
from brickstream.latency.workloads import DATA as IMAGES
from brickstream.latency.workloads import (
    WORKLOADS,
    Session,
    Step,
    load_workload,
    read_workload,
    workload_of,
    write_workload,
)
from brickstream.latency.workloads.places import Place, stage_of
from brickstream.latency.workloads.session import session_of
from brickstream.latency.workloads.workload import Workload, workload_from
from brickstream.multiscale import Axis, Budget, Camera, Level, Pyramid, View, plan_view
from brickstream.multiscale.navigate import cut_through, move_point, pan

KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
DATA = {"format": "brickstream-workload", "version": 1, "title": "", "canvas": [80, 60], "ndisplay": 2}


def pyramid(names: str, shape: tuple[int, ...], levels: int, chunk: int = 64) -> Pyramid:
    """Halves along the axes of space; pixels of 0.5, at an offset, and those of t of 2."""
    space = np.array([KINDS[name] == "space" for name in names])
    base = np.where(space, 0.5, 2.0)
    parts = []
    for k in range(levels):
        factor = np.where(space, 2**k, 1)
        size = tuple(int(-(-n // f)) for n, f in zip(shape, factor, strict=True))
        chunks = tuple(min(chunk, n) if s else 1 for n, s in zip(size, space, strict=True))
        move = 10 + base * (factor - 1) / 2
        parts.append(Level(str(k), size, np.dtype("u2"), chunks, tuple((base * factor).tolist()), tuple(move.tolist())))
    return Pyramid(names, tuple(Axis(name, KINDS[name]) for name in names), tuple(parts))


STACK = pyramid("zyx", (256, 512, 512), 4)
SERIES = pyramid("tczyx", (7, 2, 40, 300, 400), 3)
PLANE = pyramid("yx", (21600, 43200), 8, 512)


def positions(session: Session, axis: str) -> list[float]:
    return [dict(step.view.point)[axis] for step in session.steps]


def target(image: Pyramid, view: View) -> int:
    """The finest level that is needed where memory has no end."""
    return plan_view(image, view, Budget(10**6, (64,) * view.ndisplay)).target.level


def workload(**document: Any) -> Workload:
    return workload_from({**DATA, **document})


# ---- the named ones


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("image", [STACK, SERIES], ids=["stack", "series"])
def test_every_one_is_a_session_of_any_volume(name: str, image: Pyramid) -> None:
    session = load_workload(name).session(image)
    assert session == load_workload(name).session(image)
    assert session.title
    assert session.seconds <= 6
    assert all(one.view != other.view for one, other in pairwise(session.steps))
    for step in session.steps:
        assert step.view.canvas == session.canvas
        assert target(image, step.view) < len(image.levels)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_plane_has_those_that_need_no_third_axis(name: str) -> None:
    made = load_workload(name)
    if name in ("open-plane", "jump", "pan", "zoom"):
        assert made.session(PLANE).canvas == made.canvas
    else:
        with pytest.raises(ViewError, match=r"axis to move along|3 axes are needed"):
            made.session(PLANE)


def test_zooming_goes_through_every_level_and_back() -> None:
    for image in (STACK, PLANE):
        session = load_workload("zoom").session(image)
        targets = [target(image, step.view) for step in session.steps]
        deepest = targets.index(0)
        coarsest = len(image.levels) - 1
        assert targets[: deepest + 1] == sorted(targets[: deepest + 1], reverse=True)
        assert set(targets) == set(range(coarsest + 1))
        assert (targets[0], targets[-1]) == (coarsest, coarsest)


def test_a_pan_is_steady_and_a_jump_is_none() -> None:
    centers = np.array([step.view.center for step in load_workload("pan").session(STACK).steps])
    steps = np.diff(centers, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), rtol=0, atol=1e-9)
    jumps = load_workload("jump").session(STACK).steps
    assert [step.at for step in jumps] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert len({step.view.zoom for step in jumps}) == len(jumps)


def test_scrubbing_stops_at_the_centres_of_planes() -> None:
    place = (np.array(positions(load_workload("scrub").session(STACK), "z")) - 10) / 0.5
    np.testing.assert_array_equal(place, np.rint(place))
    assert [place[0], place.max(), place[-1]] == [64, 191, 140]


def test_a_film_is_played_frame_by_frame_and_goes_round() -> None:
    film = load_workload("playback").session(SERIES)
    assert film.playback
    assert positions(film, "t") == [10 + 2.0 * (frame % 7) for frame in range(24)]
    assert film.steps[3].at == pytest.approx(0.3)
    stack = load_workload("playback").session(STACK)
    assert positions(stack, "z") == [10 + 0.5 * frame for frame in range(24)]


def test_an_orbit_goes_half_way_around_at_a_constant_rate() -> None:
    steps = load_workload("orbit").session(STACK).steps
    cameras = [step.view.camera for step in steps]
    assert all(camera is not None for camera in cameras)
    forward = np.array([camera.rotation()[:2, 1] for camera in cameras if camera is not None])
    np.testing.assert_allclose(forward[0], -forward[-1], atol=1e-9)
    turns = np.linalg.norm(np.diff(forward, axis=0), axis=1)
    assert np.ptp(turns) < 0.02
    assert {step.view.zoom for step in steps} == {steps[0].view.zoom}


def test_a_flight_is_in_perspective() -> None:
    assert {step.view.camera.fov for step in load_workload("fly").session(STACK).steps if step.view.camera} == {45.0}


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(BrickstreamError, match="open-plane, "):
        load_workload("../open-plane")


# ---- places


def test_a_place_is_where_it_says_on_any_image() -> None:
    view = stage_of(STACK, (80, 60), 2, ["z"]).view(Place((0.25, 1.0), 2.0, along=1.0))
    low, high = STACK.extent()
    np.testing.assert_allclose(view.center, [low[1] + (high[1] - low[1]) / 4, high[2]])
    assert view.zoom == 2 * View.plane(STACK, canvas=(80, 60)).zoom
    assert dict(view.point) == {"z": 10 + 255 * 0.5}


@pytest.mark.parametrize(("of", "pixel"), [("finest", 0.5), ("coarsest", 4.0)])
def test_pixels_are_canvas_pixels_along_a_pixel_of_a_level(of: str, pixel: float) -> None:
    assert stage_of(STACK, (80, 60), 2, ()).view(Place((0.5, 0.5), pixels=3.0, of=of)).zoom == 3 / pixel


def test_the_axis_to_move_along_is_the_first_that_has_several_steps_and_is_not_displayed() -> None:
    assert stage_of(SERIES, (8, 8), 2, ["x", "q", "c", "t"]).axis == "c"
    assert stage_of(SERIES, (8, 8), 3, ["z", "t"]).axis == "t"
    assert stage_of(pyramid("zyx", (1, 64, 64), 1), (8, 8), 2, ["z"]).axis is None


# ---- documents


def test_each_place_says_what_differs_from_the_one_before() -> None:
    made = workload(
        ndisplay=3,
        places=[
            {"at": 0, "pixels": 2, "camera": {"azimuth": 5, "fov": 30}},
            {"at": 1, "camera": {"elevation": 10}},
            {"at": 2, "zoom": 3, "center": [0, 0.5, 1]},
        ],
    )
    first, second, third = (place for _, place in made.places)
    assert first == Place((0.5,) * 3, pixels=2, camera=Camera(5, 30, fov=30))
    assert second == Place((0.5,) * 3, pixels=2, camera=Camera(5, 10, fov=30))
    assert third == Place((0.0, 0.5, 1.0), 3, camera=Camera(5, 10, fov=30))


def test_jumps_follow_their_seed() -> None:
    one, same, other = (
        workload(jumps={"seed": seed, "count": 4, "every": 1, "zoom": [2, 8]}).places for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert all(2 <= place.zoom <= 8 and 0.15 <= min(place.center) <= max(place.center) <= 0.85 for _, place in one)


def test_a_workload_goes_to_a_file_and_back(tmp_path: Path) -> None:
    for name in WORKLOADS:
        before = load_workload(name)
        write_workload(tmp_path / "w.json", before)
        assert read_workload(tmp_path / "w.json") == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "brickstream-session"}, "not a brickstream-workload"),
        ({"speed": 2}, "unknown: speed: w.json"),
        ({"title": None}, "title is a str: w.json"),
        ({"playback": 1}, "playback is a bool"),
        ({"ndisplay": 4}, "2 or 3 axes"),
        ({"ndisplay": "two"}, "ndisplay is a number: w.json"),
        ({"rate": 0}, "rate is above zero"),
        ({"rate": "often"}, "the rate is a number"),
        ({"places": []}, "rise from 0"),
        ({"places": {}}, "places are a list"),
        ({"places": [{"at": 1}]}, "rise from 0"),
        ({"places": [{"at": 0}, {"at": 0}]}, "rise from 0"),
        ({"places": [{"at": 0}, {"zoom": 2}]}, r"missing: at: w.json, places\[1\]"),
        ({"places": [{"at": 0, "zoom": -2}]}, r"above zero: w.json, places\[0\], zoom"),
        ({"places": [{"at": 0, "of": "middle"}]}, r"finest or coarsest"),
        ({"places": [{"at": 0, "center": "here"}]}, r"center is a list of numbers: w.json, places\[0\]"),
        ({"places": [{"at": 0}], "frames": {"count": 1, "fps": 1}}, "found places, frames"),
        ({"places": None}, "found none"),
        ({"frames": {"count": 3}, "places": None}, "missing: fps"),
        ({"jumps": {"seed": 1, "count": 2, "every": 1, "zoom": 2}, "places": None}, "zoom is a list of numbers"),
    ],
)
def test_what_is_no_workload_is_refused_with_its_place(changes: dict[str, Any], says: str) -> None:
    document = {**DATA, "places": [{"at": 0}], **changes}
    document = {name: value for name, value in document.items() if value is not None or name == "title"}
    with pytest.raises(ViewError, match=says):
        workload_from(json.loads(json.dumps(document)), "w.json")


# ---- what was recorded


def test_a_recorded_session_becomes_the_same_session_of_its_image_again() -> None:
    view = View.plane(STACK, canvas=(80, 60))
    views = [view, pan(view, 7, 5), move_point(view, "z", 20.0), pan(move_point(view, "z", 20.5), 3, 3)]
    before = Session("Mine", (80, 60), tuple(Step(0.25 * k, view) for k, view in enumerate(views)))
    made = workload_of(before, STACK)
    again = made.session(STACK)
    assert made.axes == ("z",)
    assert [step.at for step in again.steps] == [step.at for step in before.steps]
    for one, other in zip(again.steps, before.steps, strict=True):
        assert one.view.point == other.view.point
        np.testing.assert_allclose(one.view.center, other.view.center, atol=1e-3)
        np.testing.assert_allclose(one.view.zoom, other.view.zoom, rtol=1e-5)
    assert made.session(SERIES).canvas == (80, 60)


@pytest.mark.parametrize(
    "view",
    [
        View.volume(STACK, canvas=(80, 60)),
        View.plane(STACK, ("z", "x"), canvas=(80, 60)),
        View.plane(STACK, canvas=(80, 60), margins={"z": 3}),
        cut_through(View.plane(STACK, canvas=(80, 60)), "z"),
    ],
    ids=["volume", "other axes", "thick", "cut"],
)
def test_what_a_place_cannot_say_is_refused(view: View) -> None:
    session = Session("", (80, 60), (Step(0, View.plane(STACK, canvas=(80, 60))), Step(1, view)))
    with pytest.raises(ViewError, match="a place says nothing of other axes"):
        workload_of(session, STACK)


# ---- the page


def test_the_page_has_every_name_and_its_documents_can_be_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text(encoding="utf-8")
    tables, _ = page.split("## A session")
    assert re.findall(r"^\| `([\w-]+)` \|", tables, re.MULTILINE) == [*WORKLOADS, *IMAGES]
    session, workload = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    assert session_of(session).image.endswith("brain.ome.zarr")
    assert workload_from(workload) == load_workload("scrub")
