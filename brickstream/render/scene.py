"""Ties a sink, a visual and a camera to a canvas: the part of a viewer that shows one image."""

from __future__ import annotations

from typing import Any

import numpy as np
from vispy.visuals.transforms import STTransform

from brickstream.engine import Telemetry
from brickstream.errors import ViewError
from brickstream.multiscale import Plan, Pyramid, View, localize
from brickstream.render.aim import aim, placed
from brickstream.render.colors import check_clim, known_clim, shader_clim
from brickstream.render.frame import Frame
from brickstream.render.gl import texture_limits
from brickstream.render.layout import AtlasLayout
from brickstream.render.sink import BrickSink
from brickstream.render.textures import Textures
from brickstream.render.visual import INTERPOLATIONS, METHODS, BrickVisual, PlaneBricks, VolumeBricks


class BrickScene:
    """One image in a view box. Render thread only; the canvas' context must be current.

    Parameters
    ----------
    canvas : vispy SceneCanvas
    viewbox : vispy ViewBox or None
        Fills the canvas; its camera follows the view. None where a host aims a camera of its own at `parent`.
    max_gpu_bytes : int
    parent : vispy Node, optional
        Where the visuals go; default the view box's scene. They lie relative to the view's centre.
    max_texture : int, optional
        Pretend that textures cannot be larger than this along an axis.
    method : str
        Projection in 3D, one of :data:`~brickstream.render.visual.METHODS`.
    clim : tuple of (float, float), optional
        Contrast limits in data values; None takes the channel's window, the range of uint8, or what was seen so far.
    colormap : str
    interpolation : {"linear", "nearest"}, optional
        None is nearest for planes and linear for volumes. Labels are always drawn nearest.
    telemetry : Telemetry, optional
        Who hears how long a commit took.

    Attributes
    ----------
    sink : BrickSink
    view : View or None
    """

    def __init__(
        self,
        canvas: Any,
        viewbox: Any,
        max_gpu_bytes: int,
        *,
        parent: Any = None,
        max_texture: int | None = None,
        method: str = "mip",
        clim: tuple[float, float] | None = None,
        colormap: Any = "grays",
        interpolation: str | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        check_options(method, interpolation)
        self._viewbox = viewbox
        self._telemetry = telemetry
        self._parent = viewbox.scene if parent is None else parent
        self._method, self._interpolation = method, interpolation
        self._clim = None if clim is None else check_clim(clim)
        self._colormap = colormap
        self._max_texture = max_texture
        self._textures = Textures(canvas, interpolation or "linear")
        self._nodes: dict[int, BrickVisual] = {}
        self.sink = BrickSink(self._textures, max_gpu_bytes, self._limits)
        self.view: View | None = None
        self._drawn: tuple[object, ...] = ()
        self._placed: tuple[object, ...] = ()
        self._known: tuple[Plan, tuple[float, float] | None] | None = None

    def _limits(self) -> tuple[int, int]:
        flat, deep = texture_limits()
        return (
            (flat, deep) if self._max_texture is None else (min(flat, self._max_texture), min(deep, self._max_texture))
        )

    @property
    def clim(self) -> tuple[float, float]:
        """Contrast limits in data values, as drawn now."""
        plan = self.sink.plan
        if self._clim is not None or plan is None:
            return self._clim or (0.0, 1.0)
        if self._known is None or self._known[0] is not plan:
            self._known = plan, known_clim(plan.pyramid, plan.view)
        known = self._known[1]
        if known is not None:
            return known
        seen = self.sink.value_range
        return seen if seen is not None and np.isfinite(seen).all() else (0.0, 1.0)

    @clim.setter
    def clim(self, value: tuple[float, float] | None) -> None:
        self._clim = None if value is None else check_clim(value)

    @property
    def colormap(self) -> Any:
        """The colormap, as a name or an object of vispy."""
        return self._colormap

    @colormap.setter
    def colormap(self, value: Any) -> None:
        self._colormap = value
        for node in self._nodes.values():
            node.colormap = value

    @property
    def visual(self) -> Any:
        """The visual that shows the present view, a node of vispy; None before there is one."""
        return None if self.view is None else self._nodes.get(self.view.ndisplay)

    @property
    def method(self) -> str:
        """Projection in 3D; another one costs a new shader."""
        return self._method

    @method.setter
    def method(self, value: str) -> None:
        if value == self._method:
            return
        check_options(value, self._interpolation)
        self._method = value
        old = self._nodes.pop(3, None)
        if old is not None:
            old.parent = None
            self.prepare(3)

    @property
    def interpolation(self) -> str | None:
        """How the atlas is sampled; None is nearest for planes and linear for volumes."""
        return self._interpolation

    @interpolation.setter
    def interpolation(self, value: str | None) -> None:
        check_options(self._method, value)
        self._interpolation = value

    def set_view(self, view: View) -> None:
        """Aim the camera, where it is ours. What the view needs comes through the sink."""
        if self._viewbox is not None:
            aim(self._viewbox, view)
        self.view = view
        for ndisplay, node in self._nodes.items():
            node.visible = ndisplay == view.ndisplay

    def prepare(self, ndisplay: int) -> None:
        """Make the visual for planes (2) or volumes (3) before it is needed; its shader compiles when drawn."""
        if ndisplay not in self._nodes:
            if ndisplay == 2:
                node = PlaneBricks(self._textures, self._colormap, parent=self._parent)
            else:
                node = VolumeBricks(self._textures, self._method, self._colormap, parent=self._parent)
            node.transform = STTransform()
            self._nodes[ndisplay] = node

    def warm_up(self, ndisplay: int) -> None:
        """Set up the visual with an atlas of nothing, so that the next drawing compiles its shaders."""
        self.prepare(ndisplay)
        if self.sink.layout is not None:
            return
        layout = AtlasLayout((1, 1, 1), (0, 0, 0), (1, 1, 1), np.dtype(np.uint8))
        one, box = np.ones(3), np.array([[-0.5] * 3, [0.5] * 3])
        self._textures.allocate(layout)
        self._textures.write((0, 0, 0), np.zeros((1, 1, 1), dtype=np.uint8))
        self._textures.write_table(np.ones((1, 4, 4), dtype=np.float32), 0, 1)
        self._nodes[ndisplay].set_frame(Frame(one, 0 * one, box, box, 1, 1.0))
        self._nodes[ndisplay].visible = True
        self._drawn = ()

    def commit(self, budget_ms: float | None = None) -> int:
        """Upload what is queued (see :meth:`BrickSink.commit`) and bring the visual up to date; return uploads made."""
        if self._telemetry is None:
            return self._commit(budget_ms)
        with self._telemetry.work("commit", idle=True) as work:
            done = self._commit(budget_ms)
            work.idle = not done
        return done

    def _commit(self, budget_ms: float | None) -> int:
        done = self.sink.commit(budget_ms)
        frame, plan = self.sink.frame, self.sink.plan
        if self.view is None:
            return done
        self.prepare(self.view.ndisplay)
        node = self._nodes[self.view.ndisplay]
        fits = frame is not None and plan is not None and _same_axes(plan.view, self.view)
        node.visible = fits
        if frame is None or plan is None or not fits:
            return done
        # Most frames differ in what is drawn, not in where.
        where = node, self.view, plan.pyramid, frame.scale.tobytes(), frame.shift.tobytes()
        if where != self._placed:
            _place(node, frame, self.view, plan.pyramid)
            self._placed = where
        layout = self.sink.layout
        if layout is not None:
            clim = shader_clim(self.clim, layout.dtype)
            if node.clim != clim:
                node.clim = clim
        interpolation = self._interpolation or ("nearest" if self.view.ndisplay == 2 else "linear")
        if plan.pyramid.is_labels:
            interpolation = "nearest"  # between 3 and 5 lies another thing, not 4
        if self._textures.interpolation != interpolation:
            self._textures.interpolation = interpolation
        state = node, frame, self._textures.layout
        if state != self._drawn:
            node.set_frame(frame)
            self._drawn = state
        return done

    def close(self) -> None:
        """Take the visuals out of the scene and give their textures back."""
        for node in self._nodes.values():
            node.parent = None
        self._nodes.clear()
        self._textures.close()


def _same_axes(drawn: View, view: View) -> bool:
    """Whether a picture can be drawn as another view asks: moved and scaled, but not along other axes."""
    return (drawn.displayed, drawn.directions) == (view.displayed, view.directions)


def _place(node: BrickVisual, frame: Frame, view: View, pyramid: Pyramid) -> None:
    """Put a visual where its frame lies in the scene of a view; a new kind of transform costs a new shader."""
    local = localize(pyramid, view)
    wanted = placed(local.along, local.focus, frame.scale, frame.shift)
    if type(node.transform) is not type(wanted):
        node.transform = wanted
    elif isinstance(wanted, STTransform):
        node.transform.scale, node.transform.translate = wanted.scale, wanted.translate
    else:
        node.transform.matrix = wanted.matrix


def check_options(method: str, interpolation: str | None) -> None:
    """Refuse methods and interpolations that there are not.

    Raises
    ------
    ViewError
    """
    if method not in METHODS:
        raise ViewError(f"no method {method!r}", "", f"the methods are {', '.join(METHODS)}")
    if interpolation is not None and interpolation not in INTERPOLATIONS:
        raise ViewError(f"no interpolation {interpolation!r}", "", f"it is {' or '.join(INTERPOLATIONS)}")
