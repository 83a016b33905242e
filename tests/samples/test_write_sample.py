"""The samples on disk: what zarr reads is the picture and its means; a run is finished or leaves nothing."""

import gzip
import io
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from brickstream.errors import BrickstreamError, CodecError, MissingPackageError, StoreError
from brickstream.samples import sources, write_sample
from brickstream.samples.layout import halved_levels
from brickstream.samples.pyramid import box_mean

MASK = "globe_combined_mask_compressed.npz"
BRAIN = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def arrays(store: Path) -> list[zarr.Array[Any]]:
    group = zarr.open_group(store, mode="r")
    found: list[Any] = []
    while str(len(found)) in group:
        found.append(group[str(len(found))])
    return found


def assert_is_pyramid(levels: list[zarr.Array[Any]], spatial: list[bool], smallest: int) -> None:
    expected = halved_levels(levels[0].shape, spatial, smallest)
    assert [level.shape for level in levels] == [e.shape for e in expected]
    for k in range(1, len(levels)):
        factor = [b // a for a, b in zip(expected[k - 1].factor, expected[k].factor, strict=True)]
        np.testing.assert_array_equal(levels[k][...], box_mean(np.asarray(levels[k - 1][...]), factor))


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, bytes], None]:
    """Make a package that cannot be imported, with one data file."""

    def make(name: str, relative: str, data: bytes) -> None:
        path = tmp_path / "packages" / name / relative
        path.parent.mkdir(parents=True)
        (tmp_path / "packages" / name / "__init__.py").write_text("raise RuntimeError('imported')")
        path.write_bytes(data)
        monkeypatch.syspath_prepend(tmp_path / "packages")

    return make


def mask_archive(sea: np.ndarray[Any, Any], cut: int = 0) -> bytes:
    table = io.BytesIO()
    np.save(table, sea)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mask.npy", table.getvalue()[: len(table.getvalue()) - cut])
    return archive.getvalue()


@pytest.mark.parametrize(
    ("shape", "chunk", "smallest"),
    [
        ((700, 1300), (512, 512), 512),
        ((70, 130, 65), (64, 64, 64), 64),
        ((2, 70, 90, 65), (1, 64, 64, 64), 64),
        ((2, 2, 1, 90, 65), (1, 1, 1, 64, 64), 64),
    ],
)
@pytest.mark.parametrize(("version", "sharded"), [("0.4", False), ("0.5", False), ("0.5", True)])
def test_synthetic(
    shape: tuple[int, ...], chunk: tuple[int, ...], smallest: int, version: str, sharded: bool, tmp_path: Path
) -> None:
    dest = write_sample("synthetic", tmp_path / "deep" / "s", ome_version=version, sharded=sharded, shape=shape)
    levels = arrays(dest)
    spatial = [i >= len(shape) - 3 for i in range(len(shape))]
    assert_is_pyramid(levels, spatial, smallest)
    assert levels[0].dtype == np.uint16
    assert levels[0].chunks == chunk
    assert (levels[0].shards is not None) == sharded
    assert levels[0].metadata.zarr_format == (2 if version == "0.4" else 3)
    picture = np.asarray(levels[0][...])
    full = tuple(slice(0, n) for n in shape)
    lead = max(0, len(shape) - 3)
    for index in np.ndindex(shape[:lead]):
        region = (*(slice(i, i + 1) for i in index), *full[lead:])
        expected = next(iter(sources.synthetic(shape).read([region])))
        np.testing.assert_array_equal(picture[region], expected)
    if lead:
        assert (picture[0] != picture[1]).mean() > 0.5


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("codec", "names"), [("zstd", ["Zstd"]), ("blosc", ["Blosc"]), ("none", [])])
def test_chunks_and_codec_are_those_asked_for(codec: str, names: list[str], version: str, tmp_path: Path) -> None:
    made = {"ome_version": version, "shape": (2, 3, 40, 50), "chunks": (1, 1, 32, 16)}
    levels = arrays(write_sample("synthetic", tmp_path / "s", codec=codec, **made))
    assert levels[0].chunks == (1, 1, 32, 16)
    assert [type(c).__name__.removesuffix("Codec") for c in levels[0].compressors] == names
    plain = arrays(write_sample("synthetic", tmp_path / "plain", shape=(2, 3, 40, 50)))
    np.testing.assert_array_equal(levels[0][...], plain[0][...])
    with pytest.raises(StoreError, match="something else"):
        write_sample("synthetic", tmp_path / "s", ome_version=version, shape=(2, 3, 40, 50))


