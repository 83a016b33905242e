"""Images of OME-NGFF 0.1 to 0.5: axes, levels, scales and translations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from math import isfinite
from typing import Any

from brickstream.errors import MetadataError, TransformError
from brickstream.multiscale.ome.demands import demand, is_inside
from brickstream.multiscale.ome.fields import take_list, take_numbers, take_object, take_text, text_or
from brickstream.multiscale.ome.image_rules import USUAL_TYPES, demand_names, demand_order
from brickstream.multiscale.ome.model import Dataset, Image
from brickstream.multiscale.ome.transforms import join, read_transform
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
    outer = _steps(entry, path)
    if any("output" in step for _, step in outer):
        del outer[1:]  # Each leads to a world of its own, as SpatialData writes them: the first is the usual one.
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
            axes.append(Axis(take_text(item, f"{path}[{i}]", "an axis has a name"), _type(None, item)))
            continue
        entry = take_object(item, f"{path}[{i}]")
        name = take_text(entry.get("name"), f"{path}[{i}].name", "an axis has a name")
        kind, unit = entry.get("type"), entry.get("unit")
        axes.append(Axis(name, _type(kind, name), unit if isinstance(unit, str) else None))
    demand_names(axes, path)
    return tuple(axes)


def _type(kind: object, name: str) -> str | None:
    """The type of an axis, said or usual, whatever the case it is written in."""
    if not isinstance(kind, str):
        return USUAL_TYPES.get(name.lower())
    return kind.lower() if kind.lower() in USUAL_TYPES.values() else kind


# Transformations, each with its JSON path.
Steps = list[tuple[str, Mapping[str, Any]]]


def _steps(owner: Mapping[str, Any], path: str) -> Steps:
    path, value = f"{path}.coordinateTransformations", owner.get("coordinateTransformations")
    listed = take_list(value, path) if value is not None else ()
    return [(f"{path}[{i}]", take_object(item, f"{path}[{i}]")) for i, item in enumerate(listed)]


def _dataset(value: object, path: str, axes: tuple[Axis, ...], outer: Steps) -> Dataset:
    item = take_object(value, path)
    name = take_text(item.get("path"), f"{path}.path", "a dataset names the path of its array")
    demand(is_inside(name), f"{path}.path", name, "a dataset lies inside its group")
    steps = [*_steps(item, path), *outer]
    if any(step.get("type") not in ("scale", "translation", "identity") for _, step in steps):
        return _turned(name, path, axes, steps)
    scale, shift = _compose(steps, len(axes))
    finite = all(map(isfinite, (*(scale or ()), *(shift or ()))))
    demand(finite, path, [scale, shift], "transforms whose product is finite")
    return Dataset(name, scale, shift)


def _compose(steps: Steps, ndim: int) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Compose scales and translations, in their order, into one of each; None where there is none."""
    scale: tuple[float, ...] | None = None
    shift: tuple[float, ...] | None = None
    for path, step in steps:
        kind = step["type"]
        if kind == "identity":
            continue
        numbers = take_numbers(step.get(kind), f"{path}.{kind}")
        demand(len(numbers) == ndim, f"{path}.{kind}", numbers, f"one number for each of the {ndim} axes")
        if kind == "translation":
            shift = tuple(a + b for a, b in zip(shift or (0.0,) * ndim, numbers, strict=True))
            continue
        demand(all(numbers), f"{path}.scale", numbers, "scales are not zero")
        scale = tuple(a * b for a, b in zip(scale or (1.0,) * ndim, numbers, strict=True))
        shift = None if shift is None else tuple(a * b for a, b in zip(shift, numbers, strict=True))
    return scale, shift


def _turned(name: str, path: str, axes: tuple[Axis, ...], steps: Steps) -> Dataset:
    """Read transformations that came with RFC-5 and that some wrote before: affine maps, permutations."""
    names = [axis.name for axis in axes]
    try:
        pixels = join(read_transform(step, place, names, names, draft=True) for place, step in steps)
    except TransformError as error:
        raise MetadataError(path, error.where, error.what) from error
    if pixels is None or not pixels.invertible:
        raise MetadataError(path, [step.get("type") for _, step in steps], "a transformation that can be inverted")
    return Dataset.mapped(name, pixels)
