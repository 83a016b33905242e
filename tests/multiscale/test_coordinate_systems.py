"""Coordinate systems of OME-NGFF 0.6 and the ways between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc5 import Json, by_dimension, matrix, sequence, step, system

from brickstream.errors import MetadataError
from brickstream.multiscale import Affine
from brickstream.multiscale.ome.graph import CoordinateGraph, Node
from brickstream.multiscale.ome.v06 import read_scene


def scene(systems: list[Json], *steps: Json) -> CoordinateGraph:
    return read_scene({"coordinateSystems": systems, "coordinateTransformations": list(steps)}, "ome.scene")


def test_transformations_are_walked_both_ways() -> None:
    graph = scene(
        [system("a", "ji"), system("b"), system("c", "vu")],
        step("a", "b", type="scale", scale=[2, 4]),
        step({"name": "c"}, {"name": "b"}, type="translation", translation=[1, 1]),
    )
    there = graph.between("a", "c")
    assert matrix(there) == [[2, 0, -1], [0, 4, -1]]
    assert there.inputs == ("j", "i")
    assert there.outputs == ("v", "u")
    assert matrix(graph.between("c", "a")) == [[0.5, 0, 0.5], [0, 0.25, 0.25]]
    assert graph.between("b", "b") == Affine.identity("yx")


def test_the_inverse_that_is_given_is_taken() -> None:
    given_inverse = {"type": "translation", "translation": [10, 10]}
    both = {"type": "bijection", "forward": {"type": "translation", "translation": [1, 1]}, "inverse": given_inverse}
    graph = scene([system("a"), system("b")], step("a", "b", **both))
    assert graph.between("a", "b").offset.tolist() == [1, 1]
    assert graph.between("b", "a").offset.tolist() == [10, 10]
    inside = sequence({"type": "scale", "scale": [2, 2]}, both)
    graph = scene([system("a"), system("b")], step("a", "b", **inside))
    assert matrix(graph.between("a", "b")) == [[2, 0, 1], [0, 2, 1]]
    assert matrix(graph.between("b", "a")) == [[0.5, 0, 5], [0, 0.5, 5]]
    one_axis = {
        "type": "bijection",
        "forward": {"type": "scale", "scale": [2]},
        "inverse": {"type": "translation", "translation": [3]},
    }
    parts = by_dimension((one_axis, [1], [0]), ({"type": "scale", "scale": [4]}, [0], [1]))
    graph = scene([system("a"), system("b")], step("a", "b", **parts))
    assert matrix(graph.between("a", "b")) == [[0, 2, 0], [4, 0, 0]]
    assert matrix(graph.between("b", "a")) == [[0, 0.25, 0], [1, 0, 3]]


def test_the_shortest_way_is_taken() -> None:
    double: Json = {"type": "scale", "scale": [2, 2]}
    graph = scene(
        [system(name) for name in "abcde"],
        *(step(source, target, **double) for source, target in ("ab", "bc", "cd", "de")),
        step("e", "a", type="scale", scale=[5, 5]),
    )
    assert graph.between("a", "e").scales == pytest.approx([0.2, 0.2])
    assert graph.between("a", "c").scales == pytest.approx([4, 4])


def test_names_that_point_at_each_other_end() -> None:
    graph = scene([system("a"), system("b")], step("a", "b"), step("b", "a"), step("a", "a"), step("b", "b"))
    assert graph.between("a", "b") == Affine.identity("yx")


def test_ways_that_are_equally_short_lead_to_the_same_place_or_nowhere() -> None:
    def graph(*direct: Json) -> CoordinateGraph:
        systems = [system(name) for name in "abcd"]
        half = [("a", "b", [2, 4]), ("b", "d", [5, 5]), ("a", "c", [5, 5])]
        steps = [step(source, target, type="scale", scale=scale) for source, target, scale in half]
        return scene(systems, *steps, *direct)

    agreeing = graph(step("c", "d", type="scale", scale=[2.001, 4]))
    assert matrix(agreeing.between("a", "d")) == [[10, 0, 0], [0, 20, 0]]
    turned = graph(step("d", "c", type="scale", scale=[0.5, 0.25]))
    assert matrix(turned.between("a", "d")) == [[10, 0, 0], [0, 20, 0]]
    for off in (
        {"type": "scale", "scale": [2, 5]},
        {"type": "translation", "translation": [9, 0]},
        {"type": "identity"},
    ):
        contradicting = graph(step("c", "d", **off))
        with pytest.raises(MetadataError, match="ways that agree"):
            contradicting.between("a", "d")
        assert Node("d") not in contradicting.maps(Node("a"))
        assert matrix(contradicting.between("a", "c")) == [[5, 0, 0], [0, 5, 0]]
        # A way that is shorter than both decides.
        shorter = graph(step("c", "d", **off), step("a", "d", type="scale", scale=[1, 7]))
        assert matrix(shorter.between("a", "d")) == [[1, 0, 0], [0, 7, 0]]


def test_two_transformations_between_the_same_systems_have_to_agree() -> None:
    double: Json = {"type": "scale", "scale": [2, 2]}
    assert matrix(scene([system("a"), system("b")], *[step("a", "b", **double)] * 2).between("b", "a"))[0][0] == 0.5
    with pytest.raises(MetadataError, match="ways that agree"):
        scene([system("a"), system("b")], step("a", "b", **double), step("a", "b")).between("a", "b")
    with pytest.raises(MetadataError, match="ways that agree"):
        scene([system("a"), system("b")], step("a", "b", **double), step("b", "a", **double)).between("a", "b")


def test_ways_to_other_numbers_of_axes_do_not_agree() -> None:
    far = {"path": "image", "name": "physical"}
    flat, deep = {"type": "scale", "scale": [1, 1]}, {"type": "affine", "affine": [[1, 0, 0], [0, 1, 0], [0, 0, 0]]}
    with pytest.raises(MetadataError, match="ways that agree"):
        scene([system("a")], step("a", far, **flat), step("a", far, **deep)).between("a", Node("physical", "image"))
    nothing: Json = {"type": "identity"}
    graph = scene(
        [], step(far, {"path": "b", "name": "p"}, **nothing), step({"path": "b", "name": "p"}, far, **nothing)
    )
    assert graph.maps(Node("physical", "image")) == {Node("physical", "image"): None, Node("p", "b"): None}


def test_early_drafts_refer_to_arrays_and_images_by_their_paths_alone() -> None:
    value = {"coordinateSystems": [system("world")], "coordinateTransformations": [step({"path": "image"}, "world")]}
    graph = read_scene(value, "ome.scene", "0.6.dev2")
    assert graph.between(Node("", "image"), "world") == Affine.identity("yx").rename(("dim_0", "dim_1"))
    with pytest.raises(MetadataError, match="the name of a coordinate system"):
        read_scene(value, "ome.scene")


def test_systems_of_other_groups_are_told_apart() -> None:
    def tile(i: int) -> Json:
        return {"path": f"tile_{i}", "name": "physical"}

    graph = scene(
        [system("world")],
        *(step(tile(i), {"name": "world"}, type="translation", translation=[0, 348 * i]) for i in range(3)),
        step(tile(2), {"path": "view", "name": "physical"}),
    )
    between = graph.between(Node("physical", "tile_0"), Node("physical", "tile_2"))
    assert between.offset.tolist() == [0, -696]
    assert between.inputs == ("dim_0", "dim_1")
    assert graph.between(Node("physical", "view"), "world").offset.tolist() == [0, 696]
    with pytest.raises(MetadataError, match="axes are known"):
        graph.between(Node("physical", "tile_2"), Node("physical", "view"))


def test_a_way_that_cannot_be_walked_is_no_way() -> None:
    flat = {"type": "affine", "affine": [[1, 1, 0], [1, 1, 0]]}
    graph = scene(
        [system(name) for name in "abcd"],
        step("a", "b", **flat),
        step("b", "c", type="displacements", path="field"),
    )
    assert matrix(graph.between("a", "b")) == [[1, 1, 0], [1, 1, 0]]
    with pytest.raises(MetadataError, match="inverted"):
        scene([system("a"), system("b")], step("a", "b", **flat)).between("b", "a")
    with pytest.raises(MetadataError, match="linear"):
        graph.between("b", "c")
    with pytest.raises(MetadataError, match="lead there"):
        scene([system(name) for name in "abd"], step("a", "b")).between("a", "d")
    with pytest.raises(MetadataError, match="one of a, b") as caught:
        scene([system("a"), system("b")], step("a", "b")).between("potato", "a")
    assert caught.value.path == "ome.scene.coordinateSystems"


def test_numbers_that_overflow_on_the_way_are_refused() -> None:
    huge: Json = {"type": "scale", "scale": [1e300, 1e300]}
    graph = scene([system(name) for name in "abc"], step("a", "b", **huge), step("b", "c", **huge))
    with pytest.raises(MetadataError, match="finite"):
        graph.between("a", "c")


WRONG_SCENES: dict[str, tuple[Json, str]] = {
    "no object": ([], "ome.scene"),
    "no transformations": ({"coordinateSystems": [system("a")]}, "ome.scene.coordinateTransformations"),
    "an empty list": ({"coordinateTransformations": []}, "ome.scene.coordinateTransformations"),
    "a system twice": (
        {"coordinateSystems": [system("a"), system("a")], "coordinateTransformations": [step("a", "a")]},
        "ome.scene.coordinateSystems[1].name",
    ),
    "a system without a name": (
        {"coordinateSystems": [{"axes": []}], "coordinateTransformations": []},
        "ome.scene.coordinateSystems[0].name",
    ),
    "a system without axes": (
        {"coordinateSystems": [{"name": "a"}], "coordinateTransformations": []},
        "ome.scene.coordinateSystems[0].axes",
    ),
    "an axis twice": (
        {"coordinateSystems": [system("a", "xx")], "coordinateTransformations": []},
        "ome.scene.coordinateSystems[0].axes",
    ),
    "an unknown system": (
        {"coordinateSystems": [system("a")], "coordinateTransformations": [step("a", {"name": "b"})]},
        "ome.scene.coordinateTransformations[0].output.name",
    ),
    "an unknown system by its name alone": (
        {"coordinateSystems": [system("a")], "coordinateTransformations": [step("b", "a")]},
        "ome.scene.coordinateTransformations[0].input",
    ),
    "no input": (
        {"coordinateSystems": [system("a")], "coordinateTransformations": [{"type": "identity", "output": "a"}]},
        "ome.scene.coordinateTransformations[0].input",
    ),
    "a group outside": (
        {
            "coordinateSystems": [system("a")],
            "coordinateTransformations": [step({"name": "b", "path": "../other"}, "a")],
        },
        "ome.scene.coordinateTransformations[0].input.path",
    ),
    "too many axes": (
        {"coordinateSystems": [system("a", "abcdefghijklmnopq")], "coordinateTransformations": [step("a", "a")]},
        "ome.scene.coordinateSystems[0].axes",
    ),
    "an axis half discrete": (
        {
            "coordinateSystems": [{"name": "a", "axes": [{"name": "x", "discrete": "half"}]}],
            "coordinateTransformations": [step("a", "a")],
        },
        "ome.scene.coordinateSystems[0].axes[0].discrete",
    ),
    "other axes": (
        {
            "coordinateSystems": [system("a"), system("b", "zyx")],
            "coordinateTransformations": [step("a", "b", type="scale", scale=[1, 1])],
        },
        "ome.scene.coordinateTransformations[0]",
    ),
}


@pytest.mark.parametrize("case", WRONG_SCENES)
def test_a_scene_that_is_wrong_is_refused_with_its_place(case: str) -> None:
    value, path = WRONG_SCENES[case]
    with pytest.raises(MetadataError) as caught:
        read_scene(value, "ome.scene")
    assert caught.value.path.startswith(path)


@given(st.data())
def test_any_way_through_a_graph_agrees_with_any_other(data: st.DataObject) -> None:
    """Systems with known places in one world: whatever transformations connect them, maps come out as they must."""
    count = data.draw(st.integers(2, 6))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    places = [
        Affine("ab", "yx", random.normal(size=(2, 2)) + 3 * np.eye(2), random.normal(size=2)) for _ in range(count)
    ]
    steps = []
    for b in range(1, count):
        a = data.draw(st.integers(0, b - 1))
        a, b = (b, a) if data.draw(st.booleans()) else (a, b)
        between = places[b].inverse() @ places[a]
        steps.append(step(f"s{a}", f"s{b}", type="affine", affine=matrix(between)))
    graph = scene([system(f"s{i}", "ab") for i in range(count)], *data.draw(st.permutations(steps)))
    start, end = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, count - 1))
    want = places[end].inverse() @ places[start]
    got = graph.between(f"s{start}", f"s{end}")
    np.testing.assert_allclose(matrix(got), matrix(want), rtol=1e-9, atol=1e-9)


def test_a_mosaic_of_many_tiles_is_quick_to_read() -> None:
    steps = [step({"path": f"{i}", "name": "p"}, "world", type="translation", translation=[i, 0]) for i in range(2000)]
    graph = scene([system("world")], *steps)
    assert graph.between(Node("p", "1999"), Node("p", "0")).offset.tolist() == [1999, 0]
