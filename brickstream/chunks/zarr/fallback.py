"""Codecs that only zarr-python knows, because somebody has taught it: slower, complete.

zarr-python decodes each chunk as an array of its own out of a store in memory. What it does with the bytes is its own
affair: a codec that is not known here can also not be kept from unpacking more than was declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import CodecError

if TYPE_CHECKING:
    from zarr.core.metadata import ArrayV3Metadata


@dataclass(frozen=True, eq=False)
class ZarrDecoder:
    """Decodes chunks by zarr-python; runs in decode threads.

    Attributes
    ----------
    metadata : zarr.core.metadata.ArrayV3Metadata
        Of an array that has just one chunk.
    dtype : numpy.dtype
        Native byte order.
    """

    metadata: ArrayV3Metadata
    dtype: np.dtype[Any]

    @property
    def max_encoded(self) -> int | None:
        """Nobody knows."""
        return None

    def decode(self, raw: Any) -> NDArray[Any]:
        """Decode one chunk; see :meth:`brickstream.chunks.zarr.decoding.Decoder.decode`."""
        import zarr
        from zarr.core.buffer import default_buffer_prototype
        from zarr.storage import MemoryStore, StorePath

        key = self.metadata.encode_chunk_key((0,) * len(self.metadata.shape))
        store = MemoryStore({key: default_buffer_prototype().buffer.from_bytes(bytes(raw))})
        try:
            array = zarr.Array(zarr.AsyncArray(self.metadata, StorePath(store)))[...]
        except Exception as error:
            # Whatever a codec raises on bytes that are no good.
            text = " ".join(str(error).split())[:120]
            raise CodecError(f"the chunk cannot be decoded ({type(error).__name__}: {text})") from error
        value = np.ascontiguousarray(array, dtype=self.dtype)
        value.flags.writeable = False
        return value


def zarr_decoder(
    document: Mapping[str, Any], codecs: object, chunks: tuple[int, ...], dtype: np.dtype[Any]
) -> ZarrDecoder:
    """Make a decoder of chunks from an array's metadata document. Loads zarr-python: not for an event loop.

    Parameters
    ----------
    document : mapping
        A ``zarr.json``.
    codecs : list
        Those of the chunk, which in a shard are not those of the array.
    chunks : tuple of int
    dtype : numpy.dtype

    Raises
    ------
    CodecError
        If zarr-python does not know a codec either.
    """
    from zarr.core.metadata import ArrayV3Metadata

    one_chunk: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(chunks),
        "data_type": document.get("data_type"),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": document.get("fill_value"),
        "codecs": codecs,
    }
    try:
        metadata = ArrayV3Metadata.from_dict(one_chunk)
    except Exception as error:
        # zarr-python raises many types here, none of its own.
        raise CodecError(_unknown_codec(codecs, error), "", "zarr-python cannot read it either") from error
    return ZarrDecoder(metadata, dtype)


def _unknown_codec(codecs: object, error: Exception) -> str:
    listed = codecs if isinstance(codecs, list) else []
    names = [str(codec.get("name")) if isinstance(codec, Mapping) else str(codec) for codec in listed]
    chain = f" among {', '.join(names)}" if names else ""
    return f"unknown codec{chain} ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
