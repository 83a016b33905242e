"""``brickstream info``: what is at a place, as one JSON document."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage, ImageCollection
from brickstream.engine import Engine
from brickstream.errors import BrickstreamError, CollectionError
from brickstream.multiscale import Affine, Pyramid

# Directions that are less askew than that are at right angles: matrices are written with few digits.
RIGHT = 1e-6


def describe(where: Any) -> dict[str, Any]:
    """Open a place and say what is there; the keys are those of ``info --json``."""
    return asyncio.run(_describe(where))


async def _describe(where: Any) -> dict[str, Any]:
    async with Engine() as engine:
        try:
            image = await engine.open(where)
        except CollectionError:
            return describe_collection(await engine.open_collection(where))
        document = describe_image(image)
        try:
            document["labels"] = list(await engine.labels(image))
        except BrickstreamError as error:
            # The image is as good without them.
            document["labels_error"] = str(error)
    return document


def describe_image(image: ChunkedImage) -> dict[str, Any]:
    """Say what an image is; `scale` and `translation` of a level are the world's, negative where it is flipped.

    Of a rotated or sheared image, `scale` is the length of a pixel along each dimension in the world, and `to_world`
    tells the rest.
    """
    pyramid = image.pyramid
    return {
        "kind": "image",
        "format": image.format,
        "zarr_format": image.zarr_format,
        "name": pyramid.name,
        "axes": [{"name": axis.name, "type": axis.type, "unit": axis.unit} for axis in pyramid.axes],
        "extent": pyramid.extent().T.tolist(),
        "placement": lies(pyramid.placement),
        "to_world": pyramid.to_world().to_dict(),
        "levels": [_level(pyramid, k) for k in range(len(pyramid.levels))],
        "channels": [
            {"label": c.label, "color": c.color, "window": list(c.window) if c.window else None, "active": c.active}
            for c in pyramid.channels
        ],
        "is_labels": pyramid.is_labels,
        "labels": [],
        "nbytes": sum(level.nbytes for level in pyramid.levels),
    }


def _level(pyramid: Pyramid, k: int) -> dict[str, Any]:
    level, to_world = pyramid.levels[k], pyramid.to_world(k)
    scales = to_world.scales
    return {
        "path": level.path,
        "shape": list(level.shape),
        "chunks": list(level.chunks),
        "shards": list(level.shards) if level.shards else None,
        "dtype": str(level.dtype),
        "scale": list(level.scale) if scales is None else scales.tolist(),
        "translation": to_world.offset.tolist(),
    }


def lies(placement: Affine | None) -> str | None:
    """Say in words how an image lies in the world; None where its pixels run along the axes.

    Parameters
    ----------
    placement : Affine or None
        Of a pyramid: its columns have length 1.

    Returns
    -------
    str or None
        ``"flipped along y"``, ``"rotated"``, ``"rotated and flipped"`` or ``"sheared"``.
    """
    if placement is None:
        return None
    if placement.scales is not None:
        flipped = [name for name, scale in zip(placement.inputs, placement.scales, strict=True) if scale < 0]
        return f"flipped along {', '.join(flipped)}" if flipped else None
    square = placement.linear.T @ placement.linear
    if np.abs(square - np.eye(len(square))).max() > RIGHT:
        return "sheared"
    return "rotated" if np.linalg.det(placement.linear) > 0 else "rotated and flipped"


def describe_collection(collection: ImageCollection) -> dict[str, Any]:
    """Say what a collection leads to."""
    return {
        "kind": collection.kind,
        "zarr_format": collection.zarr_format,
        "name": collection.name or collection.url.rstrip("/").rpartition("/")[2],
        "title": collection.title,
        "entries": [asdict(entry) for entry in collection.entries],
        "rows": list(collection.rows),
        "columns": list(collection.columns),
        "acquisitions": [{"id": number, "name": name} for number, name in collection.acquisitions],
    }
