"""``brickstream info``."""

from __future__ import annotations

import asyncio
from typing import Any

from brickstream.engine import Engine
from brickstream.multiscale import Level


def describe(url: str) -> dict[str, Any]:
    """Open an image and say what it is; the keys are those of ``info --json``."""
    return asyncio.run(_describe(url))


async def _describe(url: str) -> dict[str, Any]:
    async with Engine() as engine:
        image = await engine.open(url)
        labels = await engine.labels(image)
    pyramid = image.pyramid
    return {
        "format": image.format,
        "zarr_format": image.zarr_format,
        "name": pyramid.name,
        "axes": [{"name": axis.name, "type": axis.type, "unit": axis.unit} for axis in pyramid.axes],
        "levels": [_level(level) for level in pyramid.levels],
        "channels": [
            {"label": c.label, "color": c.color, "window": list(c.window) if c.window else None}
            for c in pyramid.channels
        ],
        "labels": list(labels),
        "nbytes": sum(level.nbytes for level in pyramid.levels),
    }


def _level(level: Level) -> dict[str, Any]:
    return {
        "path": level.path,
        "shape": list(level.shape),
        "chunks": list(level.chunks),
        "shards": list(level.shards) if level.shards else None,
        "dtype": str(level.dtype),
        "scale": list(level.scale),
        "translation": list(level.translation),
    }


def show_table(document: dict[str, Any]) -> None:
    """Print a description for people."""
    from rich.console import Console
    from rich.table import Table

    axes = ", ".join(f"{axis['name']} ({axis['unit'] or axis['type'] or '-'})" for axis in document["axes"])
    out = Console(soft_wrap=True, highlight=False)
    out.print(f"{document['name']}: {document['format']}, {document['nbytes']:,} bytes", markup=False)
    out.print(f"axes: {axes}", markup=False)
    table = Table("level", "path", "shape", "chunks", "shards", "type", "scale", "translation")
    for k, level in enumerate(document["levels"]):
        cells = [_numbers(level[key]) for key in ("shape", "chunks", "shards")]
        world = [_numbers(level[key]) for key in ("scale", "translation")]
        table.add_row(str(k), level["path"], *cells, level["dtype"], *world)
    out.print(table)
    for channel in document["channels"]:
        out.print(f"channel {channel['label']}: limits {_numbers(channel['window'])}", markup=False)
    if document["labels"]:
        out.print(f"labels: {', '.join(document['labels'])}", markup=False)


def _numbers(values: list[Any] | None) -> str:
    """Lay numbers out; a dash where there are none."""
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values) if values else "-"
