"""OME-NGFF metadata of every version to plain values. No I/O.

Two steps: what the specification demands is checked (`ome_rules`, `ome_collection_rules`), then what a picture needs is
read. Reading alone takes more than the specification does: whoever only wants to see an image asks for that with
``strict=False``. Both refuse what is wrong with the JSON path, the value and the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from typing import Any

from brickstream.errors import MetadataError
from brickstream.multiscale.fields import take_list, take_numbers, take_object, take_text
from brickstream.multiscale.ome_collection_rules import check_collections, check_fields
from brickstream.multiscale.ome_collections import collection_in
from brickstream.multiscale.ome_demands import is_inside
from brickstream.multiscale.ome_display import read_channels, read_label
from brickstream.multiscale.ome_model import Collection, Dataset, Document, Image, ImageLabel, Member
from brickstream.multiscale.ome_rules import USUAL_TYPES, check_images, check_label
from brickstream.multiscale.ome_v06 import read_image, read_scene
from brickstream.multiscale.ome_versions import Namespace, find_namespace, generation, has_systems
from brickstream.multiscale.pyramid import MAX_LEVELS, NOISE, Axis, Channel

__all__ = [
    "Collection",
    "Dataset",
    "Document",
    "Image",
    "ImageLabel",
    "Member",
    "read_collection",
    "read_document",
    "read_metadata",
]

# Before 0.3 nothing names the axes: five fixed ones.
_OLD_AXES = ("t", "c", "z", "y", "x")
# More than anybody has in one group. Without a limit, a document of any size would be read to its end.
_MAX_IMAGES = 128


def read_metadata(attributes: Mapping[str, Any], *, strict: bool = True, system: str | None = None) -> list[Image]:
    """Read the OME-NGFF images out of the attributes of a Zarr group.

    Parameters
    ----------
    attributes : mapping
        The attributes (``.zattrs``, or ``attributes`` of a ``zarr.json``); from 0.5 on also the content of ``ome``.
    strict : bool, default True
        Refuse whatever the specification forbids, in all that the attributes say. Otherwise only what leaves open which
        pixels are where: axes in an unusual order, contrast limits that cannot be read, or a version nobody knows do
        not keep an image from being seen.
    system : str, optional
        Name of the coordinate system to place images in, where the metadata has several (from 0.6 on, see
        ``Image.systems``).

    Returns
    -------
    list of Image
        Empty where the attributes hold no multiscale image.

    Raises
    ------
    MetadataError
        With the JSON path, the value and the rule that it breaks.
    """
    return list(read_document(attributes, strict=strict, system=system).images)


def read_collection(
    attributes: Mapping[str, Any], *, strict: bool = True, plate: Collection | None = None
) -> Collection | None:
    """Read the collection that a group is: a plate, a well, a list of labels or of series; None where it is none.

    Parameters
    ----------
    attributes, strict
        See :func:`read_metadata`.
    plate : Collection, optional
        The plate that a well is in: its acquisitions are those that the fields may be of.

    Raises
    ------
    MetadataError
        With the JSON path, the value and the rule that it breaks.
    """
    collection = read_document(attributes, strict=strict).collection
    if strict and plate is not None and collection is not None and collection.kind == "well":
        check_fields(collection, plate)
    return collection


def read_document(attributes: Mapping[str, Any], *, strict: bool = True, system: str | None = None) -> Document:
    """Read all that the attributes of a group say; see :func:`read_metadata`."""
    try:
        namespace = find_namespace(attributes, strict=strict)
        if strict:
            _check(namespace)
        return _read(namespace, strict=strict, system=system)
    except RecursionError:
        raise MetadataError("", attributes, "a document that is not nested without end") from None


def _check(namespace: Namespace) -> None:
    if "multiscales" in namespace.values:
        _check_sizes(namespace)
        check_images(namespace)
    if "image-label" in namespace.values:
        check_label(namespace)
    check_collections(namespace)
    if "scene" in namespace.values:
        read_scene(namespace.values["scene"], f"{namespace.prefix}scene", namespace.version_of("scene"))


def _read(namespace: Namespace, *, strict: bool, system: str | None) -> Document:
    values = namespace.values
    label = read_label(values["image-label"]) if "image-label" in values else None
    images: list[Image] = []
    if "multiscales" in values:
        _check_sizes(namespace)
        channels = read_channels(values.get("omero"))
        for i, entry in enumerate(values["multiscales"]):
            path = f"{namespace.prefix}multiscales[{i}]"
            version = namespace.version_of_image(entry)
            if has_systems(entry, version):
                image = read_image(entry, path, version, channels, strict=strict, system=system)
            elif 0 < generation(version) < 4:
                image = _early_image(entry, path, version, channels)
            else:
                image = _image(entry, path, version, channels)
            images.append(replace(image, label=label))
    return Document(tuple(images), collection_in(namespace), label)


def _check_sizes(namespace: Namespace) -> None:
    """Refuse absurd documents before anybody walks through them."""
    path = f"{namespace.prefix}multiscales"
    entries = take_list(namespace.values["multiscales"], path)
    if len(entries) > _MAX_IMAGES:
        raise MetadataError(path, len(entries), f"at most {_MAX_IMAGES} images")
    for i, entry in enumerate(entries):
        datasets = take_object(entry, f"{path}[{i}]").get("datasets")
        if isinstance(datasets, Sequence) and len(datasets) > MAX_LEVELS:
            raise MetadataError(f"{path}[{i}].datasets", len(datasets), f"at most {MAX_LEVELS} levels")


def _early_image(entry: Mapping[str, Any], path: str, version: str, channels: tuple[Channel, ...]) -> Image:
    """Read an image of 0.3 or before. What later versions added means nothing there, unless it can be read."""
    later = {"coordinateTransformations"} if generation(version) == 3 else {"coordinateTransformations", "axes"}
    try:
        return _image(entry, path, version, channels)
    except MetadataError:
        datasets = [_without(item, later) for item in take_list(entry.get("datasets"), f"{path}.datasets", least=1)]
        return _image(_without(entry, later) | {"datasets": datasets}, path, version, channels)


def _without(value: Any, keys: Set[str]) -> Any:
    return {key: item for key, item in value.items() if key not in keys} if isinstance(value, Mapping) else value


def _image(entry: Mapping[str, Any], path: str, version: str, channels: tuple[Channel, ...]) -> Image:
    datasets = take_list(entry.get("datasets"), f"{path}.datasets", least=1)
    axes = _old_axes([*datasets, entry]) if entry.get("axes") is None else _axes(entry["axes"], f"{path}.axes")
    outer = _transform(entry.get("coordinateTransformations"), f"{path}.coordinateTransformations", axes)
    read = [_dataset(item, f"{path}.datasets[{k}]", axes, outer) for k, item in enumerate(datasets)]
    _check_order(read, path)
    return Image(str(entry.get("name") or ""), version, axes, tuple(read), channels)


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
    names = [axis.name for axis in axes]
    if len(set(names)) != len(names):
        raise MetadataError(path, names, "axis names are unique")
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


def _check_order(datasets: list[Dataset], path: str) -> None:
    for k, (finer, coarser) in enumerate(pairwise(datasets)):
        if finer.scale is None or coarser.scale is None:
            continue
        if any(abs(c) < abs(f) * (1 - NOISE) for f, c in zip(finer.scale, coarser.scale, strict=True)):
            raise MetadataError(f"{path}.datasets[{k + 1}]", coarser.scale, "datasets go from fine to coarse")
