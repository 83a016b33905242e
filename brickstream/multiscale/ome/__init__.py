"""OME-NGFF metadata (OME-Zarr) of every version to plain values. No I/O."""

from brickstream.multiscale.ome.model import Collection, Dataset, Document, Image, ImageLabel, Member
from brickstream.multiscale.ome.reader import read_collection, read_document, read_metadata

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