def test_a_cameras_noise_is_the_same_whatever_the_chunks_are_and_halves_at_best(tmp_path: Path) -> None:
    shape = (2, 40, 64, 64)
    cubes = arrays(write_sample("microscope", tmp_path / "cubes", shape=shape))
    flat = arrays(write_sample("microscope", tmp_path / "flat", shape=shape, chunks=(1, 7, 64, 32)))
    picture = np.asarray(cubes[0][...])
    np.testing.assert_array_equal(picture, flat[0][...])
    assert all((one != other).mean() > 0.9 for one, other in zip(picture[0, 1:], picture[0], strict=False))
    share = cubes[0].nbytes_stored() / picture.nbytes
    assert 0.3 < share < 0.6


def test_v2_chunks_lie_in_folders(tmp_path: Path) -> None:
    write_sample("synthetic", tmp_path / "s", ome_version="0.4", shape=(70, 70, 70))
    assert (tmp_path / "s" / "0" / "1" / "0" / "1").is_file()
    assert zarr.open_group(tmp_path / "s", mode="r").attrs["multiscales"][0]["version"] == "0.4"  # type: ignore[index, call-overload]


def test_progress_rises_to_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_sample("synthetic", tmp_path / "s", shape=(130, 70, 70), progress=lambda *now: seen.append(now))
    total = 2 * (130 * 70 * 70 + 65 * 35 * 35 + 33 * 18 * 18)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert {whole for _, whole in seen} == {total}
    assert seen[-1] == (total, total)


def test_a_finished_sample_is_kept(tmp_path: Path) -> None:
    dest = write_sample("synthetic", tmp_path / "s", shape=(80, 80))
    before = {p: p.stat().st_mtime_ns for p in dest.rglob("*")}
    seen: list[tuple[int, int]] = []
    assert write_sample("synthetic", dest, shape=(80, 80), progress=lambda *now: seen.append(now)) == dest
    assert {p: p.stat().st_mtime_ns for p in dest.rglob("*")} == before
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("other", ["sample", "folder", "file"])
def test_something_else_is_never_overwritten(other: str, tmp_path: Path) -> None:
    dest = tmp_path / "s"
    if other == "sample":
        write_sample("synthetic", dest, shape=(81, 80))
    elif other == "folder":
        (dest / "mine").mkdir(parents=True)
    else:
        dest.write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="something else already"):
        write_sample("synthetic", dest, shape=(80, 80))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
