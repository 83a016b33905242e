"""Files of the disk cache: whole and right, or not there."""

import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks.cache import entries
from brickstream.chunks.cache.entries import DamagedError, Entry, decode, encode, load, on_disk, restamp, scan, store

names = st.text(max_size=20)
bodies = st.none() | st.binary(max_size=200)
tags = st.none() | st.text(max_size=20)


def written(name: str, body: bytes | None, tag: str | None = None, checked: float = 5.0) -> bytes:
    return b"".join(encode(name, body, tag, checked))


@given(name=names, body=bodies, tag=tags, checked=st.floats(0, 1e12))
def test_what_is_written_is_read_again(name: str, body: bytes | None, tag: str | None, checked: float) -> None:
    entry = decode(written(name, body, tag, checked), name)
    assert (entry.body, entry.tag, entry.checked) == (body, tag, checked)


@given(body=bodies, other=names, data=st.data())
def test_any_damage_is_found(body: bytes | None, other: str, data: st.DataObject) -> None:
    raw = written("name", body, "tag")
    how = data.draw(st.sampled_from(["flip", "cut", "longer", "name"]))
    name = "name"
    if how == "flip":
        place = data.draw(st.integers(0, len(raw) - 1))
        spoiled = bytearray(raw)
        spoiled[place] ^= data.draw(st.integers(1, 255))
        raw = bytes(spoiled)
    elif how == "cut":
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    elif how == "longer":
        raw += data.draw(st.binary(min_size=1, max_size=30))
    else:
        name = other if other != "name" else "another"
    try:
        entry = decode(raw, name)
    except DamagedError:
        return
    # Only the time is outside of the checksum, and then it counts as never checked.
    assert how == "flip"
    assert (entry.body, entry.tag, entry.checked) == (body, "tag", 0.0)


@pytest.mark.parametrize("about", [b"[]", b"{}", b"\xff", b'{"name": 1, "there": 2}', b"5"])
def test_a_description_that_is_none_is_damage(about: bytes, tmp_path: Path) -> None:
    crc = entries._checksum(about, b"")
    raw = entries._HEAD.pack(entries.MAGIC, len(about), 0, crc) + entries._stamp(0.0, crc) + about
    (tmp_path / "a").write_bytes(raw)
    with pytest.raises(DamagedError):
        load(tmp_path / "a", "name")
    assert not (tmp_path / "a").exists()


def test_a_tag_without_end_is_not_kept() -> None:
    assert decode(written("name", b"1", "x" * 5000), "name").tag is None


# ---- files


def test_a_file_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "no" / "file", "name") is None


def test_a_damaged_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(written("name", b"1")[:-1])
    with pytest.raises(DamagedError):
        load(path, "name")
    assert not path.exists()


def test_a_file_that_cannot_be_read_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DamagedError):
        load(tmp_path / "folder", "name")
    assert (tmp_path / "folder").exists()


def test_a_stored_answer_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "ab" / "file"
    for body in (b"1" * 5000, b"2"):
        size = store(path, *encode("name", body, None, 7.0))
        assert size == on_disk(path.stat().st_size)
        assert size >= path.stat().st_size
        entry = load(path, "name")
        assert entry is not None
        assert entry.body == body
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_others_may_not_look_into_it(tmp_path: Path) -> None:
    store(tmp_path / "v1" / "ab" / "file", *encode("name", b"1", None, 7.0))
    assert (tmp_path / "v1" / "ab").stat().st_mode & 0o077 == 0


def test_a_new_time_is_noted_in_the_file_of_just_this_answer(tmp_path: Path) -> None:
    path = tmp_path / "a"
    store(path, *encode("name", b"1", "tag", 7.0))
    first = load(path, "name")
    assert first is not None
    restamp(path, first.crc, 99.0)
    assert load(path, "name") == Entry(b"1", "tag", 99.0, first.crc)
    store(path, *encode("name", b"2", "tag", 8.0))
    restamp(path, first.crc, 100.0)
    second = load(path, "name")
    assert second is not None
    assert (second.body, second.checked) == (b"2", 8.0)
    restamp(tmp_path / "gone", 1, 1.0)
    assert not (tmp_path / "gone").exists()


