"""A wrong URL at midnight: every place that is not quite right is one line that says what, where and what to do."""

import asyncio
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import array, dump, group, image, ome, plate, under, well, write

from brickstream.chunks import below, open_client
from brickstream.chunks.opening.places import clean_path, make_reader, places_above
from brickstream.chunks.traffic import Traffic
from brickstream.engine import Engine
from brickstream.errors import AccessDeniedError, BrickstreamError, MetadataError, NotFoundError, StoreError
from brickstream.latency import ThreadedServer

SECRET = "?X-Amz-Signature=topsecret&t=a%2Fb"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a plate, images, labels and things that are none of them."""
    tree = under("plate.zarr", plate(2, 3) | under("A/1", well(2)) | under("A/1/0", image()) | under("A", group()))
    tree |= under("image.zarr", image() | under("labels", ome({"labels": ["nuclei", "cells"]})))
    tree |= under("old.zarr", image(2)) | under("raw", ome({"bioformats2raw.layout": 3}) | under("0", image()))
    tree |= under("other/deep", {"notes.txt": b"hello"}) | {"picture.png": b"\x89PNG"}
    return write(tmp_path / "data", tree)


@pytest.fixture
def server(root: Path) -> Iterator[str]:
    """The folder over HTTP, without lists of what is there."""
    with ThreadedServer(root) as running:
        yield running.url


class _Listing(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def listing(root: Path) -> Iterator[str]:
    """The folder over HTTP, with a page for every folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Listing, directory=str(root))) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


def name_of(where: object, path: str = "") -> str:
    async def opened() -> str:
        async with Engine() as engine:
            return (await engine.open(where, path)).pyramid.name

    return asyncio.run(opened())


def refused(where: object, kind: type[BrickstreamError] = NotFoundError) -> str:
    """The one line that says why a place cannot be opened."""
    with pytest.raises(kind) as caught:
        name_of(where)
    line = str(caught.value)
    assert "\n" not in line
    assert "topsecret" not in line
    assert "hunter2" not in line
    return line


# ---- what is meant all the same


@pytest.mark.parametrize("end", ["", "/", "///", "/zarr.json", "/zarr.json/", "/.zattrs", "/.zgroup", "/.zmetadata"])
def test_a_document_and_slashes_at_the_end_mean_the_folder(end: str, root: Path, server: str) -> None:
    for name in ("image.zarr", "old.zarr"):
        assert name_of(f"{root}/{name}{end}") == "picture"
        assert name_of(f"{server}/{name}{end}") == "picture"
        assert name_of(f"{server}/{name}{end}{SECRET}#view") == "picture"
        assert name_of(f"{(root / name).as_uri()}{end}") == "picture"


def test_the_document_of_an_array_means_the_array(root: Path, server: str) -> None:
    for where in (
        f"{server}/image.zarr/0/zarr.json",
        f"{server}/old.zarr/0/.zarray",
        root / "old.zarr" / "0" / ".zarray",
    ):
        assert name_of(where) == "0"


def test_spaces_around_a_url_are_none_of_it(server: str) -> None:
    assert name_of(f"  {server}/image.zarr \n") == "picture"


def test_an_image_at_the_root_of_a_server(root: Path) -> None:
    with ThreadedServer(root / "image.zarr") as running:
        for end in ("", "/", "/zarr.json"):
            assert name_of(running.url + end) == "picture"


def test_a_path_from_here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "image.zarr")
    for where in (".", "./", "zarr.json", "../old.zarr", Path(), Path("zarr.json")):
        assert name_of(where) == "picture"
    assert name_of("../plate.zarr", "A/1/0") == "picture"


# ---- a folder above


def test_a_folder_above_names_what_is_in_it(root: Path, listing: str) -> None:
    for where, shown in ((root, str(root)), (listing, listing), (f"{listing}/{SECRET}", f"{listing}?...")):
        assert refused(where) == (
            f"no Zarr image here: {shown} (there are folders in it: image.zarr, old.zarr, plate.zarr)"
        )


def test_where_nothing_looks_like_zarr_all_folders_are_named(root: Path, listing: str) -> None:
    assert "(there are folders in it: deep)" in refused(root / "other")
    assert "(there are folders in it: deep)" in refused(f"{listing}/other")