def test_an_interrupted_run_leaves_nothing(kind: type[BaseException], tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done < total:
            assert list(tmp_path.rglob("zarr.json")), "something must have been written by now"
            assert not (tmp_path / "s").exists()
            raise kind

    with pytest.raises((KeyboardInterrupt, StoreError)):
        write_sample("synthetic", tmp_path / "s", shape=(130, 70, 70), progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """zarr writes in threads of its own; none may go on writing after the folder was removed."""
    # Where the tests themselves run in the background, a shell has told them and their children to ignore Ctrl-C.
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from brickstream.samples import write_sample;"
        "write_sample('synthetic', Path(sys.argv[1]), shape=(4096, 512, 512), progress=lambda *now: print(flush=True))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, complaint = child.communicate()
    assert child.returncode == -signal.SIGINT
    assert complaint.strip().endswith(b"KeyboardInterrupt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("moon", {}, "globe, brain, synthetic"),
        ("synthetic", {"ome_version": "0.3"}, "0.4 or 0.5"),
        ("synthetic", {"ome_version": "0.4", "sharded": True}, "no shards"),
        ("synthetic", {"shape": (5,)}, "2 to 5 axes"),
        ("synthetic", {"shape": (0, 5)}, "at least 1 pixel"),
        ("globe", {"shape": (10, 10)}, "only computed samples"),
        ("synthetic", {"codec": "lzma"}, "zstd, blosc, none"),
        ("synthetic", {"shape": (8, 8, 8), "chunks": (8, 8)}, "3 sides"),
        ("synthetic", {"shape": (8, 8, 8), "chunks": (8, 8, 0)}, "at least 1 pixel"),
    ],
)
def test_wrong_options_are_one_clear_line(name: str, options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(BrickstreamError, match=says):
        write_sample(name, tmp_path / "s", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["globe", "brain"])
def test_a_missing_package_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda package: None)
    with pytest.raises(MissingPackageError) as caught:
        write_sample(name, tmp_path / "s")
    assert caught.value.hint == "pip install 'brickstream[samples]'"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sharded", [False, True])
def test_globe_of_a_small_mask(sharded: bool, fake_package: Any, tmp_path: Path) -> None:
    sea = np.random.default_rng(0).random((1100, 2200)) < 0.5
    fake_package("global_land_mask", MASK, mask_archive(sea))
    levels = arrays(write_sample("globe", tmp_path / "g", sharded=sharded))
    np.testing.assert_array_equal(levels[0][...], np.where(sea, 0, 255).astype(np.uint8))
    assert_is_pyramid(levels, [True, True], 512)


@pytest.mark.parametrize(
    "data",
    [
        b"no archive",
        mask_archive(np.zeros((600, 700), bool), cut=100_000),
        mask_archive(np.zeros((600, 700), np.int16)),
        mask_archive(np.zeros((600, 700), bool), cut=600 * 700 + 100),
    ],
    ids=["no archive", "cut", "integers", "no header"],
)
def test_a_damaged_mask_is_an_error_and_leaves_nothing(data: bytes, fake_package: Any, tmp_path: Path) -> None:
    fake_package("global_land_mask", MASK, data)
    with pytest.raises(CodecError, match="land mask"):
        write_sample("globe", tmp_path / "out" / "g")
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    "data",
    [b"no volume", gzip.compress(b"no volume", mtime=0), gzip.compress(bytes(400), mtime=0)[:-9]],
    ids=["no gzip", "gzip of something else", "cut short"],
)
def test_a_damaged_brain_is_an_error(data: bytes, fake_package: Any, tmp_path: Path) -> None:
    fake_package("nilearn", BRAIN, data)
    with pytest.raises(CodecError, match="brain"):
        write_sample("brain", tmp_path / "b")


def test_the_real_globe_streams_in_bands() -> None:
    source = sources.globe()
    assert source.shape == (21600, 43200)
    # The far north and a band around it, without reading the rest.
    regions = [(slice(0, 64), slice(0, 43200)), (slice(800, 1000), slice(0, 43200))]
    north, land = source.read(regions)
    assert north.shape == (64, 43200)
    assert not north.any()
    assert set(np.unique(land)) == {0, 255}
    # Northern Greenland, 82.5 N 30 W, is land; the sea at 82.5 N 160 E is not.
    assert land[100, 150 * 120] == 255
    assert land[100, 340 * 120] == 0


def test_the_real_brain(tmp_path: Path) -> None:
    levels = arrays(write_sample("brain", tmp_path / "b"))
    assert [level.shape for level in levels] == [(189, 233, 197), (95, 117, 99), (48, 59, 50), (24, 30, 25)]
    assert levels[-1].chunks == levels[-1].shape
    assert_is_pyramid(levels, [True] * 3, 32)
    brain = np.asarray(levels[0][...])
    assert brain.dtype == np.uint8
    # Both halves are much alike, the halves along the other axes are not: the axes are z, y, x.
    alike = [np.corrcoef(brain.ravel(), np.flip(brain, axis).ravel())[0, 1] for axis in range(3)]
    assert int(np.argmax(alike)) == 2
    ome = zarr.open_group(tmp_path / "b", mode="r").attrs["ome"]
    assert ome["multiscales"][0]["axes"][0] == {"name": "z", "type": "space", "unit": "millimeter"}  # type: ignore[index, call-overload]