def test_a_time_that_was_half_written_counts_as_never(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(written("name", b"1", "tag", 7.0))
    with path.open("r+b") as file:
        file.seek(entries._HEAD.size)
        file.write(struct.pack("<d", 1e9))
    entry = load(path, "name")
    assert entry is not None
    assert (entry.body, entry.checked) == (b"1", 0.0)


def test_a_scan_lists_what_is_ours_the_longest_unused_first(tmp_path: Path) -> None:
    for number, name in enumerate(["0" * 32, "f" * 32, "a" * 32]):
        path = tmp_path / name[:2] / name
        store(path, *encode(name, bytes(number * 5000), None, 1.0))
        os.utime(path, (0, 1000 - number))
    foreign = [tmp_path / "00" / "notes.txt", tmp_path / "salt", tmp_path / "other" / ("0" * 32), tmp_path / "00" / "x"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    old, new = tmp_path / "ff" / "tmp-1", tmp_path / "ff" / "tmp-2"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    found = scan(tmp_path)
    assert found == [("a" * 32, 12288), ("f" * 32, 8192), ("0" * 32, 4096)]
    assert all(path.exists() for path in [*foreign, new])
    assert not old.exists()
    assert scan(tmp_path / "nowhere") == []


def test_a_file_that_is_used_is_listed_last(tmp_path: Path) -> None:
    for name in ("0" * 32, "1" * 32):
        path = tmp_path / name[:2] / name
        store(path, *encode(name, b"", None, 1.0))
        os.utime(path, (0, 1000))
    load(tmp_path / "00" / ("0" * 32), "0" * 32)
    assert [name for name, _ in scan(tmp_path)] == ["1" * 32, "0" * 32]


def test_the_salt_is_made_once_and_again_where_it_is_spoiled(tmp_path: Path) -> None:
    salt = entries.read_salt(tmp_path)
    assert len(salt) == 16
    assert entries.read_salt(tmp_path) == salt
    (tmp_path / "salt").write_bytes(b"half")
    assert len(entries.read_salt(tmp_path)) == 16
    assert entries.read_salt(tmp_path) != salt


# ---- crashes


class CrashError(BaseException):
    """The process dies here."""


class FaultyFile:
    """A file that takes so many bytes and then fails."""

    def __init__(self, file: Any, left: int, error: BaseException) -> None:
        self.file, self.left, self.error = file, left, error

    def __enter__(self) -> "FaultyFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        self.file.write(data[: self.left])
        self.left -= len(data)
        if self.left < 0:
            self.file.flush()
            raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@given(
    old=st.none() | st.binary(max_size=60),
    new=st.binary(max_size=60),
    point=st.integers(0, 220) | st.sampled_from(["before", "after"]),
    stamped=st.booleans(),
)
def test_a_crash_at_any_point_leaves_the_old_answer_or_the_new_one(
    old: bytes | None, new: bytes, point: int | str, stamped: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "ab" / "file"
        if old is not None:
            store(path, *encode("name", old, "tag", 7.0))
        crash(patch, point)
        died = False
        try:
            if stamped and old is not None:
                restamp(path, decode(path.read_bytes(), "name").crc, 8.0)
            else:
                store(path, *encode("name", new, "tag", 8.0))
        except CrashError:
            died = True
        patch.undo()
        entry = load(path, "name")
        if stamped and old is not None:
            assert entry is not None
            assert (entry.body, entry.checked) in [(old, 7.0), (old, 8.0), (old, 0.0)]
        elif entry is None:
            assert old is None
            assert died
        else:
            assert (entry.body, entry.checked) in ([(old, 7.0), (new, 8.0)] if died else [(new, 8.0)])


def crash(patch: pytest.MonkeyPatch, point: int | str) -> None:
    """Let the process die after so many bytes, or before or after the file is renamed."""
    replace = os.replace

    def replaced(source: Path, target: Path) -> None:
        if point == "after":
            replace(source, target)
        raise CrashError

    if isinstance(point, str):
        patch.setattr(entries.os, "replace", replaced)
        return

    def opened(path: Path, mode: str) -> Any:
        file = open(path, mode)  # noqa: SIM115
        return file if mode == "rb" else FaultyFile(file, point, CrashError())

    patch.setattr(entries, "open", opened, raising=False)


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ab" / "file"
    store(path, *encode("name", b"old", None, 7.0))
    full = OSError(28, "No space left on device")
    opened = lambda path, mode: FaultyFile(open(path, mode), 10, full)  # noqa: E731, SIM115
    monkeypatch.setattr(entries, "open", opened, raising=False)
    with pytest.raises(OSError, match="No space left"):
        store(path, *encode("name", b"new", None, 8.0))
    monkeypatch.undo()
    entry = load(path, "name")
    assert entry is not None
    assert entry.body == b"old"
    assert [file.name for file in path.parent.iterdir()] == ["file"]


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)
