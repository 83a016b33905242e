"""How a picture looks: method, contrast, colours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """Settings of a picture.

    Attributes
    ----------
    method : str
        Ray-casting method, for volumes.
    clim : tuple of (float, float) or None
        Contrast limits in data values; None takes those of the metadata, or of what has streamed so far.
    colormap : str
    interpolation : str or None
        ``"nearest"`` or ``"linear"``; None is nearest for planes and linear for volumes.
    """

    method: str = "mip"
    clim: tuple[float, float] | None = None
    colormap: str = "grays"
    interpolation: str | None = None
