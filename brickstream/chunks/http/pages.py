"""Web pages where data was looked for: lists of what a folder holds, and pages that are none of ours."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

# The list of a folder with thousands of entries has some hundred kilobytes.
MAX_PAGE = 1 << 20
# Good enough for what servers write; a page that is written otherwise only helps nobody.
_LINK = re.compile(r"""\bhref=(?:"([^"<>]{1,300})"|'([^'<>]{1,300})')""", re.IGNORECASE)


def is_page(raw: bytes) -> bool:
    """Whether bytes look like HTML or XML; JSON never begins so."""
    return raw[:512].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def folders_in_page(raw: bytes) -> tuple[str, ...]:
    """Names of the folders that a server's page about a folder links to; empty where it is no such page."""
    if not is_page(raw):
        return ()
    links = (one or other for one, other in _LINK.findall(raw.decode("utf-8", "replace")))
    names = (unquote(unescape(link).removeprefix("./")) for link in links)
    # Folders of the folder itself: nothing above it, nowhere else, and no links that sort the list.
    inside = (name[:-1] for name in names if name.endswith("/") and not set(name[:-1]) & set("/?#:"))
    return tuple(dict.fromkeys(name for name in inside if name.strip(".")))