def test_where_nothing_can_be_listed_the_hint_says_what_is_missing(root: Path, server: str) -> None:
    hint = "(there is no zarr.json, .zgroup or .zarray; give the URL of the image's folder)"
    assert refused(f"{server}{SECRET}") == f"no Zarr image here: {server}?... {hint}"
    assert hint in refused(root / "other" / "deep")


def test_where_nothing_is_nothing_more_is_asked_for(root: Path) -> None:
    with ThreadedServer(root) as running:
        refused(f"{running.url}/nowhere")
        running.idle()
        asked = [row.key for row in running.log]
    assert sorted(asked) == sorted(
        [f"nowhere/{name}" for name in ("zarr.json", ".zattrs", ".zarray", ".zgroup", ".zmetadata")]
        + ["nowhere", "zarr.json", ".zattrs"]
    )


def test_a_store_names_what_is_in_it() -> None:
    from zarr.core.buffer import cpu
    from zarr.storage import MemoryStore

    tree = under("a.zarr", image()) | under("b.zarr", image())
    store = MemoryStore({key: cpu.Buffer.from_bytes(value) for key, value in tree.items()})
    assert "(there are folders in it: a.zarr, b.zarr)" in refused(store)
    assert name_of(store, "b.zarr") == "picture"


def test_a_group_that_holds_images_names_them(tmp_path: Path) -> None:
    write(tmp_path, group() | under("left.zarr", image()) | under("right.zarr", image()))
    assert refused(tmp_path) == (
        f"a Zarr group without an image: {tmp_path} (there are folders in it: left.zarr, right.zarr)"
    )


# ---- a folder below, or beside


def both(root: Path, server: str, path: str) -> list[str]:
    """The line about a path in the folder, and over HTTP, with the place written the same."""
    lines = [refused(root / path), refused(f"{server}/{path}{SECRET}")]
    return [line.replace(str(root), "DATA").replace(server, "DATA").replace("?...", "") for line in lines]


@pytest.mark.parametrize("path", ["C/9/0", "C/9", "B/4/zarr.json"])
def test_a_well_that_a_plate_does_not_have(path: str, root: Path, server: str) -> None:
    well_ = path.removesuffix("/zarr.json")
    want = f"no {well_} in this plate: DATA/plate.zarr (it has A/1, A/2, A/3, B/1, B/2 and 1 more)"
    assert both(root, server, f"plate.zarr/{path}") == [want, want]


@pytest.mark.parametrize("path", ["B/2/0", "B/2"])
def test_a_well_that_a_plate_names_and_nobody_wrote(path: str, root: Path, server: str) -> None:
    want = f"the plate names B/2, but nothing is there: DATA/plate.zarr/{path} (it may be half written)"
    assert both(root, server, f"plate.zarr/{path}") == [want, want]


def test_a_field_that_a_well_does_not_have(root: Path, server: str) -> None:
    want = "no 7 in this well: DATA/plate.zarr/A/1 (it has 0, 1)"
    assert both(root, server, "plate.zarr/A/1/7") == [want, want]


def test_a_row_of_a_plate_is_no_image(root: Path, server: str) -> None:
    want = "no A in this plate: DATA/plate.zarr (it has A/1, A/2, A/3, B/1, B/2 and 1 more)"
    assert both(root, server, "plate.zarr/A") == [want, want]


def test_a_label_that_is_not_there(root: Path, server: str) -> None:
    want = "no mitochondria in this list of labels: DATA/image.zarr/labels (it has nuclei, cells)"
    assert both(root, server, "image.zarr/labels/mitochondria") == [want, want]


def test_a_level_that_an_image_does_not_have(root: Path, server: str) -> None:
    want = "no image 9 in this image: DATA/image.zarr (open the image itself, or one of its labels)"
    assert both(root, server, "image.zarr/9") == [want, want]
    assert both(root, server, "old.zarr/9") == [want.replace("image.zarr", "old.zarr")] * 2


def test_a_series_that_is_not_there(root: Path, server: str) -> None:
    want = "no 3 in this collection: DATA/raw (its images are 0, 1, ...)"
    assert both(root, server, "raw/3") == [want, want]


def test_where_the_folders_above_know_nothing_the_error_is_about_the_place(root: Path, server: str) -> None:
    assert refused(root / "nowhere" / "x.zarr").startswith(f"no such folder: {root}/nowhere/x.zarr (check the spelling")
    assert refused(f"{server}/nowhere/x.zarr").startswith(f"no Zarr image here: {server}/nowhere/x.zarr (")


