"""Places where data is: URLs, paths and Zarr stores, what lies below and above them, and the reader for each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import url2pathname

from brickstream.chunks.http.client import HttpClient
from brickstream.chunks.http.reading import HttpReader
from brickstream.chunks.reader import DOCUMENTS, ByteRange, Lister, LocalReader, Reader, forget, nothing_started
from brickstream.chunks.stores.filesystems import read_url
from brickstream.chunks.stores.store import scrub
from brickstream.chunks.stores.zarr_stores import read_store
from brickstream.chunks.stores.zips import ZipReader, split_zip
from brickstream.errors import NotFoundError, StoreError, redact

if TYPE_CHECKING:
    from zarr.storage import StorePath

# In the URLs of these, characters are written as their numbers.
_QUOTED = ("http", "https", "file")
# One kind of place on top of another, as fsspec writes it.
_CHAIN = re.compile(r"::\w[\w+.-]*://")


def make_reader(where: object, client: HttpClient) -> Reader:
    """Choose the reader for a URL, a path or a Zarr store. May block.

    Parameters
    ----------
    where : str, pathlib.Path, zarr.abc.store.Store, zarr.storage.StorePath, zarr.Group or zarr.Array
        An ``http(s)://`` or ``file://`` URL, any other URL that fsspec knows, a local path, or an object of zarr's. The
        URL or path of a metadata document stands for its folder; one that goes through a ``.zip`` leads into it.
    client : HttpClient
        For HTTP; its traffic counts the requests and bytes of every kind of place.

    Raises
    ------
    NotFoundError
        If a local path does not exist or is not a folder.
    StoreError
        If the kind of URL is not known here.
    """
    if isinstance(where, Path):
        return _local(where, client)
    if not isinstance(where, str):
        inside = _in_store(where)
        return _below(read_store(inside.store, client), inside.path)
    if not where.strip():
        raise StoreError("the URL is empty", "", "give an http(s) URL or a folder")
    if "://" not in where:
        return _local(Path(where), client)
    parts = _split(where)
    scheme = parts.scheme.lower()
    if scheme == "file":
        return _local(Path(url2pathname(parts.path)), client)
    parts = parts._replace(path=_without_document(parts.path))
    if scheme in ("http", "https") and not parts.hostname:
        raise StoreError("the URL has no host", redact(where), "it looks like http://host/path")
    read = HttpReader if scheme in ("http", "https") else read_url
    zipped = split_zip(parts.path)
    if zipped is None:
        return read(_unsplit(parts), client)
    file, inside_zip = zipped
    reader = read(_unsplit(parts._replace(path=file)), client)
    return _below(ZipReader(reader, "", reader.url), unquote(inside_zip) if scheme in _QUOTED else inside_zip)


def _local(path: Path, client: HttpClient) -> Reader:
    zipped = split_zip(_folder_of(path).as_posix())
    if zipped is not None and _is_file(Path(zipped[0])):
        file = Path(zipped[0])
        return _below(ZipReader(LocalReader(file.parent, client.traffic), file.name, str(file)), zipped[1])
    return LocalReader(_folder(path), client.traffic)


def _below(reader: Reader, path: str) -> Reader:
    return Below(reader, path) if path else reader


def below(where: Any, path: str) -> Any:
    """Give the place at a path inside another place.

    Parameters
    ----------
    where : str, pathlib.Path, or an object of zarr's
        See :func:`make_reader`. What a URL has after its path stays.
    path : str
        Such as ``"A/1/0"``; not quoted. An empty one is the place itself.

    Raises
    ------
    StoreError
        If the path leads out of the place, or there is no such kind of place.
    """
    inner = clean_path(path)
    if path.startswith("/") or ".." in inner.split("/"):
        raise StoreError("not a path inside the collection", path, "it looks like A/1/0")
    if not inner:
        return where
    if isinstance(where, Path):
        return _folder_of(where) / inner
    if not isinstance(where, str):
        return _in_store(where) / inner
    if "://" not in where:
        return str(_folder_of(Path(where)) / inner)
    parts = _split(where)
    inner = quote(inner) if parts.scheme.lower() in _QUOTED else inner
    return _unsplit(parts._replace(path=f"{_without_document(parts.path)}/{inner}", fragment=""))


def places_above(where: Any, most: int = 3) -> list[tuple[Any, str]]:
    """List the places that a place lies in. May block.

    Parameters
    ----------
    where : str, pathlib.Path, or an object of zarr's
    most : int, default 3
        How many, the nearest first.

    Returns
    -------
    list of (place, str)
        With the path from there to `where`, not quoted.
    """
    make: Callable[[str], Any]
    if isinstance(where, str) and "://" in where:
        parts = _split(where)
        path, make = _without_document(parts.path), lambda path: _unsplit(parts._replace(path=path, fragment=""))
        decode = unquote if parts.scheme.lower() in _QUOTED else str
    elif isinstance(where, str | Path):
        path, make, decode = str(_folder_of(Path(where).absolute())), Path, str
    else:
        inside = _in_store(where)
        path, make, decode = inside.path, lambda path: type(inside)(inside.store, path), str
    steps = path.strip("/").split("/") if path.strip("/") else []
    start = "/" if path.startswith("/") else ""
    cuts = range(len(steps) - 1, max(-1, len(steps) - 1 - most), -1)
    return [(make(start + "/".join(steps[:cut])), decode("/".join(steps[cut:]))) for cut in cuts]


def clean_path(path: str) -> str:
    """Write a path inside a place without what says nothing: ``./0/`` is ``0``."""
    return "/".join(step for step in path.split("/") if step not in ("", "."))


@dataclass(frozen=True)
class Below:
    """A reader of a folder inside another reader's root."""

    reader: Reader
    folder: str

    @property
    def url(self) -> str:
        """Where this is, for people."""
        return f"{self.reader.url}/{self.folder}"

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read a value of the folder; see :meth:`brickstream.chunks.Reader.read`."""
        return await self.reader.read(f"{self.folder}/{key}", span, started)

    def over(self, wrap: Callable[[Reader], Reader]) -> Below:
        """Make the same reader on top of another one; see :class:`brickstream.chunks.tagged.Decorator`."""
        return Below(wrap(self.reader), self.folder)

    def forget(self) -> None:
        """Use nothing unasked that was read before now."""
        forget(self.reader)

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Names of the folders; see :meth:`brickstream.chunks.reader.Lister.names`."""
        if not isinstance(self.reader, Lister):
            return ()
        return await self.reader.names(f"{self.folder}/{folder}" if folder else self.folder)


