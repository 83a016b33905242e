"""Pyramids out of NumPy, dask, zarr, tensorstore and whatever else has a shape, a type and ``__getitem__``."""

from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tensorstore
import zarr

from brickstream.chunks import ArraySource
from brickstream.errors import MetadataError
from brickstream.multiscale import Affine, Axis, pyramid_of
from brickstream.multiscale.array_likes import pixel_type, plain_image, usual_axes
from brickstream.multiscale.assemble import ArrayShape


class Bare:
    """No more than what is asked of an array."""

    def __init__(self, shape: Any, dtype: Any = "u1", **more: Any) -> None:
        self.shape, self.dtype = shape, dtype
        self.__dict__.update(more)

    def __getitem__(self, box: Any) -> Any:
        raise AssertionError("no pixel is read")


# ---- what is accepted


def test_one_array_is_a_pyramid_of_one_level() -> None:
    pyramid = pyramid_of(np.zeros((5, 40, 30), ">u2"), name="n")
    (level,) = pyramid.levels
    assert pyramid.name == "n"
    assert pyramid.axis_names == ("z", "y", "x")
    assert [axis.type for axis in pyramid.axes] == ["space"] * 3
    assert (level.path, level.shape, level.dtype) == ("0", (5, 40, 30), np.dtype("=u2"))
    assert (level.scale, level.translation) == ((1, 1, 1), (0, 0, 0))
    assert pyramid.placement is None


def test_axes_are_the_usual_ones_from_the_right_or_those_that_are_named() -> None:
    assert [axis.name for axis in usual_axes(7)] == ["d0", "d1", "t", "c", "z", "y", "x"]
    for ndim, names in enumerate(["x", "yx", "zyx", "czyx", "tczyx"], 1):
        assert pyramid_of(Bare((2,) * ndim)).axis_names == tuple(names)
    assert pyramid_of(Bare((2,) * 6)).axis_names == ("d0", "t", "c", "z", "y", "x")
    assert pyramid_of(Bare((2, 3)), axes="xz").axis_names == ("x", "z")
    assert pyramid_of(Bare((2, 3)), axes=[Axis("q", "frequency", "hertz"), "y"]).axes[0].unit == "hertz"


def test_colours_are_an_axis_where_the_caller_says_so() -> None:
    assert pyramid_of(Bare((4, 300, 3))).axis_names == ("z", "y", "x")
    picture = pyramid_of([Bare((300, 400, 3)), Bare((150, 200, 3))], axes="yxc")
    assert picture.axes[2].type == "channel"
    assert [level.scale for level in picture.levels] == [(1, 1, 1), (2, 2, 1)]
    assert picture.levels[0].chunks[2] == 3


def test_scales_are_derived_given_for_level_0_or_given_for_every_level() -> None:
    arrays = [Bare((30, 100)), Bare((20, 50)), Bare((20, 25))]

    def scales(given: Any) -> list[tuple[float, ...]]:
        return [level.scale for level in pyramid_of(arrays, scales=given).levels]

    derived = [(1, 1), (1.5, 2), (1.5, 4)]
    assert scales(None) == derived
    assert scales(0.5) == [tuple(0.5 * s for s in scale) for scale in derived]
    assert scales((2, 0.25)) == [(2, 0.25), (3, 0.5), (3, 1)]
    assert scales(np.array([2, 0.25])) == scales((2, 0.25))
    assert scales([(2, 0.25)]) == scales((2, 0.25))
    assert scales([(1, 1), (1.6, 2.1), 4]) == [(1, 1), (1.6, 2.1), (4, 4)]
    assert scales([None, (1.4, 2.1), None]) == [(1, 1), (1.4, 2.1), (1.5, 4)]


def test_translations_are_given_or_make_the_levels_cover_the_same_extent() -> None:
    arrays = [Bare((30, 100)), Bare((20, 50))]
    aligned = pyramid_of(arrays, scales=(2, 1), translations=(10, 0))
    assert [level.translation for level in aligned.levels] == [(10, 0), (10.5, 0.5)]
    np.testing.assert_array_equal(aligned.extent(0), aligned.extent(1))
    given = pyramid_of(arrays, translations=[(0, 0), (0, 0)])
    assert given.levels[1].translation == (0, 0)
    assert pyramid_of(arrays, translations=[(0, 3), None]).levels[1].translation == (0.25, 3.5)


