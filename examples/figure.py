"""A figure with scale bar, axes and colour bar, and a short film that turns and comes nearer; both without a display.

Run: python examples/figure.py URL [OUT.png]
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import brickstream as bs
from brickstream.render.look import Look
from brickstream.render.overlays import Axes, ColorBar, ScaleBar, Text
from brickstream.viewers.animation import Keyframe, film
from brickstream.viewers.files import write_png
from brickstream.viewers.films import write_film
from brickstream.viewers.painter import Painter

OVERLAYS = (ScaleBar(), Axes(), ColorBar(), Text("maximum along each ray"))
CAMERA = bs.Camera(azimuth=30, elevation=25, fov=40)


def make_figure(url: str) -> np.ndarray:
    """One call: it returns when the picture is complete."""
    return bs.render_offscreen(url, size=(480, 360), camera=CAMERA, colormap="magma", overlays=OVERLAYS)


def make_film(url: str, out: Path) -> int:
    """Two keyframes; what lies between is computed. Each frame waits until it is complete."""
    with Painter((160, 120), Look(colormap="magma"), overlays=(Axes(),), ndisplay=3) as painter:
        image = painter.open(url)
        first = bs.View.volume(image, canvas=(160, 120), camera=CAMERA)
        nearer = replace(first, zoom=1.6 * first.zoom, camera=bs.Camera(azimuth=120, elevation=40, fov=40))
        return write_film(out, film(painter, image, [Keyframe(0.0, first), Keyframe(0.7, nearer)], fps=10), fps=10)


def main(url: str, out: str = "figure.png") -> None:
    picture = make_figure(url)
    write_png(out, picture)
    print(f"{out}: complete, 100%")
    count = make_film(url, Path(out).with_suffix(".gif"))
    print(f"a figure of {picture.shape[1]} x {picture.shape[0]} pixels, and a film of {count} frames")


if __name__ == "__main__":
    main(*sys.argv[1:])
