"""Bytes by key, whatever they come from; and out of a folder.

A reader answers None where nothing is there, and raises where it cannot know. Everything runs on the event loop of the
engine; what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

from brickstream.chunks.traffic import Exchange, Traffic
from brickstream.errors import AccessDeniedError, StoreError, TooLongError

# Names of the documents that describe a place.
DOCUMENTS = ("zarr.json", ".zattrs", ".zarray", ".zgroup", ".zmetadata")
# More folders than that are listed for nobody.
MAX_NAMES = 1000


@dataclass(frozen=True)
class Suffix:
    """The last `length` bytes of a value."""

    length: int


@dataclass(frozen=True)
class Span:
    """`length` bytes of a value from byte `start` on."""

    start: int
    length: int


@dataclass(frozen=True)
class AtMost:
    """All bytes of a value that has no more than `length`; a longer one is refused before it has been read."""

    length: int


ByteRange = Suffix | Span | AtMost


def nothing_started() -> None:
    """Do nothing when an answer begins: the default of `started`."""


class Reader(Protocol):
    """Where the bytes of one image come from."""

    @property
    def url(self) -> str:
        """Where this is, for people: no secrets."""

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read one value, or a part of it.

        Parameters
        ----------
        key : str
            Relative to the reader's root, such as ``"0/c/1/2"``.
        span : ByteRange, optional
            The part to read; None reads everything.
        started : callable
            Called once, when the answer begins to arrive.

        Returns
        -------
        bytes or None
            None where there is no such key.

        Raises
        ------
        AccessDeniedError, TimedOutError, StoreError
            If the answer is neither the bytes nor "not there".
        TooLongError
            If the value is longer than `span` allows.
        """


@runtime_checkable
class Remembering(Protocol):
    """A reader or a source that keeps what it has read, or a part of it."""

    def forget(self) -> None:
        """Use nothing unasked that was read before now: it may have been written anew."""


def forget(what: object) -> None:
    """Tell a reader or a source that what it remembers may be out of date; those that keep nothing need not hear."""
    if isinstance(what, Remembering):
        what.forget()


@runtime_checkable
class Lister(Protocol):
    """A reader that may be able to say what there is."""

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Names of the folders in a folder, without their order; empty where it cannot be told."""


def too_long(limit: int, where: str) -> TooLongError:
    """Say that a document is longer than anything that describes an image."""
    return TooLongError(f"longer than {limit:,} bytes", where, "nothing that describes an image is that long")


def check_key(key: str, where: str) -> None:
    """Refuse a key that leads out of its image: metadata may name any.

    Raises
    ------
    StoreError
    """
    if key.startswith("/") or "\\" in key or (".." in key and ".." in key.split("/")):
        raise StoreError("a key that leads out of the image", where, "the metadata names a place that is not inside it")


class LocalReader:
    """Keys under a folder. Reads run in threads."""

    def __init__(self, root: Path, traffic: Traffic) -> None:
        self._root = root
        self._traffic = traffic
        self.url = str(root)

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read a file; see :meth:`Reader.read`."""
        with Exchange(self._traffic, f"{self.url}/{key}") as exchange:
            body = await asyncio.to_thread(self._read, key, span)
            started()
            if body is not None:
                exchange.took(len(body))
        return body

    def _read(self, key: str, span: ByteRange | None) -> bytes | None:
        check_key(key, f"{self.url}/{key}")
        if "\0" in key:
            return None
        path = self._root / key
        try:
            with path.open("rb") as file:
                if isinstance(span, Suffix):
                    file.seek(0, 2)
                    file.seek(max(0, file.tell() - span.length))
                elif isinstance(span, Span):
                    file.seek(span.start)
                body = file.read() if span is None else file.read(_most(span))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except PermissionError as error:
            raise AccessDeniedError("access denied", str(path), "check the file's permissions") from error
        except OSError as error:
            raise StoreError(f"cannot be read ({error.strerror})", str(path)) from error
        if isinstance(span, AtMost) and len(body) > span.length:
            raise too_long(span.length, str(path))
        if isinstance(span, Span) and len(body) != span.length:
            raise StoreError(f"the file ends after {len(body)} of {span.length} bytes", str(path))
        return body

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Look which folders are there, a thousand at most; see :meth:`Lister.names`."""
        return await asyncio.to_thread(self._names, self._root / folder)

    def _names(self, folder: Path) -> tuple[str, ...]:
        try:
            with os.scandir(folder) as entries:
                return tuple(entry.name for entry in islice(entries, MAX_NAMES) if entry.is_dir())
        except OSError:
            return ()  # a help for people, where the folder can be listed


def _most(span: ByteRange) -> int:
    """Bytes to take of a file; one more than allowed shows that there are too many."""
    return span.length + 1 if isinstance(span, AtMost) else span.length
