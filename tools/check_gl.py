"""Say in one line, with exit code 2, what is missing for drawing without a display. Needs only the standard library."""

import ctypes
import os
import sys

PACKAGES = "apt-get install libegl1 libgl1 libgl1-mesa-dri"


def missing() -> str:
    """Return what is missing, or an empty text."""
    for name in ("libEGL.so.1", "libGL.so.1"):
        try:
            ctypes.CDLL(name)
        except OSError:
            return f"{name} is missing"
    egl = ctypes.CDLL("libEGL.so.1")
    egl.eglGetDisplay.restype = ctypes.c_void_p
    egl.eglGetDisplay.argtypes = [ctypes.c_void_p]
    egl.eglInitialize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    display = egl.eglGetDisplay(None)
    # The libraries can be there without a driver behind them: only opening a display tells.
    if not display or not egl.eglInitialize(display, None, None):
        return "EGL finds no driver"
    return ""


def main() -> int:
    """Check, print and return the exit code."""
    os.environ.setdefault("EGL_PLATFORM", "surfaceless")
    os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
    problem = missing()
    if problem:
        print(f"brickstream draws with OpenGL, but {problem}: {PACKAGES}")
    return 2 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
