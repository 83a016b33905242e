"""OME-NGFF metadata (0.4 and 0.5, and what older writers wrote) to plain values. No I/O.

Accepts what real writers wrote (missing optional keys, extra keys, integer scales) and refuses what is wrong with the
JSON path, the value and the rule.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from brickstream.errors import MetadataError
from brickstream.multiscale.pyramid import Axis, Channel

# Before 0.4 axes were strings, and before 0.3 there were none: five fixed ones.
_OLD_AXES = ("t", "c", "z", "y", "x")
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Dataset:
    """One level as the metadata describes it.

    Attributes
    ----------
    path : str
        The array's path in the group.
    scale, translation : tuple of float or None
        By axis, in world units; None where the metadata says nothing.
    """

    path: str
    scale: tuple[float, ...] | None
    translation: tuple[float, ...] | None


@dataclass(frozen=True)
class Image:
    """One multiscale image as its metadata describes it.

    Attributes
    ----------
    name : str
    version : str
        Of the OME-NGFF specification.
    axes : tuple of Axis
    datasets : tuple of Dataset
        Finest first.
    channels : tuple of Channel
    """

    name: str
    version: str
    axes: tuple[Axis, ...]
    datasets: tuple[Dataset, ...]
    channels: tuple[Channel, ...] = ()


def read_metadata(attributes: Mapping[str, Any]) -> list[Image]:
    """Read the OME-NGFF images out of the attributes of a Zarr group.

    Parameters
    ----------
    attributes : mapping
        The attributes (``.zattrs``, or ``attributes`` of a ``zarr.json``).

    Returns
    -------
    list of Image
        Empty where the attributes hold no multiscale image.

    Raises
    ------
    MetadataError
        With the JSON path, the value and the rule that it breaks.
    """
    ome, prefix = attributes, ""
    if "ome" in attributes:
        ome, prefix = _mapping(attributes["ome"], "ome"), "ome."
    if "multiscales" not in ome:
        return []
    entries = _sequence(ome["multiscales"], f"{prefix}multiscales")
    channels = _channels(ome.get("omero"))
    version = str(ome.get("version", ""))
    return [
        _image(_mapping(entry, f"{prefix}multiscales[{i}]"), f"{prefix}multiscales[{i}]", version, channels)
        for i, entry in enumerate(entries)
    ]


def _image(entry: Mapping[str, Any], path: str, version: str, channels: tuple[Channel, ...]) -> Image:
    datasets = _sequence(entry.get("datasets"), f"{path}.datasets")
    if not datasets:
        raise MetadataError(f"{path}.datasets", datasets, "an image has at least one dataset")
    version = str(entry.get("version", version)) or "0.4"
    axes = _old_axes([*datasets, entry]) if entry.get("axes") is None else _axes(entry["axes"], f"{path}.axes")
    outer = _transform(entry.get("coordinateTransformations"), f"{path}.coordinateTransformations", axes)
    read = [
        _dataset(_mapping(item, f"{path}.datasets[{k}]"), f"{path}.datasets[{k}]", axes, outer)
        for k, item in enumerate(datasets)
    ]
    _check_order(read, path)
    return Image(str(entry.get("name") or ""), version, axes, tuple(read), channels)


def _old_axes(entries: Sequence[object]) -> tuple[Axis, ...]:
    """Axes where the metadata names none: the last of the five fixed ones, as many as the first scale has numbers."""
    lists = [entry.get("coordinateTransformations") for entry in entries if isinstance(entry, Mapping)]
    steps = [step for steps in lists if isinstance(steps, list) for step in steps if isinstance(step, Mapping)]
    scales = [step["scale"] for step in steps if isinstance(step.get("scale"), list)]
    ndim = len(scales[0]) if scales else len(_OLD_AXES)
    return tuple(Axis(name, _TYPES[name]) for name in _OLD_AXES[-ndim:])


def _axes(value: object, path: str) -> tuple[Axis, ...]:
    axes = []
    for i, item in enumerate(_sequence(value, path)):
        if isinstance(item, str):
            axes.append(Axis(item, _TYPES.get(item)))
            continue
        entry = _mapping(item, f"{path}[{i}]")
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise MetadataError(f"{path}[{i}].name", name, "an axis has a name")
        kind = entry.get("type", _TYPES.get(name))
        unit = entry.get("unit")
        axes.append(Axis(name, str(kind) if kind is not None else None, str(unit) if unit is not None else None))
    names = [axis.name for axis in axes]
    if not names:
        raise MetadataError(path, value, "an image has at least one axis")
    if len(set(names)) != len(names):
        raise MetadataError(path, names, "axis names are unique")
    return tuple(axes)


_Linear = tuple[tuple[float, ...] | None, tuple[float, ...] | None]


def _dataset(item: Mapping[str, Any], path: str, axes: tuple[Axis, ...], outer: _Linear) -> Dataset:
    name = item.get("path")
    if not isinstance(name, str) or not name:
        raise MetadataError(f"{path}.path", name, "a dataset names the path of its array")
    if name.startswith("/") or ".." in name.split("/"):
        raise MetadataError(f"{path}.path", name, "a dataset lies inside its group")
    scale, shift = _transform(item.get("coordinateTransformations"), f"{path}.coordinateTransformations", axes)
    outer_scale, outer_shift = outer
    if outer_scale is not None:
        scale = tuple(a * b for a, b in zip(outer_scale, scale or (1.0,) * len(outer_scale), strict=True))
        shift = None if shift is None else tuple(a * b for a, b in zip(outer_scale, shift, strict=True))
    if outer_shift is not None:
        shift = tuple(a + b for a, b in zip(outer_shift, shift or (0.0,) * len(outer_shift), strict=True))
    return Dataset(name, scale, shift)


def _transform(value: object, path: str, axes: tuple[Axis, ...]) -> _Linear:
    """Compose scale and translation entries, in their order, into one scale and one translation."""
    scale: tuple[float, ...] | None = None
    shift: tuple[float, ...] | None = None
    for i, item in enumerate(_sequence(value, path) if value is not None else ()):
        entry = _mapping(item, f"{path}[{i}]")
        kind = entry.get("type")
        if kind == "identity":
            continue
        if kind not in ("scale", "translation"):
            raise MetadataError(f"{path}[{i}].type", kind, "scale, translation or identity")
        numbers = _numbers(entry.get(kind), f"{path}[{i}].{kind}", len(axes))
        if kind == "translation":
            shift = tuple(a + b for a, b in zip(shift or (0.0,) * len(numbers), numbers, strict=True))
            continue
        if any(n == 0 for n in numbers):
            raise MetadataError(f"{path}[{i}].scale", numbers, "scales are not zero")
        scale = tuple(a * b for a, b in zip(scale or (1.0,) * len(numbers), numbers, strict=True))
        shift = None if shift is None else tuple(a * b for a, b in zip(shift, numbers, strict=True))
    return scale, shift


def _numbers(value: object, path: str, count: int) -> tuple[float, ...]:
    items = _sequence(value, path)
    numbers = [_number(item) for item in items]
    if any(number is None for number in numbers):
        raise MetadataError(path, value, "finite numbers")
    if len(items) != count:
        raise MetadataError(path, value, f"one number for each of the {count} axes")
    return tuple(number for number in numbers if number is not None)


def _number(value: object) -> float | None:
    """The value as a finite float; None where it is anything else. JSON has integers that no float can hold."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST:
        return None
    return float(value)


