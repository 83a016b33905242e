"""vispy visuals that draw bricks: one for planes, one for volumes."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
from vispy.gloo import IndexBuffer, VertexBuffer
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual
from vispy.visuals.shaders import Function

from brickstream.errors import ViewError
from brickstream.multiscale.affine import FloatArray
from brickstream.render.colors import resolve_colormap
from brickstream.render.frame import Frame
from brickstream.render.textures import Textures

METHODS = ("mip", "minip", "translucent", "additive", "average")
INTERPOLATIONS = ("linear", "nearest")
STEP = 0.8
"""Length of a step in pixels of the target level, in a finished picture."""

# Half-spaces that hold every place.
EVERYWHERE = np.tile([0.0, 0.0, 1.0, 0.0], (8, 1))
# A box as one triangle strip over its corners, which count in binary: x, then y, then z.
STRIP = np.array([2, 6, 0, 4, 5, 6, 7, 2, 3, 0, 1, 5, 3, 7], dtype=np.uint32)


def shader(*names: str) -> str:
    """Source of some shader files, one after the other."""
    folder = files("brickstream.render") / "shaders"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


class BrickVisual(Visual):  # type: ignore[misc]
    """What planes and volumes of bricks have in common.

    Parameters
    ----------
    textures : Textures
    colormap : str or vispy colormap
    """

    def __init__(self, textures: Textures, vertex: str, fragment: str, colormap: str) -> None:
        Visual.__init__(self, vcode=vertex, fcode=fragment)
        self._textures = textures
        self._frame: Frame | None = None
        self._corners = VertexBuffer(np.zeros((8, 3), dtype=np.float32))
        self._index_buffer = IndexBuffer(STRIP)
        self._draw_mode = "triangle_strip"
        self.shared_program["a_position"] = self._corners
        self.set_gl_state("translucent", cull_face=False)
        self.colormap = colormap
        self.clim = (0.0, 1.0)
        self.freeze()

    @property
    def colormap(self) -> Any:
        """The colormap; set it by a name of vispy or of the package cmap."""
        return self._colormap

    @colormap.setter
    def colormap(self, value: Any) -> None:
        self._colormap = resolve_colormap(value)
        self.shared_program.frag["cmap"] = Function(self._colormap.glsl_map)
        self.shared_program["texture2D_LUT"] = self._colormap.texture_lut()
        self.update()

    @property
    def clim(self) -> tuple[float, float]:
        """Contrast limits in texel values."""
        return self._clim

    @clim.setter
    def clim(self, value: tuple[float, float]) -> None:
        self._clim = value
        self.shared_program["u_clim"] = value
        self.update()

    def set_frame(self, frame: Frame) -> None:
        """Take a new state of the page table; where it lies in the world is up to the node's transform."""
        self._frame = frame
        layout = self._textures.layout
        if layout is None:
            return
        program = self.shared_program
        low, high = frame.window
        corners = [[(low, high)[i >> a & 1][a] for a in range(3)] for i in range(8)]
        self._corners.set_data(np.array(corners, dtype=np.float32))
        program["u_atlas"], program["u_pages"] = self._textures.atlas, self._textures.table
        for name in ("shape", "grid", "brick", "apron"):
            uniform = {"shape": "u_atlas_shape", "grid": "u_slots"}.get(name, f"u_{name}")
            program[uniform] = getattr(layout, name)[::-1]
        rows, columns = self._textures.table.shape[:2]
        program["u_pages_shape"] = columns, rows
        program["u_levels"] = frame.levels
        self._bounds_changed()
        self.update()

    def _compute_bounds(self, axis: int, view: Any) -> tuple[float, float]:
        box = self._frame.box if self._frame is not None else np.zeros((2, 3))
        return float(box[0, axis]), float(box[1, axis])

    def _prepare_transforms(self, view: Any) -> None:
        view.view_program.vert["transform"] = view.transforms.get_transform()

    def _prepare_draw(self, view: Any) -> bool:
        return self._frame is not None and self._textures.layout is not None


class PlaneBricksVisual(BrickVisual):
    """A plane of bricks; local z is 0."""

    def __init__(self, textures: Textures, colormap: str = "grays") -> None:
        BrickVisual.__init__(self, textures, shader("plane.vert"), shader("pages.glsl", "plane.frag"), colormap)
        self._set_sides(EVERYWHERE)

    def set_frame(self, frame: Frame) -> None:
        """Take a new state of the page table."""
        BrickVisual.set_frame(self, frame)
        (x0, y0, _), (x1, y1, _) = frame.window
        flat = np.zeros((8, 3), dtype=np.float32)
        flat[:4, :2] = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)]
        self._corners.set_data(flat)
        self._index_buffer.set_data(np.array([0, 1, 2, 3], dtype=np.uint32))
        self._set_sides(EVERYWHERE if frame.sides is None else frame.sides)

    def _set_sides(self, sides: FloatArray) -> None:
        # GLSL takes the rows of a NumPy matrix for columns.
        for name, rows in (("u_sides_low", sides[:4]), ("u_sides_high", sides[4:])):
            self.shared_program[name] = np.ascontiguousarray(rows.T, dtype=np.float32)


class VolumeBricksVisual(BrickVisual):
    """A volume of bricks, cast ray by ray.

    Parameters
    ----------
    textures : Textures
    method : {"mip", "minip", "translucent", "additive", "average"}
    colormap : str or vispy colormap
    """

    def __init__(self, textures: Textures, method: str = "mip", colormap: str = "grays") -> None:
        if method not in METHODS:
            raise ViewError(f"no method {method!r}", "", f"the methods are {', '.join(METHODS)}")
        fragment = shader("pages.glsl", "ray.glsl", f"{method}.glsl", "volume.frag")
        BrickVisual.__init__(self, textures, shader("volume.vert"), fragment, colormap)
        self.shared_program["u_step"] = STEP
        self.shared_program["u_opacity"] = 1.0

    def set_frame(self, frame: Frame) -> None:
        """Take a new state of the page table; while only coarse levels are shown, steps are as long as their pixels."""
        BrickVisual.set_frame(self, frame)
        program = self.shared_program
        program["u_box_low"], program["u_box_high"] = frame.box
        program["u_window_low"], program["u_window_high"] = frame.window
        program["u_step"], program["u_opacity"] = STEP * frame.draft, frame.draft

    def _prepare_transforms(self, view: Any) -> None:
        BrickVisual._prepare_transforms(self, view)
        to_document = view.transforms.get_transform("visual", "document")
        view.view_program.vert["to_document"] = to_document
        view.view_program.vert["from_document"] = to_document.inverse
        view.view_program.frag["to_document"] = to_document


PlaneBricks = create_visual_node(PlaneBricksVisual)
VolumeBricks = create_visual_node(VolumeBricksVisual)
