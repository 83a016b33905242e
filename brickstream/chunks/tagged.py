"""Readers that can be asked whether something is still as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from brickstream.chunks.reader import ByteRange, Reader, nothing_started


class Tagged(Protocol):
    """An answer with what its server calls this version of it."""

    @property
    def body(self) -> bytes | None:
        """The bytes; None where nothing is there, or where what was known is unchanged."""

    @property
    def tag(self) -> str | None:
        """An ETag, or the date of the last change; None where the server gives neither."""

    @property
    def unchanged(self) -> bool:
        """Whether the bytes are still those that have the tag that was asked about."""


@dataclass(frozen=True)
class Answer:
    """A :class:`Tagged` answer."""

    body: bytes | None
    tag: str | None = None
    unchanged: bool = False


@runtime_checkable
class TaggedReader(Protocol):
    """A reader whose server may give tags."""

    async def read_tagged(
        self, key: str, span: ByteRange | None, tag: str | None, started: Callable[[], None] = nothing_started
    ) -> Tagged:
        """Read as :meth:`brickstream.chunks.reader.Reader.read` does, unless what has this tag is still there.

        Parameters
        ----------
        key, span, started
            As for :meth:`brickstream.chunks.reader.Reader.read`.
        tag : str or None
            Of an answer for the same key and span; None asks for the bytes in any case.
        """


@runtime_checkable
class Decorator(Protocol):
    """A reader on top of another one, which lets something be put between the two."""

    def over(self, wrap: Callable[[Reader], Reader]) -> Reader:
        """Make the same reader, on top of what `wrap` makes of the one below."""


async def ask(
    reader: Reader, key: str, span: ByteRange | None, tag: str | None, started: Callable[[], None] = nothing_started
) -> Tagged:
    """Ask a reader by tag if it can, and else for the bytes."""
    if isinstance(reader, TaggedReader):
        return await reader.read_tagged(key, span, tag, started)
    return Answer(await reader.read(key, span, started))
