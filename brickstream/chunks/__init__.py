"""Where voxels come from: URL to store to source to decoded chunk, and the scheduler that fetches them."""

from brickstream.chunks.collections import CollectionEntry, ImageCollection
from brickstream.chunks.fetcher import Fetcher, Want
from brickstream.chunks.opener import Opener
from brickstream.chunks.opening import ChunkedImage, image_of, open_collection, open_image, read_labels
from brickstream.chunks.places import below, make_reader
from brickstream.chunks.reader import Reader, Traffic, open_session
from brickstream.chunks.source import ArraySource, ChunkSource
from brickstream.chunks.table import ChunkKey, ChunkState, ChunkTable, Entry, Limits

__all__ = [
    "ArraySource",
    "ChunkKey",
    "ChunkSource",
    "ChunkState",
    "ChunkTable",
    "ChunkedImage",
    "CollectionEntry",
    "Entry",
    "Fetcher",
    "ImageCollection",
    "Limits",
    "Opener",
    "Reader",
    "Traffic",
    "Want",
    "below",
    "image_of",
    "make_reader",
    "open_collection",
    "open_image",
    "open_session",
    "read_labels",
]