def test_names_of_others_are_written_as_their_escapes(tmp_path: Path) -> None:
    write(tmp_path, ome({"labels": ["a\nb\x1b[2J"]}))
    line = refused(tmp_path / "c\nd")
    assert "no 'c\\nd' in this list of labels" in line
    assert "'a\\nb\\x1b[2J'" in line


def test_a_broken_document_above_does_not_hide_the_error(root: Path) -> None:
    (root / "plate.zarr" / "zarr.json").write_text("{broken")
    assert "no such folder" in refused(root / "plate.zarr" / "C" / "9")


# ---- refused


class _Refusing(SimpleHTTPRequestHandler):
    """Answers 403 to what is not there, as object stores do without the right to list; 401 below /secret."""

    def do_GET(self) -> None:
        path = self.translate_path(self.path)
        if "/secret" in self.path:
            self.send_error(401)
        elif os.path.isfile(path):
            super().do_GET()
        else:
            self.send_error(403)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing(root: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Refusing, directory=str(root))) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


def test_a_403_says_what_may_be_needed(refusing: str) -> None:
    assert refused(f"{refusing}/nowhere{SECRET}", AccessDeniedError) == (
        f"access denied (HTTP 403): {refusing}/nowhere?.../zarr.json (this may need a login or a signed URL; "
        "where it only says that a key is absent, set missing_statuses=(404, 403))"
    )
    assert "(HTTP 401)" in refused(f"{refusing}/secret/image.zarr", AccessDeniedError)


def test_a_403_in_a_plate_that_has_no_such_well_is_a_missing_well(refusing: str) -> None:
    assert f"no C/9 in this plate: {refusing}/plate.zarr (it has A/1" in refused(f"{refusing}/plate.zarr/C/9")
    assert "access denied" in refused(f"{refusing}/plate.zarr/B/2", AccessDeniedError)


def test_what_is_refused_and_may_be_there_is_never_said_to_be_missing(root: Path, refusing: str) -> None:
    """A label and a series that are named or may be there; a level of an image that is there."""
    (root / "image.zarr" / "1" / "zarr.json").unlink()
    write(root / "raw" / "0", {"1/zarr.json": b"x"})
    (root / "raw" / "0" / "1" / "zarr.json").unlink()
    for path in ("image.zarr/labels/nuclei", "raw/3", "image.zarr/9", "image.zarr", "raw/0"):
        assert "access denied (HTTP 403)" in refused(f"{refusing}/{path}", AccessDeniedError)


