"""Bytes by key out of whatever fsspec knows: object stores, memory, SFTP and many more."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from brickstream.chunks.http.client import HttpClient
from brickstream.chunks.reader import AtMost, ByteRange, Suffix
from brickstream.chunks.stores.s3 import has_credentials, read_s3
from brickstream.chunks.stores.store import StoreReader, scrub
from brickstream.errors import MissingPackageError, StoreError, redact

# What brings a kind of URL, by the extra of this package that installs it.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
# A description of where bytes are, in a file that may come from anywhere, could name any file of this machine.
_REFUSED = ("reference",)


def read_url(url: str, client: HttpClient) -> StoreReader:
    """Make the reader for a URL that is neither HTTP nor a local path. May block.

    Raises
    ------
    MissingPackageError
        If a package for this kind of URL is not installed.
    StoreError
        If there is no such kind of URL, or it lacks something.
    """
    import fsspec
    from fsspec.config import conf

    parts, shown = urlsplit(url), redact(url)
    scheme = parts.scheme.lower()
    if scheme in _REFUSED or scheme not in (*fsspec.available_protocols(), *fsspec.registry):
        raise StoreError(f"unknown kind of URL {scheme}://", shown, "http(s):// and local paths always work")
    if parts.query:
        raise StoreError(f"a query means nothing in a URL of kind {scheme}://", shown, "give the https:// form of it")
    try:
        reader = read_s3(url, client) if scheme == "s3" and not conf.get("s3") else None
        return reader or _read_url(url, scheme, client)
    except ImportError as error:
        raise _missing(scheme, shown, error) from error
    except Exception as error:
        # Each file system has errors of its own for what it lacks: an account, a host.
        raise StoreError(f"{scheme}:// cannot be used ({scrub(str(error))})", shown) from error


def _read_url(url: str, scheme: str, client: HttpClient) -> StoreReader:
    place = (scheme, urlsplit(url).netloc)
    if place not in client.kept:
        client.kept.setdefault(place, _FileSystem(_open(url, scheme, client), client))
    backend = client.kept[place]
    root = type(backend.fs)._strip_protocol(url)
    return StoreReader(backend, client, redact(url), root, _server(backend.fs, root))


def read_file_system(fs: Any, root: str, client: HttpClient) -> StoreReader:
    """Make the reader for a folder of a file system that somebody else has opened."""
    place = ("fsspec", fs)
    if place not in client.kept:
        client.kept.setdefault(place, _FileSystem(_own(fs, client), client))
    url = root if "://" in root else f"{_protocol(fs)}://{root}"
    return StoreReader(client.kept[place], client, redact(url), root, _server(fs, root))


class _FileSystem:
    """A file system of fsspec, closed with its client.

    Those that are asynchronous run on fsspec's own event loop, in a thread of its own: many read files when they are
    used first, and some take milliseconds for every answer. Cancelling a read here cancels it there.
    """

    def __init__(self, fs: Any, client: HttpClient) -> None:
        self.fs = fs
        self._client = client
        self._is_used = False

    async def get(self, path: str, span: ByteRange | None, began: Callable[[], None]) -> bytes | None:
        start, end = _ends(span)
        if not self.fs.async_impl:
            return bytes(await asyncio.to_thread(self.fs.cat_file, path, start, end))
        if isinstance(span, Suffix) and _protocol(self.fs) == "abfs":
            # adlfs takes "from the end on" for a place before the beginning.
            size = (await self._there(self.fs._info(path)))["size"]
            start, end = max(0, size - span.length), size
        try:
            return bytes(await self._there(self.fs._cat_file(path, start=start, end=end)))
        except OSError as error:
            # There is no part of a value without bytes.
            if isinstance(span, AtMost) and "not satisfiable" in str(error):
                return b""
            raise

    async def folders(self, path: str) -> Iterable[str]:
        if self.fs.async_impl:
            found = await self._there(self.fs._ls(path, detail=True))
        else:
            found = await asyncio.to_thread(self.fs.ls, path, detail=True)
        return [each["name"].rstrip("/").rpartition("/")[2] for each in found if each["type"] == "directory"]

    async def _there(self, work: Coroutine[Any, Any, Any]) -> Any:
        if not self._is_used:
            self._is_used = True
            self._client.closing.push_async_callback(self._there, _close(self.fs))
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.fs.loop))


async def _close(fs: Any) -> None:
    """Close the connections of a file system; each has its own word for what holds them."""
    begin = getattr(fs, "set_session", None) or getattr(fs, "_set_session", None)
    session: Any = await begin() if begin is not None else getattr(fs, "service_client", None)
    closed = session.close() if hasattr(session, "close") else None
    if inspect.isawaitable(closed):
        await closed


def _open(url: str, scheme: str, client: HttpClient) -> Any:
    """Make a file system of our own: those that fsspec keeps are not ours to close."""
    from fsspec.config import conf
    from fsspec.core import url_to_fs

    options = _s3_options(conf.get("s3", {}), client) if scheme in ("s3", "s3a") else {}
    fs, _ = url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **options)
    return _tame(fs)


def _own(fs: Any, client: HttpClient) -> Any:
    """Make a file system like another one, whose connections may belong to any event loop."""
    if not fs.async_impl or type(fs).__name__ == "AsyncFileSystemWrapper":
        return getattr(fs, "sync_fs", fs)
    options = {**fs.storage_options, "asynchronous": False, "skip_instance_cache": True}
    options.pop("loop", None)
    if _protocol(fs) == "s3":
        options.update(_s3_options({"anon": fs.anon, **options}, client))
    return _tame(type(fs)(*fs.storage_args, **options))


def _tame(fs: Any) -> Any:
    """Let a file system neither try again nor close itself, whatever thread it is in then: we do both."""
    fs.close_session = lambda *args, **kwargs: None
    if _protocol(fs) == "s3":
        fs.retries = 1
    return fs


def _s3_options(known: Mapping[str, Any], client: HttpClient) -> dict[str, Any]:
    """Say what s3fs should know besides what it is told."""
    http = client.options
    config = {
        # Second requests for late reads need connections beside those of the reads.
        "max_pool_connections": client.most * 9 // 8 + 2,
        "connect_timeout": http.connect_s,
        "read_timeout": http.read_s,
        "retries": {"total_max_attempts": 1},
    }
    # Read with several requests at once, each value costs one more to learn its size.
    options = {"config_kwargs": {**config, **known.get("config_kwargs", {})}, "max_concurrency": 1}
    if not known.keys() & {"anon", "key", "profile", "session"} and not has_credentials():
        options["anon"] = True
    return options


def _missing(scheme: str, shown: str, error: ImportError) -> MissingPackageError:
    hint = f"pip install 'brickstream[{_EXTRAS[scheme]}]'" if scheme in _EXTRAS else scrub(str(error))
    return MissingPackageError(f"{scheme}:// needs a package that is not installed", shown, hint)


def _protocol(fs: Any) -> str:
    return fs.protocol if isinstance(fs.protocol, str) else str(fs.protocol[0])


def _server(fs: Any, root: str) -> str:
    """Name what answers the requests of a file system; nothing where it is this machine."""
    name = urlsplit(root).netloc if "://" in root else root.partition("/")[0]
    return f"{_protocol(fs)}.{name}" if fs.async_impl else ""


def _ends(span: ByteRange | None) -> tuple[int | None, int | None]:
    """Put a range as fsspec does; one byte more than allowed shows that there are too many."""
    if span is None:
        return None, None
    if isinstance(span, Suffix):
        return -span.length, None
    if isinstance(span, AtMost):
        return 0, span.length + 1
    return span.start, span.start + span.length
