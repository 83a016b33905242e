"""Images of OME-NGFF 0.1 to 0.5: axes, levels, scales and translations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from math import isfinite
from typing import Any

from brickstream.errors import MetadataError
from brickstream.multiscale.ome.demands import is_inside
from brickstream.multiscale.ome.fields import take_list, take_numbers, take_object, take_text, text_or
from brickstream.multiscale.ome.image_rules import USUAL_TYPES, demand_names, demand_order
from brickstream.multiscale.ome.model import Dataset, Image
from brickstream.multiscale.ome.versions import generation
from brickstream.multiscale.pyramid import Axis, Channel

# Before 0.3 nothing names the axes: five fixed ones.
_OLD_AXES = ("t", "c", "z", "y", "x")


def read_image(entry: Mapping[str, Any], path: str, version: str, channels: tuple[Channel, ...] = ()) -> Image:
    """Read one entry of ``multiscales`` that has no coordinate systems.

    What later versions added means nothing to an image of 0.3 or before, unless it can be read.

    Parameters
    ----------
    entry : mapping
    path : str
        Of the entry in its document.
    version : str
        Of OME-NGFF.
    channels : tuple of Channel, optional

    Raises
    ------
    MetadataError
        If it stays open which pixels are where.
    """
    try:
        return _image(entry, path, version, channels)
    except MetadataError:
        if not 0 < generation(version) < 4:
            raise
    later = {"coordinateTransformations"} if generation(version) == 3 else {"coordinateTransformations", "axes"}
    datasets = [_without(item, later) for item in take_list(entry.get("datasets"), f"{path}.datasets", least=1)]
    return _image(_without(entry, later) | {"datasets": datasets}, path, version, channels)


def _without(value: Any, keys: Set[str]) -> Any:
    return {key: item for key, item in value.items() if key not in keys} if isinstance(value, Mapping) else value


def _image(entry: Mapping[str, Any], path: str, version: str, channels: tuple[Channel, ...]) -> Image:
    datasets = take_list(entry.get("datasets"), f"{path}.datasets", least=1)
    axes = _old_axes([*datasets, entry]) if entry.get("axes") is None else _axes(entry["axes"], f"{path}.axes")
    outer = _transform(entry.get("coordinateTransformations"), f"{path}.coordinateTransformations", axes)
    read = [_dataset(item, f"{path}.datasets[{k}]", axes, outer) for k, item in enumerate(datasets)]
    demand_order(read, path)
    return Image(text_or(entry.get("name")), version, axes, tuple(read), channels)


def _old_axes(entries: Sequence[object]) -> tuple[Axis, ...]:
    """Axes where the metadata names none: the last of the five fixed ones, as many as the first scale has numbers."""
    lists = [entry.get("coordinateTransformations") for entry in entries if isinstance(entry, Mapping)]
    steps = [step for steps in lists if isinstance(steps, list) for step in steps if isinstance(step, Mapping)]
    scales = [step["scale"] for step in steps if isinstance(step.get("scale"), list)]
    ndim = len(scales[0]) if scales else len(_OLD_AXES)
    return tuple(Axis(name, USUAL_TYPES[name]) for name in _OLD_AXES[-ndim:])


def _axes(value: object, path: str) -> tuple[Axis, ...]:
    axes = []
    for i, item in enumerate(take_list(value, path, least=1)):
        if isinstance(item, str):
            axes.append(Axis(take_text(item, f"{path}[{i}]", "an axis has a name"), USUAL_TYPES.get(item)))
            continue
        entry = take_object(item, f"{path}[{i}]")
        name = take_text(entry.get("name"), f"{path}[{i}].name", "an axis has a name")
        kind, unit = entry.get("type"), entry.get("unit")
        kind = kind if isinstance(kind, str) else USUAL_TYPES.get(name)
        axes.append(Axis(name, kind, unit if isinstance(unit, str) else None))
    demand_names(axes, path)
    return tuple(axes)


_Linear = tuple[tuple[float, ...] | None, tuple[float, ...] | None]


def _dataset(value: object, path: str, axes: tuple[Axis, ...], outer: _Linear) -> Dataset:
    item = take_object(value, path)
    name = take_text(item.get("path"), f"{path}.path", "a dataset names the path of its array")
    if not is_inside(name):
        raise MetadataError(f"{path}.path", name, "a dataset lies inside its group")
    scale, shift = _transform(item.get("coordinateTransformations"), f"{path}.coordinateTransformations", axes)
    outer_scale, outer_shift = outer
    if outer_scale is not None:
        scale = tuple(a * b for a, b in zip(outer_scale, scale or (1.0,) * len(outer_scale), strict=True))
        shift = None if shift is None else tuple(a * b for a, b in zip(outer_scale, shift, strict=True))
    if outer_shift is not None:
        shift = tuple(a + b for a, b in zip(outer_shift, shift or (0.0,) * len(outer_shift), strict=True))
    if not all(map(isfinite, (*(scale or ()), *(shift or ())))):
        raise MetadataError(path, [scale, shift], "transforms whose product is finite")
    return Dataset(name, scale, shift)


def _transform(value: object, path: str, axes: tuple[Axis, ...]) -> _Linear:
    """Compose scale and translation entries, in their order, into one scale and one translation."""
    scale: tuple[float, ...] | None = None
    shift: tuple[float, ...] | None = None
    for i, item in enumerate(take_list(value, path) if value is not None else ()):
        entry = take_object(item, f"{path}[{i}]")
        kind = entry.get("type")
        if kind == "identity":
            continue
        if kind not in ("scale", "translation"):
            raise MetadataError(f"{path}[{i}].type", kind, "scale, translation or identity")
        numbers = take_numbers(entry.get(kind), f"{path}[{i}].{kind}")
        if len(numbers) != len(axes):
            raise MetadataError(f"{path}[{i}].{kind}", numbers, f"one number for each of the {len(axes)} axes")
        if kind == "translation":
            shift = tuple(a + b for a, b in zip(shift or (0.0,) * len(numbers), numbers, strict=True))
            continue
        if any(n == 0 for n in numbers):
            raise MetadataError(f"{path}[{i}].scale", numbers, "scales are not zero")
        scale = tuple(a * b for a, b in zip(scale or (1.0,) * len(numbers), numbers, strict=True))
        shift = None if shift is None else tuple(a * b for a, b in zip(shift, numbers, strict=True))
    return scale, shift