def test_a_folder_that_may_not_be_looked_into(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", denied)
    assert f"cannot be looked at (Permission denied): {root}/image.zarr" in refused(root / "image.zarr", StoreError)


# ---- no place at all


@pytest.mark.parametrize(
    ("where", "says", "kind"),
    [
        ("", "the URL is empty (give an http(s) URL or a folder)", StoreError),
        (
            "localhost:8765/x.zarr",
            "no such folder: localhost:8765/x.zarr (check the spelling; a URL starts",
            NotFoundError,
        ),
        ("//host/x.zarr", "no such folder: //host/x.zarr", NotFoundError),
        ("zarr://host/x.zarr", "unknown kind of URL zarr://", StoreError),
        ("http:///x.zarr", "the URL has no host: http:///x.zarr (it looks like http://host/path)", StoreError),
        ("http://[host/x", "the URL cannot be read", StoreError),
        ("gopher://user:hunter2@host/x?s=topsecret", "gopher://host/x?... (http(s):// and local paths", StoreError),
        (5, "not a URL, a path or a Zarr store: int", StoreError),
        (None, "not a URL, a path or a Zarr store: NoneType", StoreError),
        ([], "bad metadata at arrays: an array, or a list of 1 to 64 arrays, found []", MetadataError),
        (["a", "b"], "an array (it has no shape)", MetadataError),
        ("x" * 5000, "cannot be looked at (File name too long)", StoreError),
        ("a\0b", "no such folder", NotFoundError),
    ],
)
def test_things_that_are_no_places(where: object, says: str, kind: type[BrickstreamError]) -> None:
    assert says in refused(where, kind)


def test_a_file_that_is_no_document(root: Path, server: str) -> None:
    assert "not a Zarr folder but a file" in refused(root / "picture.png")
    assert f"no Zarr image here: {server}/picture.png" in refused(f"{server}/picture.png")


def test_a_host_that_does_not_exist() -> None:
    assert "no such host: http://nowhere.invalid/x.zarr" in refused("http://nowhere.invalid/x.zarr", StoreError)


# ---- secrets


async def test_secrets_are_in_no_error_and_no_repr() -> None:
    url = "http://user:hunter2@127.0.0.1:1/image.zarr?sig=topsecret#frag"
    traffic = Traffic()
    async with open_client(4, traffic) as client:
        reader = make_reader(url, client)
        assert reader.url == "http://127.0.0.1:1/image.zarr?..."
        with pytest.raises(StoreError) as caught:
            await reader.read("zarr.json")
        texts = [str(caught.value), repr(caught.value), repr(reader), repr(traffic)]
        assert not any(secret in text for text in texts for secret in ("hunter2", "topsecret", "user"))
    bad = "ftpx://user:hunter2@host/x?sig=topsecret"
    async with open_client(4) as client:
        with pytest.raises(StoreError) as caught:
            make_reader(bad, client)
    assert "hunter2" not in str(caught.value)
    assert "topsecret" not in repr(caught.value)


# ---- below and above


def test_below_keeps_what_a_url_has_after_its_path() -> None:
    assert below("http://h/p.zarr/?sig=a%2Fb#f", "A/1") == "http://h/p.zarr/A/1?sig=a%2Fb"
    assert below("http://h/p.zarr/zarr.json?s=1", "A 1/ü") == "http://h/p.zarr/A%201/%C3%BC?s=1"
    assert below("http://h", "0") == "http://h/0"
    assert below("s3://bucket/p", "A 1") == "s3://bucket/p/A 1"
    assert below("data/p.zarr", "./A//1/") == "data/p.zarr/A/1"
    assert below(Path("data/.zattrs"), "A/1") == Path("data/A/1")
    assert below("http://h/p", "") == "http://h/p"


def test_the_places_above_are_the_nearest_first_and_none_beyond_the_root() -> None:
    assert places_above("http://h/a/b%20c/d/e?s=1") == [
        ("http://h/a/b%20c/d?s=1", "e"),
        ("http://h/a/b%20c?s=1", "d/e"),
        ("http://h/a?s=1", "b c/d/e"),
    ]
    assert places_above("http://h/a/") == [("http://h/", "a")]
    assert places_above("http://h") == []
    assert places_above("/a") == [(Path("/"), "a")]
    assert places_above("/") == []


steps = st.text(st.characters(exclude_characters="/?#\0", exclude_categories=["Cs"]), min_size=1, max_size=5)
paths = st.lists(steps.filter(lambda step: step not in ("", ".", "..")), min_size=1, max_size=4).map("/".join)


@given(paths, st.sampled_from(["http://h/root", "/root", "file:///root", "s3://bucket/root"]))
def test_what_lies_below_a_place_has_it_above(path: str, where: str) -> None:
    inner = below(where, path)
    found = {rest: str(place) for place, rest in places_above(inner, 9)}
    assert found[clean_path(path)].rstrip("/") == where


@given(paths)
def test_a_url_below_asks_for_the_very_path(path: str) -> None:
    async def base() -> str:
        async with open_client(1) as client:
            reader: Any = make_reader(below("http://h/root", path), client)
            return str(reader._url(""))

    from urllib.parse import unquote, urlsplit

    if clean_path(path).rpartition("/")[2] not in ("zarr.json",):
        assert unquote(urlsplit(asyncio.run(base())).path) == f"/root/{clean_path(path)}"


def test_trees_are_what_they_say(tmp_path: Path) -> None:
    """The trees of these tests are read by zarr-python as well."""
    import zarr

    for zarr_format in (2, 3):
        write(tmp_path / str(zarr_format), image(zarr_format) | under("x", array((3, 2), zarr_format, "uint16")))
        root = zarr.open_group(str(tmp_path / str(zarr_format)), mode="r", zarr_format=zarr_format)
        assert {name: array.shape for name, array in root.arrays()} == {"0": (24, 20), "1": (12, 10), "x": (3, 2)}
        assert dump(dict(root.attrs))
