"""OME-NGFF metadata of every version to plain values. No I/O.

Two steps: what the specification demands is checked (`image_rules`, `collection_rules`), then what a picture needs is
read. Reading alone takes more than the specification does: whoever only wants to see an image asks for that with
``strict=False``. Both refuse what is wrong with the JSON path, the value and the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from brickstream.errors import MetadataError
from brickstream.multiscale.ome import v05, v06
from brickstream.multiscale.ome.bounds import check_bounds
from brickstream.multiscale.ome.collection_rules import check_collections, check_fields
from brickstream.multiscale.ome.collections import collection_in
from brickstream.multiscale.ome.display import read_channels, read_label
from brickstream.multiscale.ome.fields import take_list, take_object
from brickstream.multiscale.ome.image_rules import check_images, check_label, check_omero
from brickstream.multiscale.ome.model import Collection, Document, Image
from brickstream.multiscale.ome.versions import KEYS, Namespace, find_namespace, has_systems
from brickstream.multiscale.pyramid import MAX_LEVELS

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
        Empty where the attributes are of something else, such as a plate; where not `strict`, also of anything.

    Raises
    ------
    MetadataError
        With the JSON path, the value and the rule that it breaks.
    """
    return list(read_document(attributes, strict=strict, system=system).images)


def read_collection(
    attributes: Mapping[str, Any], *, strict: bool = True, plate: Collection | None = None
) -> Collection | None:
    """Read the collection that a group is: a plate, a well, a list of labels or of series; None where it is an image.

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
    check_bounds(take_object(attributes, ""))
    namespace = find_namespace(attributes, strict=strict)
    _check_sizes(namespace)
    if strict:
        _check(namespace)
    return _read(namespace, strict=strict, system=system)


def _check(namespace: Namespace) -> None:
    """Refuse what the specification forbids, and what is not OME-NGFF at all."""
    if not any(key in namespace.values for key in (*KEYS, "omero")):
        rule = f"OME-NGFF metadata: one of {', '.join(KEYS)}"
        raise MetadataError(namespace.prefix.rstrip("."), list(namespace.values), rule)
    if "multiscales" in namespace.values:
        check_images(namespace)
    if "omero" in namespace.values:
        check_omero(namespace.values["omero"], f"{namespace.prefix}omero")
    if "image-label" in namespace.values:
        check_label(namespace)
    check_collections(namespace)
    if "scene" in namespace.values:
        v06.read_scene(namespace.values["scene"], f"{namespace.prefix}scene", namespace.version_of("scene"))


def _read(namespace: Namespace, *, strict: bool, system: str | None) -> Document:
    values = namespace.values
    label = read_label(values["image-label"]) if "image-label" in values else None
    channels = read_channels(values.get("omero"))
    images: list[Image] = []
    for i, entry in enumerate(values.get("multiscales", ())):
        path = f"{namespace.prefix}multiscales[{i}]"
        version = namespace.version_of_image(entry)
        if has_systems(entry, version):
            image = v06.read_image(entry, path, version, channels, strict=strict, system=system)
        else:
            image = v05.read_image(entry, path, version, channels)
        images.append(replace(image, label=label))
    return Document(tuple(images), collection_in(namespace), label)


def _check_sizes(namespace: Namespace) -> None:
    """Refuse absurd documents before anybody walks through them."""
    path = f"{namespace.prefix}multiscales"
    entries = take_list(namespace.values.get("multiscales", ()), path)
    if len(entries) > _MAX_IMAGES:
        raise MetadataError(path, len(entries), f"at most {_MAX_IMAGES} images")
    for i, entry in enumerate(entries):
        datasets = take_object(entry, f"{path}[{i}]").get("datasets")
        if isinstance(datasets, Sequence) and len(datasets) > MAX_LEVELS:
            raise MetadataError(f"{path}[{i}].datasets", len(datasets), f"at most {MAX_LEVELS} levels")
