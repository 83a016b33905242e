"""Pyramids out of metadata and shapes: scales that are missing, and maps that are more than scales."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import MetadataError
from brickstream.multiscale import Affine, Axis, Channel, Dataset, Image, Pyramid
from brickstream.multiscale.assemble import ArrayShape, assemble, derive_steps

EPS = np.finfo(np.float64).eps
NAMES = ("t", "c", "z", "y", "x")


def array(path: str, *shape: int) -> ArrayShape:
    return ArrayShape(path, shape, np.dtype("u2"), tuple(min(n, 16) for n in shape))


def image(axes: str, *datasets: Dataset, name: str = "i") -> Image:
    return Image(name, "0.6", tuple(Axis(n, "space", "micrometer") for n in axes), datasets)


def level(path: str, scale: Any = None, translation: Any = None, transform: Affine | None = None) -> Dataset:
    return Dataset(path, scale, translation, transform)


# ---- scales and translations


def test_what_is_given_is_kept() -> None:
    described = Image(
        "", "0.4", (Axis("y"), Axis("x")), (level("0", (0.3, 0.1), (7.0, -2.0)),), (Channel("red", "ff0000"),)
    )
    pyramid = assemble(described, [ArrayShape("0", (6, 8), np.dtype("f4"), (2, 4), (4, 8))], "folder")
    assert pyramid.name == "folder"
    assert pyramid.placement is None
    assert pyramid.channels[0].label == "red"
    first = pyramid.levels[0]
    assert (first.scale, first.translation, first.chunks, first.shards) == ((0.3, 0.1), (7.0, -2.0), (2, 4), (4, 8))


def test_levels_without_translations_cover_the_same_extent() -> None:
    pyramid = assemble(
        image("yx", level("0", (2.0, 1.0), (5.0, 0.0)), level("1", (6.0, 2.5))), [array("0", 30, 20), array("1", 10, 8)]
    )
    assert pyramid.levels[1].translation == (7.0, 0.75)
    np.testing.assert_array_equal(pyramid.extent(0), pyramid.extent(1))


def test_a_translation_of_zero_is_a_translation() -> None:
    pyramid = assemble(image("x", level("0", (1.0,)), level("1", (2.0,), (0.0,))), [array("0", 8), array("1", 4)])
    assert pyramid.levels[1].translation == (0.0,)


def test_levels_without_scales_get_them_from_the_shapes() -> None:
    pyramid = assemble(
        image("yx", level("0", (0.5, 0.5)), level("1"), level("2")),
        [array("0", 25, 30), array("1", 13, 20), array("2", 7, 20)],
    )
    assert [each.scale for each in pyramid.levels] == [(0.5, 0.5), (1.0, 0.75), (2.0, 0.75)]
    assert [each.translation for each in pyramid.levels] == [(0, 0), (0.25, 0.125), (0.75, 0.125)]


STEPS: list[tuple[list[int], list[float]]] = [
    ([8, 4, 2, 1], [1, 2, 4, 8]),
    ([25, 13, 7, 4, 2, 1], [1, 2, 4, 8, 16, 32]),
    ([25, 12, 6, 3, 1], [1, 2, 4, 8, 24]),
    ([7494, 2498, 833, 278], [1, 3, 9, 27]),
    ([300, 200, 100], [1, 1.5, 3]),
    ([1000, 455], [1, 1000 / 455]),
    ([16821, 16821, 8411], [1, 1, 2]),
    ([1, 1], [1, 1]),
]


@pytest.mark.parametrize("i", range(len(STEPS)))
def test_a_pixel_is_made_of_whole_ones_where_that_gives_the_length(i: int) -> None:
    lengths, want = STEPS[i]
    assert [step for (step,) in derive_steps([(n,) for n in lengths])] == want


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.booleans(), st.integers(200, 5000))
def test_whole_factors_are_found_again(factors: list[int], up: bool, first: int) -> None:
    lengths = [first * 50]
    for factor in factors:
        lengths.append(-(-lengths[-1] // factor) if up else lengths[-1] // factor)
    # Below twice its square, a length cut off by one factor may be one filled up by the next.
    if all(n > 2 * factor**2 for n, factor in zip(lengths, factors, strict=False)):
        assert [step for (step,) in derive_steps([(n,) for n in lengths])] == np.cumprod([1, *factors]).tolist()


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6))
def test_derived_steps_come_near_the_ratio_of_the_lengths(lengths: list[int]) -> None:
    lengths = sorted(lengths, reverse=True)
    steps = [step for (step,) in derive_steps([(n,) for n in lengths])]
    for finer, coarser, before, after in zip(lengths, lengths[1:], steps, steps[1:], strict=False):
        assert after / before >= 1
        # A whole pixel more or less at the far end, and no more.
        assert abs(after / before * coarser - finer) <= after / before * (1 + 1e-9)


# ---- flips, swapped axes, rotations, shears


@st.composite
def levels(draw: st.DrawFn, ndim: int) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Scales and translations from fine to coarse; ratios differ by axis and need not be whole."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** random.uniform(-3, 3, ndim)
    shift = random.uniform(-1e3, 1e3, ndim)
    made = []
    for _ in range(draw(st.integers(1, 4))):
        made.append((scale, shift))
        scale = scale * random.choice([1.0, 1.3, 2.0, 3.0], ndim)
        shift = shift + random.uniform(-1, 1, ndim) * scale
    return made


def given_maps(pyramid: Pyramid, described: Image) -> list[Affine]:
    """The maps that the metadata gave, with the axes of the pyramid."""
    names = tuple(axis.name for axis in described.axes)
    maps = []
    for dataset in described.datasets:
        pixels = dataset.transform
        if pixels is None:
            pixels = Affine.scaling(names, dataset.scale or (), dataset.translation)
        maps.append(pixels.reorder(outputs=pyramid.axis_names).rename(inputs=pyramid.axis_names))
    return maps


def assembled(described: Image) -> Pyramid:
    ndim, count = len(described.axes), len(described.datasets)
    return assemble(described, [array(str(k), *(64 - 5 * k - i for i in range(ndim))) for k in range(count)])


@given(st.data())
def test_aligned_maps_come_out_bit_for_bit(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 5))
    order = data.draw(st.permutations(range(ndim)))
    signs = np.array(data.draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=ndim, max_size=ndim)))
    names = NAMES[:ndim]
    datasets = []
    for k, (scale, shift) in enumerate(data.draw(levels(ndim))):
        linear = np.zeros((ndim, ndim))
        linear[order, range(ndim)] = signs * scale
        offset = np.zeros(ndim)
        offset[order] = shift
        datasets.append(level(str(k), transform=Affine(names, names, linear, offset)))
    described = image("".join(names), *datasets)
    pyramid = assembled(described)
    # Dimension i runs along the axis of place order[i].
    assert pyramid.axis_names == tuple(names[i] for i in order)
    assert [axis.unit for axis in pyramid.axes] == ["micrometer"] * ndim
    assert [pyramid.to_world(k) for k in range(len(datasets))] == given_maps(pyramid, described)
    if (signs > 0).all():
        assert pyramid.placement is None
    else:
        assert pyramid.placement == Affine.scaling(pyramid.axis_names, signs)


@given(st.data())
def test_flipped_scales_come_out_bit_for_bit(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 5))
    signs = np.array(data.draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=ndim, max_size=ndim)))
    made = data.draw(levels(ndim))
    datasets = [level(str(k), tuple(signs * s), tuple(t)) for k, (s, t) in enumerate(made)]
    described = image("".join(NAMES[:ndim]), *datasets)
    pyramid = assembled(described)
    assert [pyramid.to_world(k) for k in range(len(datasets))] == given_maps(pyramid, described)
    for k, (scale, shift) in enumerate(made):
        pixels = np.array([[0.0] * ndim, [7.0] * ndim])
        world = signs * scale * pixels + shift
        np.testing.assert_array_equal(pyramid.to_world(k)(pixels), world)
        np.testing.assert_allclose(
            pyramid.pixels_at(world, k), pixels, rtol=1e-12, atol=1e-9 * np.abs(shift / scale).max()
        )


@st.composite
def oblique(draw: st.DrawFn, ndim: int) -> np.ndarray[Any, Any]:
    """Rotations and shears, not too flat."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    turn, _ = np.linalg.qr(random.normal(size=(ndim, ndim)))
    shear = np.triu(random.uniform(-0.5, 0.5, (ndim, ndim)), 1) + np.eye(ndim)
    return np.asarray(turn @ shear if draw(st.booleans()) else turn)


