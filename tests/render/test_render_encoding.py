"""How values lie in texels: nothing that can be seen is lost, whatever the type."""

from __future__ import annotations

import numpy as np
import pytest

from brickstream.errors import ViewError
from brickstream.multiscale import View
from brickstream.render import OffscreenView, draw_dense
from brickstream.render.encoding import encoding_of

PLAIN = [("?", "uint8"), ("u1", "uint8"), (">u2", "uint16"), ("f2", "float32"), ("f4", "float32")]


@pytest.mark.parametrize(("dtype", "texel"), PLAIN)
def test_texels_keep_what_the_gpu_has(dtype: str, texel: str) -> None:
    encoding = encoding_of(np.dtype(dtype), (0.0, 1.0))
    data = np.array([0, 1, 1], dtype=dtype)
    texels = encoding.encode(data)
    assert texels.dtype == texel
    np.testing.assert_array_equal(texels, [0, 1, 1])
    assert encoding.value_of(1.0) == 1.0


@pytest.mark.parametrize("dtype", ["i1", "<i2", ">i2"])
def test_signed_integers_are_exact(dtype: str) -> None:
    info = np.iinfo(dtype)
    data = np.arange(info.min, info.max + 1).astype(dtype)
    encoding = encoding_of(data.dtype)
    texels = encoding.encode(data)
    np.testing.assert_array_equal(texels, np.arange(len(data)))
    assert texels.dtype.kind == "u"
    assert [encoding.value_of(float(t)) for t in texels[[0, 7, -1]]] == [info.min, info.min + 7, info.max]
    assert [encoding.read_as(v) for v in (info.min, info.max)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("dtype", "first"),
    [
        ("u4", 4_000_000_000),
        ("i4", -2_000_000_000),
        ("i8", -(2**62) + 1),
        ("u8", 2**63 + 5),
        (">u8", 2**63 + 5),
        ("f8", 1e9),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_neighbouring_values_stay_apart(dtype: str, first: int, is_known: bool) -> None:
    data = (np.full(201, first, dtype=dtype) + np.arange(201).astype(dtype)).astype(dtype)
    limits = float(first), float(first + 200)
    encoding = encoding_of(data.dtype, limits) if is_known else encoding_of(data.dtype).about(*limits)
    texels = encoding.encode(data)
    assert texels.dtype == np.float32
    np.testing.assert_array_equal(np.diff(texels), 1)
    assert encoding.serves(limits)
    assert encoding.value_of(float(texels[0])) == pytest.approx(float(first), abs=256 if "8" in dtype else 0.6)


def test_what_lies_far_from_the_base_keeps_its_order() -> None:
    info = np.iinfo("i8")
    data = np.array([info.min, -1, 0, 1, info.max], dtype="i8")
    for limits in ((info.max - 10.0, info.max - 1.0), (float(info.min), info.min + 4096.0), (0.0, 10.0)):
        texels = encoding_of(data.dtype, limits).encode(data)
        assert (np.diff(texels) >= 0).all()
        assert texels[-1] - texels[0] == pytest.approx(2.0**64, rel=1e-6)


def test_a_base_serves_the_limits_that_it_is_near_to() -> None:
    encoding = encoding_of(np.dtype("u4"), (4e9, 4e9 + 200))
    assert encoding.serves((4e9 - 1e6, 4e9 + 1e6))
    assert encoding.serves((0.0, 4.2e9))
    assert not encoding.serves((0.0, 200.0))
    assert encoding.serves((5.0, 5.0))  # one colour
    assert encoding_of(np.dtype("f4")).serves((1e9, 1e9 + 1))  # the data have no more digits
    open_base = encoding_of(np.dtype("f8"))
    assert open_base.base is None
    assert open_base.about(np.nan, np.nan) == open_base
    np.testing.assert_array_equal(open_base.encode(np.array([np.nan, np.inf])), [np.nan, np.inf])


@pytest.mark.parametrize("dtype", ["c8", "U3", [("a", "u1")]])
def test_what_cannot_be_shown_is_told(dtype: object) -> None:
    with pytest.raises(ViewError, match="cannot be shown"):
        encoding_of(np.dtype(dtype))


@pytest.mark.parametrize(
    ("dtype", "first"), [("u4", 4_000_000_000), ("i8", 2**40), ("f8", -1e9), ("i2", -100), ("i1", -100), ("f2", 0)]
)
def test_a_ramp_of_any_type_has_all_its_shades(kit, dtype: str, first: int) -> None:
    array = (np.arange(16 * 16).reshape(16, 16) % 201 + first).astype(dtype)
    pyramid = kit.make_pyramid([array], (8, 8), axes="yx")
    view = View.plane(pyramid, canvas=(16, 16), zoom=1.0)
    expected = (array.astype("f8") - first) / 200 * 255
    with OffscreenView((16, 16), max_gpu_bytes=1 << 22) as screen:
        screen.show(view)
        kit.feed(screen.sink, kit.plan_for(screen.sink, pyramid, view), [array])
        # By the range of the data, then by limits that are set.
        assert np.abs(screen.draw()[..., 0] - expected).max() <= 1
        screen.scene.clim = (first, first + 100)
        assert np.abs(screen.draw()[..., 0] - (2 * expected).clip(0, 255)).max() <= 1
        assert not screen.sink.wants_anew


def test_limits_far_from_the_base_fill_the_atlas_anew(kit) -> None:
    array = np.full((16, 16), 4_000_000_000, dtype="u4")
    array[4:] = np.arange(12 * 16).reshape(12, 16)
    pyramid = kit.make_pyramid([array], (16, 16), axes="yx")
    view = View.plane(pyramid, canvas=(16, 16), zoom=1.0)
    with OffscreenView((16, 16), max_gpu_bytes=1 << 22, clim=(4e9 - 10, 4e9 + 10)) as screen:
        screen.show(view)
        plan = kit.plan_for(screen.sink, pyramid, view)
        kit.feed(screen.sink, plan, [array], 1)
        assert abs(int(screen.draw()[0, 0, 0]) - 127) <= 1
        screen.scene.clim = (0, 255)
        screen.draw()
        assert screen.sink.wants_anew
        assert kit.feed(screen.sink, plan, [array], 2) == set()
        assert np.abs(screen.draw()[..., 0].astype(int) - array.clip(0, 255)).max() <= 1
        assert not screen.sink.wants_anew
        screen.scene.clim = (10, 240)
        screen.draw()
        assert not screen.sink.wants_anew


@pytest.mark.parametrize(("dtype", "first"), [("i2", -500), ("u4", 4_000_000_000)])
@pytest.mark.parametrize("method", ["mip", "iso"])
def test_a_volume_of_any_type_equals_the_dense_one(kit, dtype: str, first: int, method: str) -> None:
    """With a threshold, and values to pass over, in data values."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij")
    array = (first + 1000 * np.exp(-2 * (z**2 + y**2 + x**2))).astype(dtype)
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    view = View.volume(pyramid, canvas=(60, 45), level=0)
    extra = {"threshold": first + 600.0} if method == "iso" else {"cutoff": first + 300.0}
    look = {"method": method, "clim": (first + 100.0, first + 900.0), **extra}
    with OffscreenView(view.canvas, max_gpu_bytes=1 << 22, **look) as screen:
        screen.show(view)
        kit.feed(screen.sink, kit.plan_for(screen.sink, pyramid, view), [array])
        ours = screen.draw().astype(int)
    dense = draw_dense(array, view, (1.0,) * 3, (0.0,) * 3, **look)
    assert ours[..., 0].max() > 100
    assert (np.abs(ours - dense).max(axis=-1) <= 1).mean() >= 0.995
