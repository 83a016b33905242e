"""Every error that brickstream raises on purpose.

One base class, :class:`BrickstreamError`; each error also derives from the builtin that people expect in its place.
A message says *what* went wrong, *where*, and *what to do* about it, in one line. It never carries a secret: URLs enter
an error only after :func:`redact`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit


def redact(url: str) -> str:
    """Return `url` without user name, password, query values and fragment, for logs and errors.

    Parameters
    ----------
    url : str
        Any URL or path; a text that is not a URL with a network location comes back unchanged.
    """
    parts = urlsplit(url)
    if not parts.netloc:
        return url
    host = parts.netloc.rpartition("@")[2]
    query = "..." if parts.query else ""
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


_SHORT = reprlib.Repr()
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 20
_SHORT.maxstring = _SHORT.maxother = 100


def _shown(value: object) -> str:
    """Text of a value that may be anything: nested without end, or megabytes."""
    try:
        return _SHORT.repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; a value that contains itself
        return f"a value of type {type(value).__name__}"


def some_of(names: Sequence[str], most: int = 5) -> str:
    """Name the first of many, for a message of one line."""
    texts = (name if name.isprintable() else repr(name) for name in names[:most])
    shown = ", ".join(text if len(text) <= 80 else f"{text[:77]}..." for text in texts)
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


class BrickstreamError(Exception):
    """Base of all errors of brickstream.

    Parameters
    ----------
    what : str
        What went wrong, without a full stop.
    where : str, default ""
        The URL, path, key or option it happened at. URLs must be redacted by the caller.
    hint : str, default ""
        What the reader can do about it.
    """

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what, where, hint)

    def __str__(self) -> str:
        text = f"{self.what}: {self.where}" if self.where else self.what
        return f"{text} ({self.hint})" if self.hint else text


class StoreError(BrickstreamError, OSError):
    """A store could not be read: no connection, a time-out, an answer that is no answer."""


class NotFoundError(StoreError, FileNotFoundError):
    """Nothing is there: an HTTP 404, a path that does not exist, a folder without an image."""


class AccessDeniedError(StoreError, PermissionError):
    """The server or the file system refuses: HTTP 401 and 403, file permissions."""


class TimedOutError(StoreError, TimeoutError):
    """Something took longer than the limit that was set for it."""


class TransientError(StoreError):
    """A failure that may pass by itself: a lost connection, HTTP 408, 429 or 5xx. Told after it was tried again.

    Parameters
    ----------
    what, where, hint : str
        As for every error here.
    retry_after_s : float or None, default None
        Seconds that the server asked to wait.
    shedding : bool, default False
        Whether the server said that it has too much to do.
    """

    def __init__(
        self, what: str, where: str = "", hint: str = "", *, retry_after_s: float | None = None, shedding: bool = False
    ) -> None:
        self.retry_after_s = retry_after_s
        self.shedding = shedding
        super().__init__(what, where, hint)


class TooLongError(StoreError):
    """A document with more bytes than are taken: nothing that describes an image is that long."""


class CollectionError(BrickstreamError, ValueError):
    """Several images where one was asked for: a plate, a well, a list of labels or of series.

    Parameters
    ----------
    what : str
        What is there, such as ``"a plate with 96 wells, not one image"``.
    where : str
        The collection, as a redacted URL or a path.
    choices : tuple of str
        Paths to choose from, from the collection's; the first of them are in the message.
    """

    def __init__(self, what: str, where: str, choices: tuple[str, ...]) -> None:
        self.choices = choices
        super().__init__(what, where, f"choose one: {some_of(choices)}; add its path to the URL or to --image")


class MetadataError(BrickstreamError, ValueError):
    """Metadata that cannot be what it says it is.

    Parameters
    ----------
    path : str
        The JSON path of the value, such as ``multiscales[0].datasets[1].path``.
    value : object
        The value found there (its repr is cut to 80 characters).
    rule : str
        The rule that it breaks.
    where : str, default ""
        The document, as a redacted URL or a path.
    """

    def __init__(self, path: str, value: object, rule: str, where: str = "") -> None:
        self.path = path
        self.value = value
        self.rule = rule
        shown = _shown(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        place = path if len(path) <= 160 else f"{path[:120]}...{path[-30:]}"
        super().__init__(f"bad metadata at {place or '(root)'}: {rule}, found {shown}", where)


class CodecError(BrickstreamError, ValueError):
    """A chunk whose bytes are not what the metadata promises: truncated, corrupt, or of an unknown codec."""


class ViewError(BrickstreamError, ValueError):
    """A view that an image cannot have: an unknown axis, a zoom of zero, a canvas without pixels."""


class TransformError(BrickstreamError, ValueError):
    """A map between spaces that cannot be: wrong axes, numbers that are not finite, no way back."""


class BudgetError(BrickstreamError, ValueError):
    """A budget too small to hold even one chunk or one brick."""


class GraphicsError(BrickstreamError, RuntimeError):
    """No usable OpenGL, or a GPU limit that makes drawing impossible."""


class TextureMemoryError(GraphicsError, MemoryError):
    """The GPU has no room for a texture, whatever it said before."""


class MissingPackageError(BrickstreamError, ImportError):
    """An optional package is needed for this; the hint names the pip command."""


class ClosedError(BrickstreamError, RuntimeError):
    """An engine was used before it was entered or after it was closed."""
