"""The textures of one sink on the GPU."""

from __future__ import annotations

from ctypes import c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy import gloo

from brickstream.errors import TextureMemoryError
from brickstream.render.apron import Array
from brickstream.render.layout import AtlasLayout, Triple

RGBA = "rgba8"
# Numbers of 32 bits, which are those of labels, go as four bytes.
FORMATS = {("uint8", 1): "r8", ("uint16", 1): "r16", ("float32", 1): "r32f", ("uint32", 1): RGBA}
TYPES = {
    "uint8": "GL_UNSIGNED_BYTE",
    "uint16": "GL_UNSIGNED_SHORT",
    "float32": "GL_FLOAT",
    "uint32": "GL_UNSIGNED_BYTE",
}


class Textures:
    """Atlas and page table as gloo textures; the render thread's :class:`~brickstream.render.sink.Device`.

    Parameters
    ----------
    canvas : vispy canvas
        Its context must be current wherever a method runs.
    interpolation : {"linear", "nearest"}

    Attributes
    ----------
    atlases : list of gloo textures
        What the atlas is made of; the first is the same object for ever.
    table : gloo texture
    layout : AtlasLayout or None
    """

    def __init__(self, canvas: Any, interpolation: str) -> None:
        self.layout: AtlasLayout | None = None
        self._canvas = canvas
        self._interpolation = interpolation
        self.atlases = [self._new_atlas()]
        self._handles: list[int] = []
        self._table_handle = 0
        self._type = self._form = 0
        self.table = gloo.Texture2D((1, 1, 4), internalformat="rgba32f", interpolation="nearest")
        canvas.context.glir.associate(self.table.glir)

    def _new_atlas(self) -> Any:
        atlas = gloo.Texture3D((1, 1, 1), internalformat="r8", interpolation=self._interpolation)
        self._canvas.context.glir.associate(atlas.glir)
        return atlas

    @property
    def interpolation(self) -> str:
        """How the atlas is sampled."""
        return self._interpolation

    @interpolation.setter
    def interpolation(self, value: str) -> None:
        self._interpolation = value
        for atlas in self.atlases:
            atlas.interpolation = value

    def allocate(self, layout: AtlasLayout) -> None:
        """Make the atlas anew, in the place of the old one: there are never two.

        Raises
        ------
        TextureMemoryError
            If the GPU has no room for it; then there is no atlas.
        """
        from OpenGL import GL

        form = FORMATS[layout.dtype.name, layout.encoding.components]
        self._resize(layout.textures, layout.texture_shape, form)
        self.layout = None
        if self._is_refused():
            self._resize(1, (1, 1, 1), "r8")
            self._flush()
            size = " x ".join(map(str, layout.texture_shape))
            raise TextureMemoryError("the GPU has no room", f"{layout.textures} textures of {size} {layout.dtype}")
        self._handles = [self._handle_of(atlas) for atlas in self.atlases]
        self._type = int(getattr(GL, TYPES[layout.dtype.name]))
        self._form = int(GL.GL_RGBA if form == RGBA else GL.GL_RED)
        self.layout = layout

    def _handle_of(self, texture: Any) -> int:
        """GL's name of a texture, which gloo keeps to itself."""
        return int(self._canvas.context.shared.parser.get_object(texture.id).handle)

    def _resize(self, count: int, shape: Triple, form: str) -> None:
        while len(self.atlases) > count:
            self.atlases.pop().delete()
        self.atlases += [self._new_atlas() for _ in range(count - len(self.atlases))]
        for atlas in self.atlases:
            atlas.resize((*shape, 4 if form == RGBA else 1), internalformat=form)

    def _is_refused(self) -> bool:
        """Do what is queued; say whether the GPU has no room for it, or has limits that it did not tell."""
        from OpenGL import GL, error

        refusals = (GL.GL_OUT_OF_MEMORY, GL.GL_INVALID_VALUE)
        GL.glGetError()  # what others have left behind
        try:
            self._flush()
        except error.GLError as refusal:
            if refusal.err not in refusals:
                raise
            return True
        return GL.glGetError() in refusals

    def grow(self, layout: AtlasLayout) -> None:
        """Make the atlas larger along z, or of more textures, and put back what it held."""
        old = self._read_atlas()
        self.allocate(layout)
        for z in range(0, len(old), layout.texture_shape[0]):
            self.write((z, 0, 0), old[z : z + layout.texture_shape[0]])

    def _read_atlas(self) -> Array:
        """Read the atlas back, its textures stacked along z."""
        from OpenGL import GL

        layout = self.layout
        if layout is None:
            return np.zeros((0, 0, 0), dtype=np.uint8)
        texels: Array = np.empty(layout.shape, dtype=layout.dtype)
        deep = layout.texture_shape[0]
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
        for number, handle in enumerate(self._handles):
            GL.glBindTexture(GL.GL_TEXTURE_3D, handle)
            part = texels[number * deep : (number + 1) * deep]
            GL.glGetTexImage(GL.GL_TEXTURE_3D, 0, self._form, self._type, array=part)
        GL.glBindTexture(GL.GL_TEXTURE_3D, 0)
        return texels

    def write(self, start: Triple, texels: Array) -> None:
        """Write a box of texels, of one texture: past gloo's queue, which takes longer than a small brick itself."""
        from OpenGL import GL
        from OpenGL.raw.GL.VERSION.GL_1_2 import glTexSubImage3D

        layout = self.layout
        if layout is None:
            return
        texels = np.ascontiguousarray(texels)
        (number, z), (depth, height, width) = divmod(start[0], layout.texture_shape[0]), texels.shape[:3]
        place = start[2], start[1], z, width, height, depth
        GL.glBindTexture(GL.GL_TEXTURE_3D, self._handles[number])
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        glTexSubImage3D(GL.GL_TEXTURE_3D, 0, *place, self._form, self._type, c_void_p(texels.ctypes.data))
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 4)  # as gloo takes it to be

    def write_table(self, cells: NDArray[np.float32], first: int, stop: int) -> None:
        """Write rows of the page table; past gloo's queue too, which else does its work within every frame."""
        from OpenGL import GL
        from OpenGL.raw.GL.VERSION.GL_1_1 import glTexSubImage2D

        if self.table.shape != cells.shape or not self._table_handle:
            self.table.resize(cells.shape, internalformat="rgba32f")
            self._flush()
            self._table_handle = self._handle_of(self.table)
        rows = np.ascontiguousarray(cells[first:stop], dtype=np.float32)
        place = 0, first, rows.shape[1], rows.shape[0]
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._table_handle)
        glTexSubImage2D(GL.GL_TEXTURE_2D, 0, *place, GL.GL_RGBA, GL.GL_FLOAT, c_void_p(rows.ctypes.data))

    @property
    def nbytes(self) -> int:
        """Bytes of both; 0 before there is anything to hold, and when they were given back."""
        if self.layout is None:
            return 0
        return self.layout.nbytes + int(np.prod(self.table.shape)) * 4

    def close(self) -> None:
        """Give the memory back."""
        for texture in (*self.atlases, self.table):
            texture.delete()
        self.layout = None
        self._flush()

    def _flush(self) -> None:
        self._canvas.context.flush_commands()
