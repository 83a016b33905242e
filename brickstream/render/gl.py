"""The OpenGL that we draw with: which backend, and what it can do."""

from __future__ import annotations

import os
import sys
from functools import cache

import numpy as np

from brickstream.errors import GraphicsError
from brickstream.render.layout import TextureLimits

PACKAGES = "install Mesa's GL libraries; Debian: libegl1 libgl1 libgl1-mesa-dri"
# Textures of an atlas at most, and units of a shader that are left for page table, colours and who else draws.
MOST_ATLASES, OTHER_UNITS = 8, 4
# Names that vispy does not have.
MAX_3D_TEXTURE_SIZE, MAX_VIEWPORT_DIMS, MAX_RENDERBUFFER_SIZE = 0x8073, 0x0D3A, 0x84E8


def use_headless() -> None:
    """Draw without a display, through EGL. Call it before anything else loads OpenGL; calling it again does nothing.

    Raises
    ------
    GraphicsError
        If EGL or GL cannot be loaded, or OpenGL was loaded for a display already in this process.
    """
    platform = os.environ.get("PYOPENGL_PLATFORM")
    if "OpenGL.platform" in sys.modules and platform != "egl":
        raise GraphicsError(
            "OpenGL was loaded for a display already", "this process", "draw offscreen in a process of its own"
        )
    os.environ["PYOPENGL_PLATFORM"] = "egl"
    os.environ["EGL_PLATFORM"] = "surfaceless"
    import vispy

    try:
        vispy.use(app="egl", gl="gl+")
    except (RuntimeError, OSError, ImportError, AttributeError) as error:
        raise no_opengl(error) from error


def no_opengl(error: Exception) -> GraphicsError:
    """Say in one line that OpenGL does not work, why, and which packages to install; such an error stays as it is."""
    if isinstance(error, GraphicsError):
        return error
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return GraphicsError("no usable OpenGL", reason, PACKAGES)


@cache
def texture_limits() -> TextureLimits:
    """What textures can be in the context that is current: its sizes in texels, and how many make an atlas.

    Raises
    ------
    GraphicsError
        If no context is current.
    """
    from vispy.gloo import gl

    names = (gl.GL_MAX_TEXTURE_SIZE, MAX_3D_TEXTURE_SIZE, gl.GL_MAX_TEXTURE_IMAGE_UNITS)
    flat, deep, units = (int(gl.glGetParameter(name)) for name in names)
    if min(flat, deep) < 64:
        raise GraphicsError("the OpenGL context has no usable 3D textures", f"limits {flat, deep}", PACKAGES)
    return TextureLimits(flat, deep, max(1, min(MOST_ATLASES, units - OTHER_UNITS)))


def picture_limit() -> int:
    """Largest side, in pixels, of a picture that the current context can draw at once.

    Raises
    ------
    GraphicsError
        If no context is current.
    """
    from vispy.gloo import gl

    numbers = (gl.glGetParameter(name) for name in (MAX_VIEWPORT_DIMS, MAX_RENDERBUFFER_SIZE, gl.GL_MAX_TEXTURE_SIZE))
    limit = min(int(side) for number in numbers for side in np.ravel(number))
    if limit < 64:
        raise GraphicsError("the OpenGL context draws no pictures", f"limit {limit}", PACKAGES)
    return limit
