"""A reader that looks on the disk first.

What is kept are the bytes as they came. An answer that is younger than a given age is used unasked; of an older one the
server is asked whether it is still right, if it gave a tag for it, and else it is read anew. What other answers depend
on is never used unasked: the documents that describe an image, and the first and the last bytes of a value (where the
index of a shard is).

A chunk is kept under the documents that describe it: when one of them changes, the chunks that were read before are not
found any more. And a part of a shard is used unasked only while it has the tag of the index that says where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf
from urllib.parse import urlsplit

from brickstream.chunks.cache.disk import DiskCache
from brickstream.chunks.cache.entries import Entry
from brickstream.chunks.reader import (
    DOCUMENTS,
    AtMost,
    ByteRange,
    Lister,
    Reader,
    Span,
    Suffix,
    nothing_started,
    too_long,
)
from brickstream.chunks.tagged import ask

# Values of which parts have been read, for which a tag is remembered.
_MAX_TAGS = 50_000


@dataclass
class _Known:
    """What has been learned about one store in this session."""

    documents: dict[str, dict[str, str]] = field(default_factory=dict)
    """Hashes of the documents by folder and name."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tag of the last answer by key, for values that are read in parts."""
    doubted: float = -inf
    """What was checked until then is not used unasked."""


class CachedReader:
    """A reader that looks into a disk cache first.

    Parameters
    ----------
    reader : Reader
    cache : DiskCache
    identity : str
        URL that tells this store from others; only its scheme, host and path are written down.
    secret : str, default ""
        What else the answers depend on, such as a token.
    """

    def __init__(self, reader: Reader, cache: DiskCache, identity: str, secret: str = "") -> None:
        self._reader = reader
        self._cache = cache
        self._identity = (identity, secret)
        self._known = _Known()

    @property
    def url(self) -> str:
        """Where this is, for people."""
        return self._reader.url

    def over(self, wrap: Callable[[Reader], Reader]) -> CachedReader:
        """Make the same reader on top of another one; see :class:`brickstream.chunks.tagged.Decorator`."""
        made = CachedReader(wrap(self._reader), self._cache, *self._identity)
        made._known = self._known
        return made

    def forget(self) -> None:
        """Use nothing unasked that was read before now: the server is asked whether it is still right."""
        self._known.doubted = self._cache.clock()

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Names of the folders; see :meth:`brickstream.chunks.reader.Lister.names`."""
        return await self._reader.names(folder) if isinstance(self._reader, Lister) else ()

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read a value or a part of it; see :meth:`brickstream.chunks.reader.Reader.read`."""
        if not self._cache.is_on:
            return await self._reader.read(key, span, started)
        name = self._name(key, span)
        entry = await self._cache.load(name)
        if entry is not None and self._is_fresh(key, span, entry):
            self._cache.counters.hits += 1
            started()
            body = entry.body
        else:
            body = await self._ask(name, key, span, entry, started)
        if _is_document(key):
            self._learn(key, body)
        if isinstance(span, AtMost) and body is not None and len(body) > span.length:
            raise too_long(span.length, f"{self.url}/{key}")
        return body

    async def _ask(
        self, name: str, key: str, span: ByteRange | None, entry: Entry | None, started: Callable[[], None]
    ) -> bytes | None:
        tag, now = None if entry is None or entry.body is None else entry.tag, self._cache.clock()
        answer = await ask(self._reader, key, span, tag, started)
        if isinstance(span, Span | Suffix) and answer.tag is not None:
            self._remember(key, answer.tag)
        if entry is not None and answer.unchanged:
            self._cache.counters.validated += 1
            self._cache.confirm(name, entry, now)
            started()
            return entry.body
        self._cache.counters.misses += 1
        # What is never used unasked is of no use without a tag to ask about.
        if answer.tag is not None or not _is_leading(key, span):
            self._cache.keep(name, answer.body, answer.tag, now)
        return answer.body

    def _is_fresh(self, key: str, span: ByteRange | None, entry: Entry) -> bool:
        """Whether an answer may be used unasked."""
        if _is_leading(key, span) or self._known.tags.get(key, entry.tag) != entry.tag:
            return False
        if entry.checked <= self._known.doubted:
            return False
        longest = self._cache.missing_age_s if entry.body is None else self._cache.max_age_s
        return 0 <= self._cache.clock() - entry.checked <= longest

    def _remember(self, key: str, tag: str) -> None:
        if len(self._known.tags) >= _MAX_TAGS:
            self._known.tags.clear()
        self._known.tags[key] = tag

    def _learn(self, key: str, body: bytes | None) -> None:
        """Take down what a document says, as a hash."""
        folder, _, document = key.rpartition("/")
        said = self._known.documents.setdefault(folder, {})
        if body is None:
            said.pop(document, None)
        else:
            said[document] = blake2b(body, digest_size=16).hexdigest()

    def _name(self, key: str, span: ByteRange | None) -> str:
        """Full name of an answer: where it is from, what it depends on, which part it is."""
        url, secret = self._identity
        parts = urlsplit(url)
        private = f"{parts.username}:{parts.password}?{parts.query}#{parts.fragment} {secret}"
        host = parts.netloc.rpartition("@")[2]
        place = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/{key}"
        above = "" if _is_document(key) else self._described_by(key)
        return "\n".join((place, self._cache.digest(private), above, _span_text(span)))

    def _described_by(self, key: str) -> str:
        """Hashes of the documents above a key."""
        hashes: list[str] = []
        steps = key.split("/")
        for depth in range(len(steps)):
            said = self._known.documents.get("/".join(steps[:depth]))
            if said:
                hashes += [said[document] for document in sorted(said)]
        return blake2b("".join(hashes).encode(), digest_size=16).hexdigest()


def _is_document(key: str) -> bool:
    return key.rpartition("/")[2] in DOCUMENTS


def _is_leading(key: str, span: ByteRange | None) -> bool:
    """Whether other answers depend on this one, so that the server is asked about it in any case."""
    return _is_document(key) or isinstance(span, Suffix) or (isinstance(span, Span) and span.start == 0)


def _span_text(span: ByteRange | None) -> str:
    if isinstance(span, Span):
        return f"{span.start}+{span.length}"
    return f"-{span.length}" if isinstance(span, Suffix) else ""