@given(st.data())
def test_oblique_maps_come_out_but_for_the_last_bits(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(2, 5))
    names = NAMES[:ndim]
    world = Affine(names, names, data.draw(oblique(ndim)), np.arange(ndim) * 100.0)
    made = data.draw(levels(ndim))
    described = image(
        "".join(names), *(level(str(k), transform=world @ Affine.scaling(names, s, t)) for k, (s, t) in enumerate(made))
    )
    pyramid = assembled(described)
    condition = np.linalg.cond(world.linear)
    reach = max(np.abs(shift - made[0][1]).max() for _, shift in made)
    for k, want in enumerate(given_maps(pyramid, described)):
        got = pyramid.to_world(k)
        assert (np.abs(got.linear - want.linear) <= 8 * EPS * np.linalg.norm(want.linear, axis=0)).all()
        bound = 4 * EPS * np.abs(want.offset) + 32 * EPS * condition * (reach + np.abs(want.offset).max())
        assert (np.abs(got.offset - want.offset) <= (0 if k == 0 else bound)).all()
        pixels = np.array([[0.0] * ndim, [63.0] * ndim])
        back = pyramid.pixels_at(got(pixels), k)
        assert (np.abs(back - pixels) <= 1e-12 * condition * (64 + np.abs(got.offset).max() / made[k][0].min())).all()


