"""Reference pictures: small views of made-up data, drawn by us; docs/pictures has them as files.

A row of `PICTURES` is a name and how it is drawn. ``make pictures`` writes the files, pages in docs/ show them, and
tests/render/test_reference_pictures.py draws them again and compares.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy.color import Colormap

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine
from brickstream.multiscale import Camera, View
from brickstream.render import OffscreenView
from brickstream.render.look import HalfSpace, Look, Slab
from brickstream.render.overlays import Axes, ColorBar, Overlay, ScaleBar, Text
from brickstream.render.surfaces import Cap, Sheet, Surfaces
from brickstream.render.transfer import TransferFunction
from brickstream.testing import memory_image

Picture = NDArray[np.uint8]

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
CANVAS = (240, 180)
CAMERA = Camera(35, 25, fov=40)
GLASS = Colormap([(0, 0, 0, 0), (0.1, 0.4, 1, 0.02), (1, 0.5, 0.1, 0.1), (1, 1, 1, 0.4)])
MIDDLE = (11.75, 11.75, 11.75)
NONE = Cap(show=False)
CORE = (11.0, 9.0, 15.0)  # the middle of the largest ball
SLICES = (Sheet.across(2, 15.0), Sheet(CORE, (1.0, -0.6, 0.3)))
# Two thin shells and a core.
SHELLS = TransferFunction(
    ((0, "black"), (0.3, "#2060ff"), (0.6, "orange"), (1, "white")),
    ((0, 0), (0.25, 0), (0.3, 0.06), (0.35, 0), (0.55, 0), (0.6, 0.15), (0.65, 0), (0.8, 0), (1, 0.9)),
)
# Rasterisers round differently: so far may two drawings of one picture be apart.
MEAN_OFF = 0.5
FAR_OFF, SHARE_OFF = 8, 0.01


@dataclass(frozen=True)
class Reference:
    """How a reference picture is made.

    Attributes
    ----------
    view : callable
        Makes the view of the image, on a canvas of `CANVAS`.
    overlays : tuple of Overlay
        What is drawn over it.
    look : dict
        Fields of :class:`~brickstream.render.look.Look` that differ from `PLAIN`.
    image : callable, optional
        Makes another image than :func:`cells`.
    """

    view: Callable[[ChunkedImage], View]
    look: dict[str, Any]
    overlays: tuple[Overlay, ...] = ()
    image: Callable[[], ChunkedImage] | None = None


PLAIN: dict[str, Any] = {"clim": (20, 235)}


def volume(*overlays: Overlay, **look: Any) -> Reference:
    """A volume in perspective, from the same place each time."""
    return Reference(lambda image: View.volume(image, canvas=CANVAS, camera=CAMERA, zoom=4.2), look, overlays)


def surfaces(what: Surfaces) -> Reference:
    """A volume as surfaces, caps and slices."""
    return volume(method="surfaces", colormap="viridis", surfaces=what)


def plane(*overlays: Overlay, **look: Any) -> Reference:
    """A part of a plane, magnified."""
    return Reference(lambda image: View.plane(image, canvas=CANVAS, zoom=14.0), look, overlays)


def plotly() -> Reference:
    """What examples/plotly_volume.py draws."""
    example = runpy.run_path(str(FOLDER.parent.parent / "examples" / "plotly_volume.py"))
    camera = Camera(120, 25, fov=35)
    return Reference(
        lambda image: View.volume(image, canvas=CANVAS, camera=camera), vars(example["LOOK"]), image=example["field"]
    )


PICTURES: dict[str, Reference] = {
    "mip": volume(),
    "minip": volume(method="minip", clim=(0, 60)),
    "translucent": volume(method="translucent", clim=(30, 235), colormap=GLASS),
    "additive": volume(method="additive", clim=(0, 4000)),
    "average": volume(method="average", clim=(0, 120)),
    "attenuated-mip": volume(method="attenuated_mip", attenuation=0.3),
    "iso": volume(method="iso", threshold=90.0),
    "surfaces": surfaces(Surfaces(60.0, 210.0, count=4, opacity=0.35)),
    "surfaces-caps-slices": surfaces(Surfaces(0.0, 255.0, count=0, caps=(Cap(fill=0.4), NONE, NONE), slices=SLICES)),
    "surfaces-pattern": surfaces(Surfaces(100.0, 100.0, count=1, fill=0.7, pattern="even", caps=(NONE,) * 3)),
    "plotly-volume": plotly(),
    "transfer-function": volume(method="translucent", clim=(0, 255), colormap=SHELLS),
    "jitter": volume(method="translucent", clim=(0, 255), colormap=SHELLS, step=3.0, jitter=True),
    "slab": volume(slab=Slab(MIDDLE, (0.4, 1.0, -0.6), 5.0)),
    "clip": volume(method="translucent", clim=(0, 255), colormap=SHELLS, clip=(HalfSpace(CORE, (-0.3, 1.0, -0.3)),)),
    "plane-nearest": plane(interpolation="nearest"),
    "plane-linear": plane(interpolation="linear"),
    "plane-cubic": plane(interpolation="cubic"),
    "scale-bar": plane(ScaleBar()),
    "axes": volume(Axes()),
    "color-bar": plane(ColorBar(name="cells"), colormap="magma"),
    "text": plane(Text("three cells\nat z = 12 µm"), colormap="viridis"),
    "overlays": volume(ScaleBar(), Axes(), ColorBar(), Text("three cells"), colormap="hot"),
}


def cells() -> ChunkedImage:
    """Three soft balls in faint noise: 48 voxels a side in z, y and x of half a micrometre, in two levels."""
    rng = np.random.default_rng(5)
    grid = np.meshgrid(*[np.arange(48.0)] * 3, indexing="ij")
    data = rng.normal(20, 4, (48, 48, 48))
    for height, radius, *middle in ((200, 11, 22, 18, 30), (150, 7, 26, 34, 16), (230, 5, 14, 34, 36)):
        square = sum((axis - place) ** 2 for axis, place in zip(grid, middle, strict=True))
        data += height * np.exp(-((square / radius**2) ** 2))
    made = memory_image(data.clip(0, 255).astype(np.uint8), (16, 16, 16), levels=2, scale=(0.5, 0.5, 0.5), name="cells")
    axes = tuple(replace(axis, unit="micrometer") for axis in made.pyramid.axes)
    return replace(made, pyramid=replace(made.pyramid, axes=axes))


def draw(names: Collection[str]) -> Iterator[tuple[str, Picture]]:
    """Draw some of the pictures, all on one canvas: their names, and ndarrays of shape (180, 240, 4), uint8."""
    cell_image = cells()
    with OffscreenView(CANVAS) as offscreen, Engine.in_thread(sink=offscreen.sink) as engine:
        for name in names:
            reference = PICTURES[name]
            offscreen.scene.look = Look(**(PLAIN | reference.look))
            shown = cell_image if reference.image is None else reference.image()
            view = reference.view(shown)
            offscreen.overlays = reference.overlays
            offscreen.show(view)
            engine.show(shown, view)
            engine.complete(timeout=30)
            yield name, offscreen.draw()


def differences(one: Picture, other: Picture) -> str:
    """Say how two drawings of one picture differ; "" where that is nothing but rounding."""
    if one.shape != other.shape:
        return f"shapes {one.shape} and {other.shape}"
    apart = np.abs(one.astype(int) - other)[..., :3].max(axis=-1)
    mean, share = float(apart.mean()), float((apart > FAR_OFF).mean())
    if mean <= MEAN_OFF and share <= SHARE_OFF:
        return ""
    return (
        f"mean difference {mean:.2f} (at most {MEAN_OFF}), {share:.2%} of the pixels differ (at most {SHARE_OFF:.0%})"
    )
