"""Which version of OME-NGFF a document is of: the later ones say it once, the earlier ones in every object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brickstream.errors import MetadataError
from brickstream.multiscale.ome.fields import take_object

# What stands directly in the attributes, each object with its own version; from 0.5 on all stand under "ome".
UNWRAPPED = ("0.1", "0.2", "0.3", "0.4")
KEYS = ("multiscales", "image-label", "labels", "plate", "well", "bioformats2raw.layout", "series", "scene")


@dataclass(frozen=True)
class Namespace:
    """Where the metadata stands in the attributes.

    Attributes
    ----------
    values : mapping
    prefix : str
        JSON path of the place, with the dot; empty for the attributes themselves.
    version : str or None
        What is said once for all; None where each object says its own.
    """

    values: Mapping[str, Any]
    prefix: str
    version: str | None

    def version_of(self, kind: str) -> str:
        """Version of an object of the document, by its key: said, or 0.4, the first that need not be said."""
        if self.version is not None:
            return self.version
        value = self.values.get(kind)
        said = value.get("version") if isinstance(value, Mapping) else None
        return said if isinstance(said, str) else "0.4"

    def version_of_image(self, entry: Mapping[str, Any]) -> str:
        """Version of an entry of ``multiscales``: said, or the first that has the keys it has."""
        if self.version is not None:
            return self.version
        said = entry.get("version")
        return said if isinstance(said, str) else _by_keys(entry)


def find_namespace(attributes: Mapping[str, Any], *, strict: bool) -> Namespace:
    """Find the place.

    Raises
    ------
    MetadataError
        If there is no such place, and, where `strict`, if the version is missing or unknown.
    """
    if "ome" not in take_object(attributes, ""):
        said = attributes.get("version")
        # The content of "ome" alone, as tools pass it on; any other version beside it is of something else.
        bare = isinstance(said, str) and generation(said) >= 5
        return Namespace(attributes, "", said if bare else None)
    values = take_object(attributes["ome"], "ome")
    said = values.get("version")
    known = isinstance(said, str) and generation(said) >= 5
    # A list of labels says nothing that differs between versions.
    needed = "version" in values or any(key in values for key in KEYS if key != "labels")
    if strict and needed and not known:
        raise MetadataError("ome.version", said, 'a version from "0.5" on, as text')
    return Namespace(values, "ome.", said if isinstance(said, str) else "0.5")


def generation(version: str) -> int:
    """Give the number after the dot of a version that is known, drafts of 0.6 among them; 0 for all others."""
    if version in (*UNWRAPPED, "0.5"):
        return int(version[2:])
    return 6 if version == "0.6" or version.startswith(("0.6.", "0.6-", "0.6rc", "0.6dev")) else 0


def has_systems(entry: Mapping[str, Any], version: str) -> bool:
    """Whether coordinate systems describe an image: from 0.6 on, but for drafts that had axes in their place."""
    systems, axes = "coordinateSystems" in entry, "axes" in entry
    return systems or not axes if generation(version) == 6 else systems and not axes


def _by_keys(entry: Mapping[str, Any]) -> str:
    if "coordinateSystems" in entry:
        return "0.6"
    datasets = entry.get("datasets")
    levels = datasets if isinstance(datasets, list | tuple) else ()
    if any(isinstance(item, Mapping) and "coordinateTransformations" in item for item in (entry, *levels)):
        return "0.4"
    if "axes" not in entry:
        return "0.2"
    axes = entry["axes"]
    return "0.3" if isinstance(axes, list | tuple) and axes and all(isinstance(a, str) for a in axes) else "0.4"
