"""What plotly's documentation shows of go.Volume, on this engine: semi-transparent surfaces of a field on a mesh grid.

Run: python examples/plotly_volume.py [OUT.png]
"""

import sys

import numpy as np

import brickstream as bs
from brickstream.chunks import ChunkedImage, grid_image
from brickstream.multiscale import View
from brickstream.render.look import Look
from brickstream.render.surfaces import Cap, Surfaces
from brickstream.viewers.files import write_png

LOOK = Look(
    method="surfaces",
    clim=(-0.1, 0.8),  # cmin, cmax
    colormap="plasma",  # colorscale
    surfaces=Surfaces(
        isomin=-0.1,
        isomax=0.8,
        opacity=0.1,
        count=17,  # surface_count
        caps=(Cap(), Cap(), Cap()),  # z, y, x
    ),
)


def field() -> ChunkedImage:
    """The flat arrays that go.Volume takes."""
    x, y, z = np.mgrid[-1:1:30j, -1:1:30j, -1:1:30j]
    value = np.sin(np.pi * x) * np.cos(np.pi * z) * np.sin(np.pi * y)
    return grid_image(x.flatten(), y.flatten(), z.flatten(), value.flatten().astype(np.float32))


def main(out: str = "plotly_volume.png") -> None:
    image = field()
    view = View.volume(image, canvas=(480, 360), camera=bs.Camera(azimuth=120, elevation=25, fov=35))
    picture = bs.render_offscreen(image, view, look=LOOK)
    write_png(out, picture)
    print(f"{out}: complete, 100%")
    print(f"{LOOK.surfaces.count} surfaces of {' x '.join(map(str, image.pyramid.levels[0].shape))} values")


if __name__ == "__main__":
    main(*sys.argv[1:])