def _split(url: str) -> SplitResult:
    if _CHAIN.search(url.partition("?")[0]):
        hint = "make a Zarr store of it: zarr.storage.FsspecStore.from_url(...)"
        raise StoreError("a chain of URLs is not read", scrub(url), hint)
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError as error:
        # What cannot be taken apart cannot be redacted either: the message must do without it.
        raise StoreError("the URL cannot be read", "", "it looks like http://host:8000/path") from error
    return parts


def _unsplit(parts: SplitResult) -> str:
    """Put a URL together; one without a host keeps the slashes of it."""
    ends = f"{'?' if parts.query else ''}{parts.query}{'#' if parts.fragment else ''}{parts.fragment}"
    return f"{parts.scheme}://{parts.netloc}{parts.path}{ends}"


def _without_document(path: str) -> str:
    """Path of the folder of a URL, without a slash at the end."""
    folder, _, name = path.rstrip("/").rpartition("/")
    return folder.rstrip("/") if name in DOCUMENTS else path.rstrip("/")


def _folder_of(path: Path) -> Path:
    return path.parent if path.name in DOCUMENTS else path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise _unseen(path, error) from error


def _unseen(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot be looked at ({error.strerror})", str(path), "check the path")


def _folder(path: Path) -> Path:
    path = _folder_of(path)
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        raise _unseen(path, error) from error
    if not is_there:
        raise NotFoundError("no such folder", str(path), "check the spelling; a URL starts with http:// or https://")
    if not is_folder:
        raise NotFoundError(
            "not a Zarr folder but a file", str(path), "give the folder that holds zarr.json or .zgroup"
        )
    return path


def _in_store(where: Any) -> StorePath:
    from zarr.abc.store import Store
    from zarr.storage import StorePath

    place = getattr(where, "store_path", where)  # a zarr.Group or zarr.Array
    if isinstance(place, Store):
        return StorePath(place)
    if not isinstance(place, StorePath):
        raise StoreError("not a URL, a path or a Zarr store", type(where).__name__)
    return place