def test_a_flipped_axis_is_a_placement() -> None:
    pyramid = pyramid_of([Bare((8, 8)), Bare((4, 4))], scales=(-1, 2), translations=(7, 0))
    assert pyramid.placement == Affine.scaling("yx", (-1, 1))
    assert pyramid.to_world(0) == Affine.scaling("yx", (-1, 2), (7, 0))
    assert pyramid.to_world(1) == Affine.scaling("yx", (-2, 4), (6.5, 1))


def test_an_affine_comes_after_scales_and_translations() -> None:
    turn = np.array([[0.8, -0.6, 5.0], [0.6, 0.8, 6.0]])
    want = Affine("yx", "yx", turn[:, :2], turn[:, 2]) @ Affine.scaling("yx", (2, 2), (1, 0))
    square = np.vstack([turn, [0, 0, 1]])
    named = Affine("yx", "yx", turn[:, :2], turn[:, 2]).reorder(inputs="xy", outputs="xy")
    for given in (turn, turn.tolist(), square, named):
        pyramid = pyramid_of([Bare((9, 9)), Bare((3, 3))], scales=2, translations=(1, 0), affine=given)
        np.testing.assert_allclose(pyramid.to_world(0).linear, want.linear, rtol=1e-15)
        np.testing.assert_allclose(pyramid.to_world(0).offset, want.offset, rtol=1e-15)
        corner = np.array([-0.5, -0.5])
        np.testing.assert_allclose(pyramid.to_world(1)(corner), want(corner), rtol=1e-15)
    swap = pyramid_of(Bare((9, 5)), affine=[[0, 3, 0], [2, 0, 1]])
    assert swap.axis_names == ("x", "y")
    assert swap.placement is None
    assert swap.levels[0].scale == (2, 3)


def test_units_go_to_axes_of_space_or_by_name() -> None:
    axes = pyramid_of(Bare((2, 3, 4)), axes="tyx", units="micrometer").axes
    assert [axis.unit for axis in axes] == [None, "micrometer", "micrometer"]
    axes = pyramid_of(Bare((2, 3, 4)), axes="tyx", units={"t": "second", "x": "meter"}).axes
    assert [axis.unit for axis in axes] == ["second", None, "meter"]


@pytest.mark.parametrize("dtype", ["?", *(f"{o}{k}{n}" for o in "<>" for k in "iu" for n in (2, 4, 8)), "i1", "u1"])
def test_whole_numbers_are_accepted(dtype: str) -> None:
    assert pyramid_of(Bare((4, 4), np.dtype(dtype))).dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
def test_floats_are_accepted(dtype: str) -> None:
    assert pyramid_of(Bare((4, 4), np.dtype(dtype))).dtype == np.dtype(dtype).newbyteorder("=")


# ---- chunks, and the arrays of real libraries


async def test_a_numpy_array_has_chunks_by_default() -> None:
    assert pyramid_of(np.zeros((9, 3, 100, 200, 300), bool)).levels[0].chunks == (1, 1, 64, 64, 64)
    assert pyramid_of(np.zeros((3, 1000, 300)), axes="cyx").levels[0].chunks == (1, 512, 300)
    data = np.arange(12, dtype=">f4").reshape(3, 4)
    source = ArraySource(data, pyramid_of(data).levels[0].chunks)
    np.testing.assert_array_equal(await source.read((0, 0)), data)


async def test_a_dask_array_tells_its_chunks() -> None:
    data = np.arange(100 * 70).reshape(100, 70)
    lazy = da.from_array(data, chunks=((30, 40, 30), (70,)))
    pyramid = pyramid_of([lazy, lazy[::2, ::2]])
    assert pyramid.levels[0].chunks == (40, 70)
    assert pyramid.levels[1].shape == (50, 35)
    np.testing.assert_array_equal(await ArraySource(lazy, (40, 70)).read((1, 0)), data[40:80])


def test_a_dask_array_whose_lengths_are_not_known_is_refused() -> None:
    lazy = da.from_array(np.arange(10), chunks=5)
    with pytest.raises(MetadataError, match="whole numbers"):
        pyramid_of(lazy[lazy > 3])


