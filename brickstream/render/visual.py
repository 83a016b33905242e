"""vispy visuals that draw bricks: one for planes, one for volumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import numpy as np
from vispy.gloo import IndexBuffer, Texture2D, VertexBuffer
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual
from vispy.visuals.shaders import Function

from brickstream.multiscale.affine import FloatArray
from brickstream.render.colors import resolve_colormap
from brickstream.render.curves import bright_values, cubic_weights, visible_places
from brickstream.render.frame import Frame
from brickstream.render.ids import IdEncoding, Labels, chosen_table, factors, palette
from brickstream.render.look import MOST_PLANES, Look
from brickstream.render.placing import Placing
from brickstream.render.surfaces import KNOTS, MOST_SHEETS, PATTERNS, Surfaces
from brickstream.render.textures import Textures
from brickstream.render.uniforms import Uniforms

# What else the shader of a method is made of.
NEEDS = {
    "iso": ("shading.glsl",),
    "surfaces": ("shading.glsl",),
    "translucent": ("transparent.glsl",),
    "additive": ("transparent.glsl",),
}
# Half-spaces that hold every place.
EVERYWHERE = np.tile([0.0, 0.0, 1.0, 0.0], (8, 1))
# A box as one triangle strip over its corners, which count in binary: x, then y, then z.
STRIP = np.array([2, 6, 0, 4, 5, 6, 7, 2, 3, 0, 1, 5, 3, 7], dtype=np.uint32)


# Source and target factors of colour, then of alpha.
FACTORS = {
    "additive": ("src_alpha", "one"),
    "minimum": ("one", "one"),
    "opaque": ("one", "zero"),
}
OVER = ("src_alpha", "one_minus_src_alpha", "zero", "one")


def gl_state(blending: str, ndisplay: int) -> dict[str, Any]:
    """What GL has to do for a blending; planes lie on one another, in the order in which they are drawn."""
    return {
        "depth_test": ndisplay == 3 and blending in ("translucent", "opaque"),
        "blend": blending != "opaque",
        "blend_func": FACTORS.get(blending, OVER),
        "blend_equation": "min" if blending == "minimum" else "func_add",
    }


def shader(*names: str) -> str:
    """Source of some shader files, one after the other."""
    folder = files("brickstream.render") / "shaders"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def atlas_names(textures: int) -> list[str]:
    """Names of the samplers of an atlas."""
    return [f"u_atlas{i}" for i in range(textures)]


def atlas_reader(textures: int, *, ids: bool = False) -> str:
    """Source of the function that reads an atlas of some textures, values or ids; of one it costs no branch."""
    kind, part = ("vec4", "") if ids else ("float", ".r")
    names = atlas_names(textures)
    uniforms = [f"uniform sampler3D {name};" for name in names]
    reads = [f"    if (which < {i}.5) return texture3D({name}, coord){part};" for i, name in enumerate(names[:-1])]
    head, last = (
        f"{kind} sample_atlas(float which, vec3 coord) {{",
        f"    return texture3D({names[-1]}, coord){part};\n}}",
    )
    return "\n".join([*uniforms, head, *reads, last])


class BrickVisual(Visual):  # type: ignore[misc]
    """What planes and volumes of bricks have in common.

    Parameters
    ----------
    textures : Textures
    vertex, fragment : str
        Source of the shaders.
    """

    ndisplay = 3

    def __init__(self, textures: Textures, vertex: str, fragment: str) -> None:
        Visual.__init__(self, vcode=vertex, fcode=fragment)
        self._textures = textures
        self._frame: Frame | None = None
        self._atlases = 1
        self._coarseness = 1.0
        self._corners = VertexBuffer(np.zeros((8, 3), dtype=np.float32))
        self._index_buffer = IndexBuffer(STRIP)
        self._draw_mode = "triangle_strip"
        self.shared_program["a_position"] = self._corners
        self._uniforms = Uniforms(self.shared_program)
        self._cubic = "u_weights_size" in fragment
        # Reads that are kept to the slot one by one need no place that is.
        self._inset = (-8.0,) * 3 if "kept_texel" in fragment else (float(self._cubic),) * 3
        self._ids, self._told = "u_palette" in fragment, "u_target" in fragment
        if self._ids:
            self._uniforms["u_palette"] = Texture2D(palette()[None], interpolation="nearest")
        if self._cubic:
            weights = cubic_weights()
            self._uniforms["u_weights"] = Texture2D(weights, internalformat="rgba32f", interpolation="linear")
            self._uniforms["u_weights_size"] = weights.shape[1]
            sums = weights.sum(axis=-1, dtype=np.float64)
            self._uniforms["u_gain"] = sums.min() ** 3, sums.max() ** 3
        self._uniforms["u_layer_opacity"] = 1.0
        if self.ndisplay == 3:
            self._uniforms["u_places"] = 0.0
        if not self._ids:
            self._uniforms["u_gamma"] = 1.0
        self._blending = "translucent"
        self.set_gl_state(**gl_state(self._blending, self.ndisplay), cull_face=False)
        self.shared_program.frag["sample_atlas"] = Function(atlas_reader(1, ids=self._ids))
        self.colormap = "grays"
        self.clim = (0.0, 1.0)
        self.freeze()

    @property
    def colormap(self) -> Any:
        """The colormap; set it by a name of vispy or of the package cmap."""
        return self._colormap

    @colormap.setter
    def colormap(self, value: Any) -> None:
        self._colormap, self._named = resolve_colormap(value), value
        if self._ids:
            return
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
        if not self._ids:
            self._uniforms["u_clim"] = value
        self.update()

    @property
    def coarseness(self) -> float:
        """How many times longer the steps of rays are than those of the finished picture; planes have none."""
        return self._coarseness

    @coarseness.setter
    def coarseness(self, value: float) -> None:
        if value != self._coarseness:
            self._coarseness = value
            self._set_steps()
            self.update()

    def _set_steps(self) -> None:
        """Tell the shader how long steps are."""

    def set_look(self, look: Look, place: Placing) -> None:
        """Take what can change without another shader.

        Parameters
        ----------
        look : Look
        place : Placing
            Its values and places, as the shader has them.
        """
        self._uniforms["u_layer_opacity"] = look.opacity
        if not self._ids:
            self._uniforms["u_gamma"] = look.gamma
        if look.blending != self._blending:
            self._blending = look.blending
            self.update_gl_state(**gl_state(look.blending, self.ndisplay))
        if self._named is not look.colormap:
            self.colormap = look.colormap
        if self.clim != place.clim:
            self.clim = place.clim

    def set_labels(self, labels: Labels, encoding: IdEncoding) -> None:
        """Take the colours of ids."""
        program, chosen = self._uniforms, chosen_table(labels, encoding)
        program["u_begin"], program["u_factor"] = factors(labels.seed)
        program["u_chosen"] = Texture2D(chosen, interpolation="nearest")
        program["u_depth"] = len(chosen) // 2 if chosen.any() else 0
        program["u_others"] = 1.0 if labels.selected is None else labels.others
        if self.ndisplay == 2:
            program["u_contour"] = labels.contour
        self.update()

    def set_frame(self, frame: Frame) -> None:
        """Take a new state of the page table; where it lies in the world is up to the node's transform."""
        self._frame = frame
        layout = self._textures.layout
        if layout is None:
            return
        program = self._uniforms
        low, high = frame.window
        corners = [[(low, high)[i >> a & 1][a] for a in range(3)] for i in range(8)]
        self._corners.set_data(np.array(corners, dtype=np.float32))
        self._set_atlases(self._textures.atlases)
        program["u_pages"] = self._textures.table
        for name in ("texture_shape", "texture_grid", "brick", "apron"):
            uniform = {"texture_shape": "u_atlas_shape", "texture_grid": "u_slots"}.get(name, f"u_{name}")
            program[uniform] = getattr(layout, name)[::-1]
        program["u_inset"] = self._inset
        rows, columns = self._textures.table.shape[:2]
        program["u_pages_shape"] = columns, rows
        if self._told:
            program["u_target"] = float(frame.target)
        self._bounds_changed()
        self.update()

    def _set_atlases(self, atlases: list[Any]) -> None:
        """Read the atlas from these textures; another number of them costs a new shader."""
        if len(atlases) != self._atlases:
            self._atlases = len(atlases)
            self.shared_program.frag["sample_atlas"] = Function(atlas_reader(len(atlases), ids=self._ids))
        for name, atlas in zip(atlas_names(len(atlases)), atlases, strict=True):
            self._uniforms[name] = atlas

    @contextmanager
    def as_places(self) -> Iterator[None]:
        """Draw, while this lasts, the local place of what a ray finds instead of its colour, and 1."""
        node: Any = self
        was_visible, node.visible = node.visible, True
        self._uniforms["u_places"] = 1.0
        self.update_gl_state(blend=False)
        try:
            yield
        finally:
            node.visible = was_visible
            self._uniforms["u_places"] = 0.0
            self.update_gl_state(blend=gl_state(self._blending, self.ndisplay)["blend"])

    def _compute_bounds(self, axis: int, view: Any) -> tuple[float, float]:
        box = self._frame.box if self._frame is not None else np.zeros((2, 3))
        return float(box[0, axis]), float(box[1, axis])

    def _prepare_transforms(self, view: Any) -> None:
        view.view_program.vert["transform"] = view.transforms.get_transform()

    def _prepare_draw(self, view: Any) -> bool:
        return self._frame is not None and self._textures.layout is not None


