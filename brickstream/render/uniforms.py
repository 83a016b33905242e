"""Uniforms of a shader program, told only what it does not know: each costs vispy more than a brick's bookkeeping."""

from __future__ import annotations

from typing import Any

import numpy as np


class Uniforms:
    """Sets uniforms and textures of a program of vispy. Render thread.

    Parameters
    ----------
    program : vispy Program or MultiProgram
    """

    def __init__(self, program: Any) -> None:
        self._program = program
        self._told: dict[str, object] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        """Set a number, numbers, or a texture (which is the same only if it is the same object)."""
        is_number = isinstance(value, (int, float, tuple, list, np.ndarray, np.generic))
        known = np.asarray(value, dtype=np.float64).tobytes() if is_number else value
        if name not in self._told or self._told[name] != known:
            self._program[name] = value
            self._told[name] = known