def _check_order(datasets: list[Dataset], path: str) -> None:
    for k, (finer, coarser) in enumerate(pairwise(datasets)):
        if finer.scale is None or coarser.scale is None:
            continue
        if any(c < f * (1 - 1e-9) for f, c in zip(finer.scale, coarser.scale, strict=True) if f > 0 and c > 0):
            raise MetadataError(f"{path}.datasets[{k + 1}]", coarser.scale, "datasets go from fine to coarse")


def _channels(value: object) -> tuple[Channel, ...]:
    """Read how channels like to be shown. Contrast is a wish, not data: what is unreadable counts as not said."""
    listed = value.get("channels") if isinstance(value, Mapping) else None
    channels = []
    for i, item in enumerate(listed if isinstance(listed, list | tuple) else ()):
        entry = item if isinstance(item, Mapping) else {}
        window = entry.get("window")
        limits = (window.get("start"), window.get("end")) if isinstance(window, Mapping) else (None, None)
        low, high = map(_number, limits)
        color = entry.get("color")
        channels.append(
            Channel(
                str(entry.get("label") or i),
                color if isinstance(color, str) else None,
                (low, high) if low is not None and high is not None and low < high else None,
            )
        )
    return tuple(channels)


def _mapping(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MetadataError(path, value, "an object")
    return value


def _sequence(value: object, path: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise MetadataError(path, value, "a list")
    return value