def test_a_zarr_array_tells_its_chunks_and_shards() -> None:
    store = zarr.storage.MemoryStore()
    plain = zarr.create_array(store, name="0", shape=(100, 80), chunks=(10, 20), dtype="u2")
    sharded = zarr.create_array(store, name="1", shape=(50, 40), chunks=(5, 10), shards=(10, 20), dtype="u2")
    first, second = pyramid_of([plain, sharded]).levels
    assert (first.chunks, first.shards) == ((10, 20), None)
    assert (second.chunks, second.shards) == ((5, 10), (10, 20))
    assert second.scale == (2, 2)


def test_a_tensorstore_tells_its_chunks() -> None:
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "memory"},
        "metadata": {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [16, 24]}}},
    }
    array = tensorstore.open(spec, create=True, dtype=tensorstore.uint16, shape=[64, 48]).result()
    array[...] = data = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)
    (level,) = pyramid_of(array).levels
    assert (level.chunks, level.dtype) == ((16, 24), np.dtype("u2"))
    assert ArraySource(array, level.chunks).dtype == np.dtype("u2")
    np.testing.assert_array_equal(np.array(ArraySource(array, level.chunks).array[16:32, 24:48]), data[16:32, 24:48])


def test_anything_with_a_shape_a_type_and_pixels_is_an_array() -> None:
    layout = SimpleNamespace(read_chunk=SimpleNamespace(shape=(4, 8)))
    typed = SimpleNamespace(numpy_dtype=np.dtype("f4"))
    for array in (
        Bare([16, 16], typed, chunk_layout=layout),
        Bare((np.int64(16), 16.0), float, chunks=(4, 8)),
        Bare((16, 16), "f4", chunks=None, chunksize=(4, 8)),
        Bare((16, 16), "f4", chunks=((4, 2), (8, 8))),
    ):
        (level,) = pyramid_of(array).levels
        assert level.shape == (16, 16)
        assert level.chunks == (4, 8)
    assert pyramid_of(Bare((16, 16), chunks="auto")).levels[0].chunks == (16, 16)


def test_the_caller_knows_better_which_chunks_to_read() -> None:
    arrays = [Bare((64, 64), chunks=(8, 8)), Bare((32, 32), chunks=(8, 8))]
    assert [level.chunks for level in pyramid_of(arrays, chunks=(16, 32)).levels] == [(16, 32), (16, 32)]
    assert [level.chunks for level in pyramid_of(arrays, chunks=[(16, 32), (4, 4)]).levels] == [(16, 32), (4, 4)]


def test_arrays_of_a_group_have_the_axes_they_name() -> None:
    shapes = [ArrayShape("s0", (8, 6), np.dtype("u1"), (4, 4)), ArrayShape("s1", (4, 3), np.dtype("u1"), (4, 4))]
    assert [axis.name for axis in plain_image(shapes, ("x", "lambda")).axes] == ["x", "lambda"]
    for unusable in (None, (), ("x",), ("x", "x"), ("x", None), ("x", ""), ("x", 3), ("a", "b", "c")):
        described = plain_image(shapes, unusable, "n")
        assert [axis.name for axis in described.axes] == ["y", "x"]
    assert [dataset.path for dataset in described.datasets] == ["s0", "s1"]


# ---- what is refused