class PlaneBricksVisual(BrickVisual):
    """A plane of bricks; local z is 0.

    Parameters
    ----------
    textures : Textures
    look : Look
        Its interpolation stays; see :func:`variant`.
    """

    ndisplay = 2

    def __init__(self, textures: Textures, look: Look) -> None:
        fragment = shader(*variant(look, 2), "plane.frag")
        BrickVisual.__init__(self, textures, shader("plane.vert"), fragment)
        self._set_sides(EVERYWHERE)

    def set_frame(self, frame: Frame) -> None:
        """Take a new state of the page table."""
        BrickVisual.set_frame(self, frame)
        (x0, y0, _), (x1, y1, _) = frame.window
        flat = np.zeros((8, 3), dtype=np.float32)
        flat[:4, :2] = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)]
        self._corners.set_data(flat)
        self._index_buffer.set_data(np.array([0, 1, 2, 3], dtype=np.uint32))
        if self._ids:
            self._uniforms["u_box_low"], self._uniforms["u_box_high"] = frame.box
        self._set_sides(EVERYWHERE if frame.sides is None else frame.sides)

    def _set_sides(self, sides: FloatArray) -> None:
        # GLSL takes the rows of a NumPy matrix for columns.
        for name, rows in (("u_sides_low", sides[:4]), ("u_sides_high", sides[4:])):
            self._uniforms[name] = np.ascontiguousarray(rows.T, dtype=np.float32)


