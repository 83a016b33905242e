"""What ``brickstream info`` found, for people: plain lines and columns, the same on a terminal and in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

# Whoever wants to see all wells of a plate asks for JSON.
MAX_ROWS = 24
_MIXED = ("rotated", "rotated and flipped", "sheared")


def lines(document: dict[str, Any]) -> list[str]:
    """Lay out what :func:`brickstream.cli.describe.describe` says."""
    found = _image(document) if document["kind"] == "image" else _collection(document)
    return [_shown(line) for line in found]


def _image(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['name']}: {document['format']}, {document['nbytes']:,} bytes"
    yield from columns(["axis", "type", "unit", "from", "to"], map(_axis, document["axes"], document["extent"]))
    header = ["level", "path", "shape", "chunks", "shards", "type", "scale", "translation"]
    yield from columns(header, (_level(k, level) for k, level in enumerate(document["levels"])))
    notes = [*_placement(document), *map(_channel, document["channels"])]
    if document["labels"]:
        notes.append(f"labels: {', '.join(document['labels'])} (show one with --image labels/NAME)")
    if "labels_error" in document:
        notes.append(f"labels cannot be read: {document['labels_error']}")
    yield from ["", *notes] if notes else []


def _placement(document: dict[str, Any]) -> list[str]:
    how = document["placement"]
    if how not in _MIXED:
        return [how] if how is not None else []
    title = f"{how}: a scale is the length of a pixel; from pixels of level 0 to the world:"
    return [title, *(f"  {line}" for line in equations(document["to_world"]))]


def _axis(axis: dict[str, Any], ends: Sequence[float]) -> list[str]:
    return [axis["name"], axis["type"] or "-", axis["unit"] or "-", *(f"{end:g}" for end in ends)]


def _level(k: int, level: dict[str, Any]) -> list[str]:
    sizes = [_numbers(level[key]) for key in ("shape", "chunks", "shards")]
    return [
        str(k),
        level["path"] or "-",
        *sizes,
        level["dtype"],
        _numbers(level["scale"]),
        _numbers(level["translation"]),
    ]


def _channel(channel: dict[str, Any]) -> str:
    color = f", color {channel['color']}" if channel["color"] else ""
    hidden = "" if channel["active"] else ", hidden at first"
    return f"channel {channel['label']}: limits {_numbers(channel['window'])}{color}{hidden}"


def equations(affine: dict[str, Any]) -> list[str]:
    """Write an affine map as equations, one a line, such as ``y = 0.8 y - 0.6 x + 12``.

    Parameters
    ----------
    affine : dict
        As :meth:`brickstream.multiscale.Affine.to_dict` gives it.
    """
    found = []
    for name, row, offset in zip(affine["outputs"], affine["linear"], affine["offset"], strict=True):
        terms = [(number, f" {source}") for number, source in zip(row, affine["inputs"], strict=True) if number]
        terms += [(offset, "")] if offset or not terms else []
        text = " ".join(f"{'-' if number < 0 else '+'} {abs(number):g}{source}" for number, source in terms)
        found.append(f"{name} = {text.removeprefix('+ ')}")
    return found


def _collection(document: dict[str, Any]) -> Iterator[str]:
    entries = document["entries"]
    yield f"{document['name']}: {document['title']}"
    for key in ("rows", "columns"):
        if document[key]:
            yield f"{key}: {_ends(document[key])}"
    if document["acquisitions"]:
        yield f"acquisitions: {', '.join(item['name'] for item in document['acquisitions'])}"
    yield from columns(["path", "kind", "name"], ([e["path"], e["kind"], e["name"]] for e in entries[:MAX_ROWS]))
    yield ""
    if len(entries) > MAX_ROWS:
        yield f"and {len(entries) - MAX_ROWS:,} more; --json lists all"
    yield "choose one: add its path to the URL or to --image"


def columns(header: Sequence[str], rows: Any) -> Iterator[str]:
    """Lay rows out in columns, below an empty line."""
    cells = [[_shown(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    yield ""
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _ends(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MAX_ROWS else f"{names[0]} to {names[-1]} ({len(names)})"


def _numbers(values: list[Any] | None) -> str:
    """Lay numbers out; a dash where there are none."""
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values) if values else "-"


def _shown(text: str) -> str:
    """Write what a terminal would not show, or would obey, as its escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