@given(st.data())
def test_each_dimension_runs_mostly_along_the_axis_of_its_place(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(2, 4))
    names = NAMES[:ndim]
    order = data.draw(st.permutations(range(ndim)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    linear = np.eye(ndim)[:, order] + random.uniform(-0.2, 0.2, (ndim, ndim))
    pyramid = assembled(image("".join(names), level("0", transform=Affine(names, names, linear, np.zeros(ndim)))))
    assert pyramid.axis_names == tuple(names[i] for i in order)


def test_axes_keep_their_order_where_another_is_no_better() -> None:
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) * np.sqrt(0.5)
    for signs in ([1, 1], [-1, 1], [1, -1]):
        pyramid = assembled(image("yx", level("0", transform=Affine("yx", "yx", turn * signs, np.zeros(2)))))
        assert pyramid.axis_names == ("y", "x")


def test_a_right_angle_written_with_rounding_is_one() -> None:
    angle = np.pi / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pyramid = assembled(image("yx", level("0", transform=Affine("yx", "yx", turn * 0.3, np.ones(2)))))
    assert pyramid.axis_names == ("x", "y")
    assert pyramid.placement == Affine.scaling("xy", [1, -1])
    assert pyramid.levels[0].scale == (0.3, 0.3)


def test_levels_without_scales_follow_a_turned_one() -> None:
    turn = Affine("yx", "yx", np.array([[0.6, -0.8], [0.8, 0.6]]), np.array([10.0, 20.0]))
    pyramid = assemble(image("yx", level("0", transform=turn), level("1")), [array("0", 40, 30), array("1", 20, 10)])
    assert [each.scale for each in pyramid.levels] == [(1, 1), (2, 3)]
    corner = np.array([-0.5, -0.5])
    np.testing.assert_allclose(pyramid.to_world(0)(corner), pyramid.to_world(1)(corner), rtol=1e-15)


# ---- what does not fit

TURN = Affine("yx", "yx", np.array([[0.6, -0.8], [0.8, 0.6]]), np.zeros(2))
OTHER = Affine("yx", "yx", np.array([[0.8, -0.6], [0.6, 0.8]]) * 2, np.zeros(2))
UNFIT: dict[str, tuple[list[Dataset], list[ArrayShape], str, str]] = {
    "another turn": (
        [level("0", transform=TURN), level("1", transform=OTHER)],
        [array("0", 8, 8), array("1", 4, 4)],
        "datasets[1].coordinateTransformations",
        "scale and translation alone",
    ),
    "one level flipped": (
        [level("0", (1.0, 1.0)), level("1", (2.0, -2.0))],
        [array("0", 8, 8), array("1", 4, 4)],
        "datasets[1].coordinateTransformations",
        "scale and translation alone",
    ),
    "one level swapped": (
        [level("0", (1.0, 1.0)), level("1", transform=Affine("yx", "yx", np.eye(2)[::-1] * 2, np.zeros(2)))],
        [array("0", 8, 8), array("1", 4, 4)],
        "datasets[1].coordinateTransformations",
        "scale and translation alone",
    ),
    "a flat map": (
        [level("0", transform=Affine("yx", "yx", np.ones((2, 2)), np.zeros(2)))],
        [array("0", 8, 8)],
        "0",
        "inverted",
    ),
    "a map between other axes": (
        [level("0", transform=Affine("ba", "yx", np.eye(2), np.zeros(2)))],
        [array("0", 8, 8)],
        "0",
        "between the axes y, x",
    ),
    "a zero among flips": ([level("0", (-1.0, 0.0))], [array("0", 8, 8)], "0", "inverted"),
    "coarse before fine": (
        [level("0", (2.0, 2.0)), level("1", (1.0, 1.0))],
        [array("0", 8, 8), array("1", 4, 4)],
        "levels[1].scale",
        "no finer",
    ),
    "other dimensions": ([level("s0", (1.0, 1.0))], [array("s0", 8, 8, 8)], "s0.shape", "each of the 2 axes"),
    "an array missing": (
        [level("0", (1.0, 1.0)), level("1", (2.0, 2.0))],
        [array("0", 8, 8)],
        "datasets",
        "each of the 2 datasets",
    ),
    "an empty array": ([level("0"), level("1")], [array("0", 8, 8), array("1", 0, 8)], "levels[1].shape", "one pixel"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_is_refused(case: str) -> None:
    datasets, arrays, path, words = UNFIT[case]
    with pytest.raises(MetadataError, match=words) as caught:
        assemble(image("yx", *datasets), arrays, where="https://host/image")
    assert caught.value.path == path
    assert "https://host/image" in str(caught.value)


def test_too_many_axes_are_refused_before_anything_is_tried() -> None:
    names = "abcdefghijklmnop"
    with pytest.raises(MetadataError, match="1 to 6 axes"):
        assembled(image(names, level("0", (-1.0,) * 16, (0.0,) * 16)))