FINE, COARSE = Bare((16, 16)), Bare((8, 8))
WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "nothing": ([], {}, "arrays"),
    "no array": (7, {}, "arrays"),
    "a text": ("zyx", {}, "arrays"),
    "lists of numbers": ([[1, 2], [3, 4]], {}, "arrays[0]"),
    "no pixels": ([SimpleNamespace(shape=(4, 4), dtype=np.dtype("u1"))], {}, "arrays[0]"),
    "no pixels in a single one": (SimpleNamespace(shape=(4, 4), dtype=np.dtype("u1")), {}, "arrays[0]"),
    "a hundred levels": ([Bare((4, 4))] * 100, {}, "arrays"),
    "no axes": (Bare(()), {}, "arrays[0].shape"),
    "an empty array": (Bare((4, 0)), {}, "arrays[0].shape"),
    "a negative length": (Bare((4, -4)), {}, "arrays[0].shape"),
    "half a pixel": (Bare((4, 4.5)), {}, "arrays[0].shape"),
    "no shape at all": (Bare(None), {}, "arrays[0].shape"),
    "seven axes": (Bare((2,) * 7), {}, "axes"),
    "more axes in a coarser one": ([FINE, Bare((8, 8, 8))], {}, "arrays[1].shape"),
    "coarse before fine": ([COARSE, FINE], {}, "arrays[1].shape"),
    "one axis longer": ([FINE, Bare((8, 17))], {}, "arrays[1].shape"),
    "scales from coarse to fine": ([FINE, COARSE], {"scales": [(2, 2), (1, 1)]}, "levels[1].scale"),
    "objects": (np.array([["a", None]], dtype=object), {}, "arrays[0].dtype"),
    "texts": (np.array([["a", "b"]]), {}, "arrays[0].dtype"),
    "records": (np.zeros((2, 2), [("a", "u1")]), {}, "arrays[0].dtype"),
    "complex numbers": (np.zeros((2, 2), complex), {}, "arrays[0].dtype"),
    "dates": (np.zeros((2, 2), "M8[s]"), {}, "arrays[0].dtype"),
    "long doubles": (Bare((2, 2), np.dtype("longdouble")), {}, "arrays[0].dtype"),
    "no type": (Bare((2, 2), None), {}, "arrays[0].dtype"),
    "an unknown type": (Bare((2, 2), "bfloat17"), {}, "arrays[0].dtype"),
    "too few names": (FINE, {"axes": "x"}, "axes"),
    "a name twice": (FINE, {"axes": "xx"}, "axes"),
    "a name that is none": (FINE, {"axes": ["y", 3]}, "axes[1]"),
    "an empty name": (FINE, {"axes": ["y", ""]}, "axes[1]"),
    "a unit of no axis": (FINE, {"units": {"z": "meter"}}, "units"),
    "a scale of zero": (FINE, {"scales": (1, 0)}, "scales"),
    "a scale that is no number": (FINE, {"scales": (1, float("nan"))}, "scales"),
    "a scale that is a text": (FINE, {"scales": "large"}, "scales"),
    "a scale too many": (FINE, {"scales": (1, 1, 1)}, "scales"),
    "ragged scales": ([FINE, COARSE], {"scales": [[1, 1], [2, [3]]]}, "scales[1]"),
    "scales for three levels": ([FINE, COARSE], {"scales": [1, None, 2]}, "scales"),
    "a zero in the second level": ([FINE, COARSE], {"scales": [(1, 1), (2, 0)]}, "scales[1]"),
    "a translation without end": (FINE, {"translations": (0, float("inf"))}, "translations"),
    "a flat map": (FINE, {"affine": [[1, 1, 0], [1, 1, 0]]}, "affine"),
    "a map of wrong shape": (FINE, {"affine": np.eye(2)}, "affine"),
    "a map with another last row": (FINE, {"affine": [[1, 0, 0], [0, 1, 0], [0, 1, 1]]}, "affine"),
    "a map of texts": (FINE, {"affine": "identity"}, "affine"),
    "a map that is not finite": (FINE, {"affine": [[1, 0, 0], [0, float("nan"), 0]]}, "affine"),
    "a map between other axes": (FINE, {"affine": Affine.identity("ba")}, "affine"),
    "a map that overflows": (FINE, {"affine": [[1e300, 0, 0], [0, 1, 0]], "scales": 1e300}, "affine"),
    "chunks of nothing": (FINE, {"chunks": (0, 4)}, "chunks"),
    "chunks of other axes": (FINE, {"chunks": (4, 4, 4)}, "chunks"),
    "chunks for other levels": (FINE, {"chunks": [(4, 4), (4, 4)]}, "chunks"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_with_the_argument(case: str) -> None:
    arrays, options, path = WRONG[case]
    with pytest.raises(MetadataError) as caught:
        pyramid_of(arrays, **options)
    assert caught.value.path == path


def test_a_type_is_refused_by_its_place() -> None:
    with pytest.raises(MetadataError, match="bool, an integer") as caught:
        pixel_type(object)
    assert caught.value.path == "dtype"