class VolumeBricksVisual(BrickVisual):
    """A volume of bricks, cast ray by ray.

    Parameters
    ----------
    textures : Textures
    look : Look
        Its method, interpolation and kind of rays stay; see :func:`variant`.
    """

    def __init__(self, textures: Textures, look: Look) -> None:
        fragment = shader("volume.head.glsl", *variant(look, 3), "volume.frag")
        BrickVisual.__init__(self, textures, shader("volume.vert"), fragment)
        self.unfreeze()
        self._culled = ""
        self._visible_of: Any = None
        self._places = np.zeros((1, 1), dtype=np.float32)
        self._surfaces = look.method == "surfaces" and look.labels is None
        self._step = look.step
        self.freeze()

    def set_look(self, look: Look, place: Placing) -> None:
        """Take what can change without another shader."""
        BrickVisual.set_look(self, look, place)
        program = self._uniforms
        self._step = look.step
        # Surfaces lie where they are, wherever the samples are.
        program["u_pace"], program["u_jitter"] = look.step, float(look.jitter and not self._surfaces)
        program["u_unit"], program["u_clips"] = place.unit, len(place.clip)
        _set_rows(program, "u_clip", place.clip, MOST_PLANES)
        if place.plane is not None and look.slab is not None:
            program["u_plane"], program["u_across"] = place.plane, place.across
            program["u_thickness"] = max(int(look.slab.thickness / look.step + 0.5), 1)
        self._set_method(look, place)
        self._set_steps()

    def _set_method(self, look: Look, place: Placing) -> None:
        program = self._uniforms
        if self._ids:
            return
        if look.method == "iso":
            program["u_threshold"] = place.threshold
        elif look.method in ("mip", "minip", "attenuated_mip"):
            program["u_cutoff"] = place.cutoff
        elif look.method == "surfaces":
            _set_surfaces(program, look.surfaces, place)
        elif look.method in ("translucent", "additive"):
            if self._visible_of is not self.colormap:
                self._visible_of, self._places = self.colormap, visible_places(self.colormap, look.method)
                program["u_visible"] = Texture2D(self._places, internalformat="r32f", interpolation="nearest")
                program["u_visible_size"] = self._places.shape[1]
            bright, gaps = bright_values(self._places, place.clim, look.gamma)
            # Not infinite: old compilers of shaders have no such number.
            program["u_bright"], program["u_gaps"] = np.clip(bright, -3e38, 3e38), float(gaps)
        if look.method == "attenuated_mip":
            program["u_attenuation"] = look.attenuation

    def set_frame(self, frame: Frame) -> None:
        """Take a new state of the page table; while only coarse levels are shown, steps are as long as their pixels."""
        BrickVisual.set_frame(self, frame)
        program = self._uniforms
        program["u_box_low"], program["u_box_high"] = frame.box
        program["u_window_low"], program["u_window_high"] = frame.window
        if self._surfaces:
            program["u_odd"] = np.mod(-(frame.box[0] + 0.5), 2)
        self._set_steps()

    def _set_steps(self) -> None:
        draft = self._coarseness * (1.0 if self._frame is None else self._frame.draft)
        self._uniforms["u_step"], self._uniforms["u_draft"] = self._step * draft, draft

    def _prepare_transforms(self, view: Any) -> None:
        BrickVisual._prepare_transforms(self, view)
        to_document = view.transforms.get_transform("visual", "document")
        view.view_program.vert["to_document"] = to_document
        view.view_program.vert["from_document"] = to_document.inverse
        view.view_program.frag["to_document"] = to_document

    def _prepare_draw(self, view: Any) -> bool:
        self._cull(view)
        return BrickVisual._prepare_draw(self, view)

    def _cull(self, view: Any) -> None:
        """Leave out the faces that rays enter by, before their fragments are made; a mirror turns faces around."""
        matrix = view.transforms.get_transform("visual", "render").map(np.eye(4))
        entered = "front" if np.linalg.det(matrix) > 0 else "back"
        if entered != self._culled:
            self._culled = entered
            self.update_gl_state(cull_face=entered)


