"""Documents of OME-NGFF 0.6, in pieces."""

from typing import Any

import numpy as np

from brickstream.multiscale import Affine

Json = Any


def matrix(affine: Affine) -> list[list[float]]:
    """Rows of the map, the last number of each being the offset."""
    return np.column_stack([affine.linear, affine.offset]).tolist()


def sequence(*steps: Json) -> Json:
    return {"type": "sequence", "transformations": list(steps)}


def by_dimension(*parts: Json) -> Json:
    keys = ("transformation", "inputAxes", "outputAxes")
    return {"type": "byDimension", "transformations": [dict(zip(keys, part, strict=True)) for part in parts]}


def system(name: str, axes: str = "yx", kind: str = "space") -> Json:
    return {"name": name, "axes": [{"name": n, "type": kind, "unit": "micrometer"} for n in axes]}


def step(source: Json, target: Json, **what: Json) -> Json:
    return {"input": source, "output": target, **(what or {"type": "identity"})}
