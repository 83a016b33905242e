"""Where voxels come from: URL to store to source to decoded chunk, and the scheduler that fetches them."""

from brickstream.chunks.array_source import ArraySource
from brickstream.chunks.cache.disk import DiskCache
from brickstream.chunks.entry import ChunkKey, ChunkState, Entry
from brickstream.chunks.fetcher import Fetcher, Want
from brickstream.chunks.http.client import HttpClient, HttpOptions, open_client
from brickstream.chunks.http.retry import RetryPolicy
from brickstream.chunks.opening.collections import CollectionEntry, ImageCollection
from brickstream.chunks.opening.gridded import grid_image
from brickstream.chunks.opening.image import ChunkedImage, image_of, open_collection, open_image, read_labels
from brickstream.chunks.opening.opener import Opener
from brickstream.chunks.opening.places import below, make_reader
from brickstream.chunks.reader import Reader
from brickstream.chunks.source import ChunkSource
from brickstream.chunks.table import ChunkTable, Limits
from brickstream.chunks.traffic import Traffic

__all__ = [
    "ArraySource",
    "ChunkKey",
    "ChunkSource",
    "ChunkState",
    "ChunkTable",
    "ChunkedImage",
    "CollectionEntry",
    "DiskCache",
    "Entry",
    "Fetcher",
    "HttpClient",
    "HttpOptions",
    "ImageCollection",
    "Limits",
    "Opener",
    "Reader",
    "RetryPolicy",
    "Traffic",
    "Want",
    "below",
    "grid_image",
    "image_of",
    "make_reader",
    "open_client",
    "open_collection",
    "open_image",
    "read_labels",
]
