"""Bytes by key out of S3 through obstore, where it is installed: a read costs a fifth of the processor time of s3fs."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from brickstream.chunks.http.client import HttpClient
from brickstream.chunks.reader import AtMost, ByteRange, Suffix
from brickstream.chunks.stores.store import StoreReader
from brickstream.errors import redact

# Where Amazon says in which region a bucket is, whoever asks.
_ANY_REGION = "https://s3.amazonaws.com"
# Where credentials may come from when nothing that knows all the places is installed.
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
# Credentials that expire are asked for again after that; botocore knows whether they have changed.
_FRESH = timedelta(minutes=15)
_STATUS, _CODE = re.compile(r"status code: (\d{3})"), re.compile(r"<Code>(\w+)</Code>")


def has_credentials() -> bool:
    """Whether this machine has credentials for AWS. May block."""
    if find_spec("botocore") is None:
        return any(os.environ.get(name) for name in _CREDENTIALS)
    return _botocore().get_credentials() is not None


def read_s3(url: str, client: HttpClient) -> StoreReader | None:
    """Make the reader for an ``s3://`` URL; None where obstore is not installed. May block."""
    if find_spec("obstore") is None:
        return None
    bucket = urlsplit(url).netloc
    place = ("obstore", bucket)
    if place not in client.kept:
        client.kept.setdefault(place, _Bucket(bucket, client))
    return StoreReader(client.kept[place], client, redact(url), urlsplit(url).path.strip("/"), f"s3.{bucket}")


def read_obstore(store: Any, client: HttpClient) -> StoreReader:
    """Make the reader for a store of obstore's that somebody else has made."""
    kind = type(store).__name__
    server = "" if kind in ("LocalStore", "MemoryStore") else f"{kind}.{id(store)}"
    return StoreReader(_Objects(store), client, f"<{kind}>", "", server)


class _Objects:
    """A store of obstore's."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def _opened(self) -> Any:
        return self._store

    async def get(self, path: str, span: ByteRange | None, began: Callable[[], None]) -> bytes | None:
        import obstore
        from obstore.exceptions import BaseError

        store = await self._opened()
        try:
            answer = await obstore.get_async(store, path, options=_range(span))
            began()
            return bytes(await answer.bytes_async())
        except BaseError as error:
            told = _told(str(error))
            # There is no part of a value without bytes.
            if isinstance(span, AtMost) and isinstance(told, _Answer) and told.status == 416:
                return b""
            raise told from error

    async def folders(self, path: str) -> Iterable[str]:
        import obstore

        found = await obstore.list_with_delimiter_async(await self._opened(), path or None)
        return [str(folder).rstrip("/").rpartition("/")[2] for folder in found["common_prefixes"]]


class _Bucket(_Objects):
    """A bucket, opened at the first read: in which region it is has to be asked for."""

    def __init__(self, bucket: str, client: HttpClient) -> None:
        super().__init__(None)
        self._bucket = bucket
        self._client = client
        self._lock = asyncio.Lock()

    async def _opened(self) -> Any:
        if self._store is None:
            async with self._lock:
                if self._store is None:
                    settings = await asyncio.to_thread(_settings)
                    if "endpoint" not in settings:
                        region = await bucket_region(self._bucket, self._client.session)
                        settings["region"] = region or settings.get("region")
                    self._store = _open(self._bucket, settings, self._client)
        return self._store


def _open(bucket: str, settings: Mapping[str, Any], client: HttpClient) -> Any:
    from obstore.store import S3Store

    options, endpoint = client.options, settings.get("endpoint", "")
    http: Any = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=options.connect_s),
        "read_timeout": timedelta(seconds=options.read_s),
        # A slow link is no reason to give up.
        "timeout": timedelta(days=1),
    }
    if options.proxy:
        http["proxy_url"] = options.proxy
    known = {name: value for name, value in settings.items() if value}
    # We try again ourselves.
    return S3Store(bucket, client_options=http, retry_config={"max_retries": 0}, **known)


def _settings() -> dict[str, Any]:
    """Find what AWS's own tools would use. May block."""
    settings: dict[str, Any] = {"region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if find_spec("botocore") is not None:
        session = _botocore()
        settings["region"] = settings["region"] or session.get_config_variable("region")
        endpoint = endpoint or session.get_scoped_config().get("endpoint_url")
        credentials = session.get_credentials()
        if credentials is not None:
            settings["credential_provider"] = lambda: _frozen(credentials)
    if endpoint:
        settings["endpoint"] = endpoint
    if not has_credentials():
        settings["skip_signature"] = True
    return settings


def _botocore() -> Any:
    import botocore.session

    return botocore.session.get_session()


def _frozen(credentials: Any) -> dict[str, Any]:
    now = credentials.get_frozen_credentials()
    return {
        "access_key_id": now.access_key,
        "secret_access_key": now.secret_key,
        "token": now.token,
        "expires_at": datetime.now(UTC) + _FRESH,
    }


# Seconds to wait for the answer where a bucket is.
_REGION_S = 30.0


async def bucket_region(bucket: str, session: aiohttp.ClientSession, endpoint: str = _ANY_REGION) -> str | None:
    """Ask in which region a bucket is; None where nobody says.

    Parameters
    ----------
    bucket : str
    session : aiohttp.ClientSession
    endpoint : str, optional
        Of S3, any region's.
    """
    try:
        waits = aiohttp.ClientTimeout(total=_REGION_S)
        async with session.head(f"{endpoint}/{bucket}", allow_redirects=False, timeout=waits) as answer:
            return answer.headers.get("x-amz-bucket-region")
    except (aiohttp.ClientError, TimeoutError):
        return None  # the first read will say what is wrong


class _Answer(OSError):
    """An answer of a server that is none, as the libraries of clouds put it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"HTTP {status} {code}".rstrip())
        self.status = status
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {"Code": code}}


def _told(text: str) -> Exception:
    """Find out what an error of obstore's means: it says so in words only."""
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is not None:
        return _Answer(int(status[1]), code[1] if code is not None else "")
    line = text.splitlines()[0] if text else ""
    if "HTTP error" in line:
        return ConnectionError(line.rpartition("HTTP error: ")[2])
    return OSError(line)


def _range(span: ByteRange | None) -> Any:
    if span is None:
        return None
    if isinstance(span, Suffix):
        return {"range": {"suffix": span.length}}
    # One byte more than allowed shows that there are too many.
    start, length = (0, span.length + 1) if isinstance(span, AtMost) else (span.start, span.length)
    return {"range": (start, start + length)}
