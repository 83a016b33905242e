"""Zarr trees as documents by key: of every version, without a library, and however wrong."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Tree = dict[str, bytes]
Json = dict[str, Any]


def group(attributes: Mapping[str, Any] | None = None, zarr_format: int = 3) -> Tree:
    """A group."""
    attributes = dict(attributes or {})
    if zarr_format == 3:
        return {"zarr.json": dump({"zarr_format": 3, "node_type": "group", "attributes": attributes})}
    return {".zgroup": dump({"zarr_format": 2}), ".zattrs": dump(attributes)}


def array(
    shape: Sequence[int], zarr_format: int = 3, dtype: str = "uint8", chunks: Sequence[int] | None = None
) -> Tree:
    """An array without chunks: all of it is the fill value."""
    chunks = list(chunks or shape)
    if zarr_format == 2:
        types = {"uint8": "|u1", "uint16": "<u2"}
        document = {"zarr_format": 2, "shape": list(shape), "chunks": chunks, "dtype": types[dtype]}
        return {".zarray": dump(document | {"fill_value": 0, "order": "C", "compressor": None, "filters": None})}
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    }
    return {"zarr.json": dump(document)}


def under(path: str, tree: Tree) -> Tree:
    """A tree at a path."""
    return {f"{path}/{key}": value for key, value in tree.items()}


def multiscales(axes: str = "yx", levels: int = 2, name: str = "picture") -> Json:
    """Attributes of an image of 0.4 whose levels are 0, 1 and on."""
    datasets = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": [2.0**k] * len(axes)}]}
        for k in range(levels)
    ]
    types = {"t": "time", "c": "channel"}
    entry = {
        "version": "0.4",
        "name": name,
        "axes": [{"name": axis, "type": types.get(axis, "space")} for axis in axes],
        "datasets": datasets,
    }
    return {"multiscales": [entry]}


def image(zarr_format: int = 3, shape: Sequence[int] = (24, 20), name: str = "picture") -> Tree:
    """An image of 0.4 (format 2) or 0.5 (3) with two levels."""
    attributes = multiscales(name=name)
    if zarr_format == 3:
        attributes = {"ome": {"version": "0.5", **attributes}}
    tree = group(attributes, zarr_format)
    for k in range(2):
        tree |= under(str(k), array([n >> k for n in shape], zarr_format))
    return tree


def ome(attributes: Mapping[str, Any], zarr_format: int = 3) -> Tree:
    """A group that says something in the words of OME-Zarr 0.4 (format 2) or 0.5 (3)."""
    return group({"ome": {"version": "0.5", **attributes}} if zarr_format == 3 else attributes, zarr_format)


def plate(rows: int, columns: int, zarr_format: int = 3) -> Tree:
    """A plate, without what is in its wells."""
    letters = [chr(ord("A") + i % 26) * (1 + i // 26) for i in range(rows)]
    numbers = [str(j + 1) for j in range(columns)]
    wells = [
        {"path": f"{row}/{column}", "rowIndex": i, "columnIndex": j}
        for i, row in enumerate(letters)
        for j, column in enumerate(numbers)
    ]
    lines = {"rows": [{"name": row} for row in letters], "columns": [{"name": column} for column in numbers]}
    return ome({"plate": {"name": "screen", "version": "0.4", **lines, "wells": wells}}, zarr_format)


def well(fields: int, zarr_format: int = 3) -> Tree:
    """A well, without its images."""
    return ome({"well": {"images": [{"path": str(k)} for k in range(fields)]}}, zarr_format)


def dump(document: Any) -> bytes:
    """JSON as bytes."""
    return json.dumps(document).encode()


def write(root: Path, tree: Tree) -> Path:
    """Write a tree into a folder."""
    for key, value in tree.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value)
    return root


def placed(levels: Sequence[tuple[Sequence[int], Any]], axes: str = "yx", name: str = "placed") -> Tree:
    """An image of 0.6 whose levels are arrays and their maps to the world (as `brickstream.multiscale.Affine`)."""
    system = {"name": "world", "axes": [{"name": axis, "type": "space", "unit": "micrometer"} for axis in axes]}
    datasets = []
    for k, (_, to_world) in enumerate(levels):
        rows = [[*row, shift] for row, shift in zip(to_world.linear.tolist(), to_world.offset.tolist(), strict=True)]
        way = {"type": "affine", "affine": rows, "input": {"path": str(k)}, "output": {"name": "world"}}
        datasets.append({"path": str(k), "coordinateTransformations": [way]})
    entry = {"name": name, "coordinateSystems": [system], "datasets": datasets}
    tree = group({"ome": {"version": "0.6", "multiscales": [entry]}})
    for k, (shape, _) in enumerate(levels):
        tree |= under(str(k), array(shape))
    return tree
