"""Where voxels come from: URL to store to source to decoded chunk, and the scheduler that fetches them."""

from brickstream.chunks.fetcher import Fetcher, Want
from brickstream.chunks.opening import ChunkedImage, open_image, read_labels
from brickstream.chunks.reader import Reader, Traffic, make_reader, open_session
from brickstream.chunks.source import ArraySource, ChunkSource
from brickstream.chunks.table import ChunkKey, ChunkState, ChunkTable, Entry, Limits

__all__ = [
    "ArraySource",
    "ChunkKey",
    "ChunkSource",
    "ChunkState",
    "ChunkTable",
    "ChunkedImage",
    "Entry",
    "Fetcher",
    "Limits",
    "Reader",
    "Traffic",
    "Want",
    "make_reader",
    "open_image",
    "open_session",
    "read_labels",
]
