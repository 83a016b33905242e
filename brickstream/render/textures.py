"""The textures of one sink on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy import gloo

from brickstream.render.apron import Array
from brickstream.render.layout import AtlasLayout, Triple

FORMATS = {"uint8": "r8", "uint16": "r16", "float32": "r32f"}


class Textures:
    """Atlas and page table as gloo textures; the render thread's :class:`~brickstream.render.sink.Device`.

    Parameters
    ----------
    canvas : vispy canvas
        Its context must be current wherever a method runs.
    interpolation : {"linear", "nearest"}

    Attributes
    ----------
    atlas, table : gloo textures
        The same objects for ever; their size and format change.
    layout : AtlasLayout or None
    """

    def __init__(self, canvas: Any, interpolation: str) -> None:
        self.layout: AtlasLayout | None = None
        self._canvas = canvas
        self._interpolation = interpolation
        self.atlas = gloo.Texture3D((1, 1, 1), internalformat="r8", interpolation=interpolation)
        self.table = gloo.Texture2D((1, 1, 4), internalformat="rgba32f", interpolation="nearest")
        for texture in (self.atlas, self.table):
            canvas.context.glir.associate(texture.glir)

    @property
    def interpolation(self) -> str:
        """How the atlas is sampled."""
        return self._interpolation

    @interpolation.setter
    def interpolation(self, value: str) -> None:
        self._interpolation = self.atlas.interpolation = value

    def allocate(self, layout: AtlasLayout) -> None:
        """Make the atlas anew, in the place of the old one: there are never two."""
        self.atlas.resize(layout.shape, internalformat=FORMATS[layout.dtype.name])
        self.layout = layout
        self._flush()

    def grow(self, layout: AtlasLayout) -> None:
        """Make the atlas larger along z and put back what it held."""
        old = self._read_atlas()
        self.allocate(layout)
        self.write((0, 0, 0), old)

    def _read_atlas(self) -> Array:
        """Read the atlas back: the one place that needs the GL name of a texture, which gloo keeps to itself."""
        from OpenGL import GL

        layout = self.layout
        if layout is None:
            return np.zeros((0, 0, 0), dtype=np.uint8)
        handle = self._canvas.context.shared.parser.get_object(self.atlas.id).handle
        texels: Array = np.empty(layout.shape, dtype=layout.dtype)
        kind = {"uint8": GL.GL_UNSIGNED_BYTE, "uint16": GL.GL_UNSIGNED_SHORT, "float32": GL.GL_FLOAT}[layout.dtype.name]
        GL.glBindTexture(GL.GL_TEXTURE_3D, handle)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
        GL.glGetTexImage(GL.GL_TEXTURE_3D, 0, GL.GL_RED, kind, array=texels)
        GL.glBindTexture(GL.GL_TEXTURE_3D, 0)
        return texels

    def write(self, start: Triple, texels: Array) -> None:
        """Write a box of texels."""
        self.atlas.set_data(np.ascontiguousarray(texels)[..., None], offset=start)
        self._flush()

    def write_table(self, cells: NDArray[np.float32], first: int, stop: int) -> None:
        """Write rows of the page table."""
        if self.table.shape != cells.shape:
            self.table.resize(cells.shape, internalformat="rgba32f")
        self.table.set_data(cells[first:stop], offset=(first, 0))
        self._flush()

    @property
    def nbytes(self) -> int:
        """Bytes of both textures; 0 before there is anything to hold, and when they were given back."""
        if self.layout is None:
            return 0
        return self.layout.nbytes + int(np.prod(self.table.shape)) * 4

    def close(self) -> None:
        """Give the memory back."""
        self.atlas.delete()
        self.table.delete()
        self.layout = None
        self._flush()

    def _flush(self) -> None:
        self._canvas.context.flush_commands()
