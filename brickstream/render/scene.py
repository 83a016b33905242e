"""Ties a sink, a visual and a camera to a canvas: the part of a viewer that shows one image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from vispy.visuals.transforms import STTransform

from brickstream.engine import Telemetry
from brickstream.multiscale import Plan, Pyramid, View, localize
from brickstream.render.aim import aim, placed
from brickstream.render.allocation import AtlasWish
from brickstream.render.colors import known_clim, resolve_colormap
from brickstream.render.encoding import Encoding, encoding_of
from brickstream.render.frame import Frame
from brickstream.render.gl import texture_limits
from brickstream.render.ids import IdEncoding, Labels, id_encoding
from brickstream.render.layout import AtlasLayout, TextureLimits
from brickstream.render.look import Look
from brickstream.render.pick import Pick, pick_plane, pick_volume
from brickstream.render.picker import GATHERING, place_under
from brickstream.render.placing import Placing, place_look
from brickstream.render.sink import BrickSink
from brickstream.render.textures import Textures
from brickstream.render.visual import BrickVisual, PlaneBricks, VolumeBricks, variant


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
    telemetry : Telemetry, optional
        Who hears how long a commit took.
    look : Look, optional
        How it looks; or single fields of it as further arguments.

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
        telemetry: Telemetry | None = None,
        look: Look | None = None,
        **options: Any,
    ) -> None:
        self._look = Look.of(look, options)
        self._viewbox = viewbox
        self._telemetry = telemetry
        self._parent = viewbox.scene if parent is None else parent
        self._max_texture = max_texture
        self._canvas = canvas
        self._textures = Textures(canvas, "linear")
        self._nodes: dict[int, BrickVisual] = {}
        self._brightest: BrickVisual | None = None
        self._order, self._visible = 0, True
        self._coarseness = 1.0
        self.sink = BrickSink(self._textures, max_gpu_bytes, self._limits, self._find_contrast)
        self.sink.wish = self._wish(self._look)
        self.view: View | None = None
        self._drawn: tuple[object, ...] = ()
        self._revision = 0
        self._looked: tuple[object, ...] = ()
        self._placed: tuple[object, ...] = ()
        self._labelled: tuple[object, ...] = ()
        self._known: tuple[Plan, tuple[float, float] | None] | None = None

    def _wish(self, look: Look) -> AtlasWish:
        return replace(self.sink.wish, apron=look.reach, of_ids=look.labels is not None)

    def _limits(self) -> TextureLimits:
        limits, most = texture_limits(), self._max_texture
        return limits if most is None else limits._replace(flat=min(limits.flat, most), deep=min(limits.deep, most))

    def _find_contrast(self, pyramid: Pyramid, view: View) -> tuple[float, float] | None:
        """Contrast limits that need no pixels."""
        return known_clim(pyramid, view) if self._look.clim is None else self._look.clim

    @property
    def look(self) -> Look:
        """How it looks; set another one at any time.

        Another method, kind of rays or marks, or "cubic", costs a new shader.
        """
        return self._look

    @look.setter
    def look(self, look: Look) -> None:
        resolve_colormap(look.colormap)
        old, self._look = self._look, look
        self.sink.wish = self._wish(look)
        for ndisplay in [n for n in self._nodes if variant(old, n) != variant(look, n)]:
            self._nodes.pop(ndisplay).parent = None
            self.prepare(ndisplay)
            self._forget_brightest()

    @property
    def textures(self) -> Textures:
        """Atlas and page table on the GPU."""
        return self._textures

    @property
    def clim(self) -> tuple[float, float]:
        """Contrast limits in data values, as drawn now; set None to take those of the metadata or what was seen."""
        plan = self.sink.plan
        if self._look.clim is not None or plan is None:
            return self._look.clim or (0.0, 1.0)
        if self._known is None or self._known[0] is not plan:
            self._known = plan, known_clim(plan.pyramid, plan.view)
        known = self._known[1]
        if known is not None:
            return known
        seen = self.sink.value_range
        return seen if seen is not None and np.isfinite(seen).all() else (0.0, 1.0)

    @clim.setter
    def clim(self, value: tuple[float, float] | None) -> None:
        self.look = replace(self._look, clim=value)

    @property
    def colormap(self) -> Any:
        """The colormap, as a name or an object of vispy."""
        return self._look.colormap

    @colormap.setter
    def colormap(self, value: Any) -> None:
        self.look = replace(self._look, colormap=value)

    @property
    def method(self) -> str:
        """Ray-casting method; another one costs a new shader."""
        return self._look.method

    @method.setter
    def method(self, value: str) -> None:
        self.look = replace(self._look, method=value)

    @property
    def interpolation(self) -> str | None:
        """How the atlas is sampled; None is nearest for planes and linear for volumes."""
        return self._look.interpolation

    @interpolation.setter
    def interpolation(self, value: str | None) -> None:
        self.look = replace(self._look, interpolation=value)

    @property
    def order(self) -> int:
        """Place among the nodes of the scene: those with smaller numbers are drawn first."""
        return self._order

    @order.setter
    def order(self, order: int) -> None:
        self._order = order
        for node in self._nodes.values():
            node.order = order

    @property
    def visible(self) -> bool:
        """Whether it is drawn; what it fetches is up to its viewport."""
        return self._visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        self._visible = visible
        for ndisplay, node in self._nodes.items():
            node.visible = visible and self.view is not None and ndisplay == self.view.ndisplay

    @property
    def coarseness(self) -> float:
        """How many times longer the steps of rays are than those of the finished picture: for a moving one.

        What a ray gathers is corrected for it, so that the picture is as bright.
        """
        return self._coarseness

    @coarseness.setter
    def coarseness(self, value: float) -> None:
        self._coarseness = value
        for node in self._nodes.values():
            node.coarseness = value

    @property
    def visual(self) -> Any:
        """The visual that shows the present view, a node of vispy; None before there is one."""
        return None if self.view is None else self._nodes.get(self.view.ndisplay)

    def set_view(self, view: View) -> None:
        """Aim the camera, where it is ours. What the view needs comes through the sink."""
        if self._viewbox is not None:
            aim(self._viewbox, view)
        self.view = view
        for ndisplay, node in self._nodes.items():
            node.visible = self._visible and ndisplay == view.ndisplay

    def prepare(self, ndisplay: int) -> None:
        """Make the visual for planes (2) or volumes (3) before it is needed; its shader compiles when drawn."""
        if ndisplay not in self._nodes:
            if ndisplay == 2:
                node = PlaneBricks(self._textures, self._look, parent=self._parent)
            else:
                node = VolumeBricks(self._textures, self._look, parent=self._parent)
            node.transform, node.order = STTransform(), self._order
            node.coarseness = self._coarseness
            self._nodes[ndisplay] = node

    def warm_up(self, ndisplay: int) -> None:
        """Set up the visual with an atlas of nothing, so that the next drawing compiles its shaders."""
        self.prepare(ndisplay)
        if self.sink.layout is not None:
            return
        layout = AtlasLayout((1, 1, 1), (0, 0, 0), (1, 1, 1), encoding_of(np.dtype(np.uint8)), 1)
        one, box = np.ones(3), np.array([[-0.5] * 3, [0.5] * 3])
        self._textures.allocate(layout)
        self._textures.write((0, 0, 0), np.zeros((1, 1, 1), dtype=np.uint8))
        self._textures.write_table(np.ones((1, 4, 4), dtype=np.float32), 0, 1)
        self._nodes[ndisplay].set_look(self._look, Placing.of_nothing())
        self._nodes[ndisplay].set_frame(Frame(one, 0 * one, box, box, 1.0))
        self._draw_labels(self._nodes[ndisplay], self._look.labels, id_encoding(np.dtype(np.uint8)))
        self._nodes[ndisplay].visible = True
        self._drawn, self._looked = (), ()

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
        fits = frame is not None and plan is not None and _same_axes(plan.view, self.view) and self._suits()
        if node.visible != (fits and self._visible):  # vispy draws anew even where this is what it was
            node.visible = fits and self._visible
        if frame is None or plan is None or not fits:
            return done
        # Most frames differ in what is drawn, not in where.
        where = node, self.view, plan.pyramid, frame.scale.tobytes(), frame.shift.tobytes()
        if where != self._placed:
            _place(node, frame, self.view, plan.pyramid)
            self._placed = where
        self._draw_with(node, frame, plan)
        return done

    def _suits(self) -> bool:
        """Whether what is on the GPU is values or ids, as the look is."""
        atlas = self.sink.layout
        return atlas is not None and isinstance(atlas.encoding, IdEncoding) == (self._look.labels is not None)

    def _draw_with(self, node: BrickVisual, frame: Frame, plan: Plan) -> None:
        """Give the visual what has changed since the last frame."""
        layout, atlas = self._textures.layout, self.sink.layout
        if layout is None or atlas is None:
            return
        encoding = atlas.encoding
        interpolation = self._look.interpolation or ("nearest" if plan.view.ndisplay == 2 else "linear")
        if plan.pyramid.is_labels or self._look.labels is not None:
            interpolation = "nearest"  # between 3 and 5 lies another thing, not 4
        flat_cubic = interpolation == "cubic" and plan.view.ndisplay == 2
        hardware = "nearest" if interpolation == "nearest" or flat_cubic else "linear"
        if self._textures.interpolation != hardware:
            self._textures.interpolation = hardware
        looked = node, frame, self._look, self.clim, encoding
        if looked != self._looked:
            self.sink.check_contrast()
            node.set_look(self._look, place_look(self._look, self.clim, plan, frame, encoding))
            self._looked = looked
        self._draw_labels(node, self._look.labels, encoding)
        drawn = node, frame, layout
        if drawn != self._drawn:
            node.set_frame(frame)
            self._drawn = drawn
        elif self.sink.revision != self._revision:
            node.update()
        self._revision = self.sink.revision

    def pick(self, x: float, y: float) -> Pick | None:
        """Find the pixel that is drawn under a place on the canvas.

        In a volume it is what the ray finds: the first surface, the brightest or the darkest; for methods that gather
        the whole ray the brightest.

        Parameters
        ----------
        x, y : float
            Physical pixels from the top left corner of the canvas.

        Returns
        -------
        Pick or None
            None outside the image, and where nothing is drawn.
        """
        plan, view, frame, node = self.sink.drawn, self.view, self.sink.frame, self.visual
        if plan is None or view is None or frame is None or node is None or not node.visible:
            return None
        if view.ndisplay == 2:
            return pick_plane(plan, view, x, y, self.sink.level_at)
        place = place_under(self._canvas, self._finder(node, plan, frame), x, y)
        return (
            None if place is None else pick_volume(plan, (frame.shift + frame.scale * place)[::-1], self.sink.level_at)
        )

    def _finder(self, node: BrickVisual, plan: Plan, frame: Frame) -> BrickVisual:
        """The visual that finds places: that which is shown, or one of another method beside it."""
        if self._look.labels is not None or self._look.method not in GATHERING:
            return node
        layout = self.sink.layout
        look = replace(self._look, method="mip")
        if self._brightest is None:
            self._brightest = VolumeBricks(self._textures, look, parent=self._parent)
            self._brightest.visible = False
        if layout is not None:
            self._brightest.set_look(look, place_look(look, self.clim, plan, frame, layout.encoding))
        self._brightest.transform = node.transform
        self._brightest.set_frame(frame)
        return self._brightest

    def _draw_labels(self, node: BrickVisual, labels: Labels | None, encoding: Encoding) -> None:
        """Give the visual the colours of ids."""
        if labels is None or not isinstance(encoding, IdEncoding):
            return
        labelled = node, labels, encoding.book
        if labelled != self._labelled:
            node.set_labels(labels, encoding)
            self._labelled = labelled

    def restore(self, canvas: Any, viewbox: Any, *, parent: Any = None) -> None:
        """Go on in another context, where the old one was lost; the new one is current.

        Everything is uploaded anew: a viewport of an engine does that from memory at its next polls, without a call.

        Parameters
        ----------
        canvas, viewbox, parent
            As when the scene was made.
        """
        self._take_out()
        texture_limits.cache_clear()
        self._canvas = canvas
        self._viewbox, self._parent = viewbox, viewbox.scene if parent is None else parent
        self._textures = Textures(canvas, self._textures.interpolation)
        self._drawn, self._looked, self._placed, self._labelled = (), (), (), ()
        self.sink.lose(self._textures)
        if self.view is not None:
            self.set_view(self.view)

    def _take_out(self) -> None:
        for node in self._nodes.values():
            node.parent = None
        self._nodes.clear()
        self._forget_brightest()

    def _forget_brightest(self) -> None:
        if self._brightest is not None:
            self._brightest.parent = None
            self._brightest = None

    def close(self) -> None:
        """Take the visuals out of the scene and give their textures back."""
        self._take_out()
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
