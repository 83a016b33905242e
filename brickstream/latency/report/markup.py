"""HTML that is escaped where it is made: plain text never becomes a tag."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = {"meta", "br", "col"}


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str | Iterable[str], **attributes: object) -> Html:
    """Make an element.

    Parameters
    ----------
    name : str
        Such as ``p``, or ``path`` of SVG.
    *children : str or iterable of str
        Text is escaped; :class:`Html` is taken as it is.
    **attributes : object
        ``class_`` is ``class`` and ``aria_label`` is ``aria-label``: a last underscore goes, others become hyphens.
        None and False leave the attribute out; True is an attribute without a value.
    """
    kept = {key: value for key, value in attributes.items() if value is not None and value is not False}
    said = "".join(_attribute(key, value) for key, value in kept.items())
    inside = "".join(join(child) for child in children)
    return Html(f"<{name}{said}>" if name in _VOID else f"<{name}{said}>{inside}</{name}>")


def join(parts: str | Iterable[str]) -> Html:
    """Put pieces one after the other."""
    if isinstance(parts, Html):
        return parts
    return Html(escape(parts)) if isinstance(parts, str) else Html("".join(map(join, parts)))


def _attribute(key: str, value: object) -> str:
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
