"""What OME-NGFF metadata says, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brickstream.multiscale.affine import Affine
from brickstream.multiscale.pyramid import Axis, Channel


@dataclass(frozen=True)
class Dataset:
    """One level as the metadata describes it.

    Attributes
    ----------
    path : str
        The array's path in the group.
    scale, translation : tuple of float or None
        By axis, in world units; None where the metadata says nothing. A scale below zero is a flip.
    transform : Affine or None
        From the array's pixels to the world, where scale and translation alone do not tell it: permutations, rotations,
        shears. Scale and translation are None then. Both spaces have the names of the image's axes: the array's
        dimensions by their place, whichever axis they run along.
    """

    path: str
    scale: tuple[float, ...] | None
    translation: tuple[float, ...] | None
    transform: Affine | None = None

    @classmethod
    def mapped(cls, path: str, pixels: Affine, *, shifted: bool = True) -> Dataset:
        """Give a level by the map from its pixels to the world, in the plainest form; translated only if `shifted`."""
        scales = pixels.scales
        if scales is None:
            return cls(path, None, None, pixels)
        return cls(path, tuple(scales.tolist()), tuple(pixels.offset.tolist()) if shifted else None)

    @property
    def pixel_size(self) -> tuple[float, ...] | None:
        """World units of a pixel along each dimension of the array; None where the metadata says nothing."""
        if self.transform is not None:
            with np.errstate(over="ignore"):
                return tuple(np.hypot.reduce(self.transform.linear, axis=0).tolist())
        return None if self.scale is None else tuple(map(abs, self.scale))


@dataclass(frozen=True)
class ImageLabel:
    """What the pixels of a label image mean, and how they like to be shown.

    Attributes
    ----------
    colors : tuple of (float, (int, int, int, int))
        Pixel value, and red, green, blue and alpha from 0 to 255.
    properties : tuple of (int, tuple of (str, object))
        Pixel value, and what is known about it: names and JSON values.
    source : str
        The image that was labelled: a path from the label image.
    """

    colors: tuple[tuple[float, tuple[int, int, int, int]], ...] = ()
    properties: tuple[tuple[int, tuple[tuple[str, object], ...]], ...] = ()
    source: str = "../../"


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
    label : ImageLabel or None
        Where the pixels are labels of things, and the metadata says so.
    systems : tuple of str
        Names of the coordinate systems that the image can be placed in, the one it is placed in first; empty before
        0.6.
    """

    name: str
    version: str
    axes: tuple[Axis, ...]
    datasets: tuple[Dataset, ...]
    channels: tuple[Channel, ...] = ()
    label: ImageLabel | None = None
    systems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """One entry of a collection.

    Attributes
    ----------
    path : str
        Of its group, from the collection's.
    name : str
        For people.
    row, column : int or None
        Of a well, or of a field in it, in its plate.
    acquisition : int or None
        Of a field in a well.
    """

    path: str
    name: str
    row: int | None = None
    column: int | None = None
    acquisition: int | None = None


@dataclass(frozen=True)
class Collection:
    """A group that is no image itself but leads to images: a list to choose from.

    Attributes
    ----------
    kind : str
        ``"plate"`` (its members are wells), ``"well"`` (fields), ``"labels"``, ``"bioformats2raw"``, ``"series"``,
        ``"scene"`` (images that share a world); ``"image"`` where there is one image and nothing to choose.
    members : tuple of Member
        Empty where the metadata does not name them: the images of ``"bioformats2raw"`` are groups 0, 1, 2 and on.
    name : str
    rows, columns : tuple of str
        Names, of a plate.
    acquisitions : tuple of (int, str)
        Id and name, of a plate.
    """

    kind: str
    members: tuple[Member, ...]
    name: str = ""
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    acquisitions: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Document:
    """All that the attributes of one group say.

    Attributes
    ----------
    images : tuple of Image
        Empty where the group is no image.
    collection : Collection or None
        Where the group leads to images.
    label : ImageLabel or None
        Also where the group names no image with it.
    """

    images: tuple[Image, ...]
    collection: Collection | None
    label: ImageLabel | None