def _set_rows(program: Uniforms, name: str, rows: FloatArray, most: int) -> None:
    """Set an array of uniforms; all of it, since vispy wants every value."""
    for i in range(most):
        program[f"{name}[{i}]"] = rows[i] if i < len(rows) else np.zeros(rows.shape[1:])


def _set_surfaces(program: Uniforms, surfaces: Surfaces, place: Placing) -> None:
    levels = place.levels
    program["u_iso"], program["u_count"] = place.span, len(levels)
    program["u_first"] = levels[0] if len(levels) else 0.0
    between = levels[1] - levels[0] if len(levels) > 1 else 0.0
    program["u_between"] = between if between > 0 else 1e30
    curve = surfaces.opacities(np.linspace(0, 1, KNOTS))[None].astype(np.float32)
    program["u_opacities"] = Texture2D(curve, internalformat="r32f", interpolation="linear")
    program["u_opacities_size"], program["u_opacity"] = KNOTS, surfaces.opacity
    program["u_fill"], program["u_parity"] = surfaces.fill, PATTERNS[surfaces.pattern]
    program["u_sheets"] = len(place.sheets)
    _set_rows(program, "u_sheet", place.sheets, MOST_SHEETS)
    caps = [cap.fill for cap in surfaces.caps if cap.show for _ in range(2)]
    fills = np.array([*caps, *(sheet.fill for sheet in surfaces.slices)])
    _set_rows(program, "u_sheet_fill", fills, MOST_SHEETS)


def variant(look: Look, ndisplay: int) -> tuple[str, ...]:
    """Files that a look's shader is made of: two looks with the same ones can share a visual."""
    marks = "unmarked.glsl" if look.marks is None else f"mark_{look.marks}.glsl"
    if look.labels is not None:
        base: tuple[str, ...] = ("atlas.glsl", "pages.glsl", "ids.glsl", "beside.glsl")
        plane, method = "plane_ids.glsl", "labels"
    else:
        base = "atlas.glsl", "texel.glsl", "pages.glsl", *_sampling(look, ndisplay), "colour.glsl"
        plane, method = "plane_values.glsl", look.method
    if ndisplay == 2:
        return *base, marks, plane
    beside = () if look.labels is not None else ("beside.glsl",)
    rays = "through.glsl" if look.slab is None else "slab.glsl"
    return *base, marks, *beside, "ray.glsl", rays, *NEEDS.get(method, ()), f"{method}.glsl"


def _sampling(look: Look, ndisplay: int) -> tuple[str, ...]:
    if look.interpolation != "cubic":
        return ("direct.glsl",)
    if ndisplay == 3 and look.slab is None and look.method != "iso":
        return "weights.glsl", "cubic.glsl"
    return "weights.glsl", "cubic_reads.glsl", "cubic_plane.glsl" if ndisplay == 2 else "cubic_exact.glsl"


PlaneBricks = create_visual_node(PlaneBricksVisual)
VolumeBricks = create_visual_node(VolumeBricksVisual)
