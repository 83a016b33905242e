"""How a picture looks: method, contrast, colours, what of a volume is left out. Frozen values; needs no GPU."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any, Self

from brickstream.errors import ViewError
from brickstream.multiscale import Pyramid
from brickstream.render.ids import Labels
from brickstream.render.places import HalfSpace, Slab
from brickstream.render.surfaces import Surfaces

METHODS = ("mip", "minip", "attenuated_mip", "translucent", "additive", "average", "iso", "surfaces")
INTERPOLATIONS = ("linear", "nearest", "cubic")
MARKS = (None, "states", "levels")
BLENDINGS = ("translucent", "translucent_no_depth", "additive", "minimum", "opaque")
MOST_PLANES = 8


@dataclass(frozen=True)
class Look:
    """Settings of a picture. All values are data values.

    Attributes
    ----------
    method : str
        Ray-casting method, one of :data:`METHODS`; for volumes.
    clim : tuple of (float, float) or None
        Contrast limits; None takes those of the metadata, or of what has streamed so far.
    midpoint : float or None
        Value that has the middle colour: the limits are widened to be as far from it on both sides.
    gamma : float
        The colour is that of the place between the limits to this power.
    colormap : str, colormap of vispy, or TransferFunction
    interpolation : {"nearest", "linear", "cubic"} or None
        None is nearest for planes and linear for volumes. Labels are always drawn nearest.
    step : float
        From one sample of a ray to the next, in pixels of the target level.
    threshold : float or None
        Value of the surface that "iso" shows; None is the middle of the contrast limits.
    attenuation : float
        How fast "attenuated_mip" is dimmed.
    cutoff : float or None
        Values that "mip" and "attenuated_mip" pass over, this one and all below; for "minip" this one and all above.
    surfaces : Surfaces
        What "surfaces" draws.
    slab : Slab or None
        Cast rays across this plane only.
    clip : tuple of HalfSpace
        Show what lies in all of them, at most eight.
    opacity_level : int or None
        Level whose pixels opacity and attenuation are meant for, so that coarser levels are as dense; None is the
        target of each view.
    jitter : bool
        Move the samples of each ray by a part of a step: noise instead of rings where steps are long.
    opacity : float
        From 0 to 1; without effect on "minimum" and "opaque".
    blending : {"translucent", "translucent_no_depth", "additive", "minimum", "opaque"}
        How it goes together with what is drawn before it. Only volumes, "translucent" or "opaque", look at the depth.
    labels : Labels or None
        Show pixels as numbers of things: each in a colour of its own, in a volume the first one on every ray. Method,
        interpolation, colormap and contrast limits are then without effect.
    marks : {"states", "levels"} or None
        Hatch places that wait for finer data (yellow), are missing and show the fill value (blue), or have failed
        (red); or tint each place by the level that it is drawn from, with the borders of the bricks.

    Raises
    ------
    ViewError
        If a value is none that can be drawn.
    """

    method: str = "mip"
    clim: tuple[float, float] | None = None
    midpoint: float | None = None
    gamma: float = 1.0
    colormap: Any = "grays"
    interpolation: str | None = None
    step: float = 0.8
    threshold: float | None = None
    attenuation: float = 1.0
    cutoff: float | None = None
    surfaces: Surfaces = field(default_factory=Surfaces)
    slab: Slab | None = None
    clip: tuple[HalfSpace, ...] = ()
    opacity_level: int | None = 0
    jitter: bool = False
    opacity: float = 1.0
    blending: str = "translucent"
    labels: Labels | None = None
    marks: str | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ViewError(f"no method {self.method!r}", "", f"the methods are {', '.join(METHODS)}")
        if self.interpolation is not None and self.interpolation not in INTERPOLATIONS:
            raise ViewError(f"no interpolation {self.interpolation!r}", "", f"it is {' or '.join(INTERPOLATIONS)}")
        if self.blending not in BLENDINGS:
            raise ViewError(f"no blending {self.blending!r}", "", f"it is {', '.join(BLENDINGS)}")
        if self.marks not in MARKS:
            raise ViewError(f"no marks {self.marks!r}", "", 'they are "states" or "levels"')
        if not 0 <= self.opacity <= 1:
            raise ViewError("the opacity is from 0 to 1", f"opacity={self.opacity!r}")
        if self.clim is not None:
            object.__setattr__(self, "clim", check_clim(self.clim))
        for name in ("gamma", "step"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise ViewError(f"{name} must be above 0", f"{name}={value!r}")
        if not self.step >= 0.01:
            raise ViewError("steps are a hundredth of a pixel or longer", f"step={self.step!r}")
        object.__setattr__(self, "clip", tuple(self.clip))
        if len(self.clip) > MOST_PLANES:
            raise ViewError(f"at most {MOST_PLANES} clipping planes", f"{len(self.clip)} given")

    def limits(self, clim: tuple[float, float]) -> tuple[float, float]:
        """Contrast limits as they are drawn: around the midpoint, if there is one."""
        if self.midpoint is None:
            return clim
        reach = max(abs(value - self.midpoint) for value in clim)
        low, high = self.midpoint - reach, self.midpoint + reach
        return (low, high) if clim[0] <= clim[1] else (high, low)

    @property
    def reach(self) -> int:
        """Pixels that the interpolation reads beyond the one that a place lies in."""
        return 2 if self.interpolation == "cubic" and self.labels is None else 1

    @classmethod
    def of(cls, look: Self | None, options: dict[str, Any]) -> Self:
        """Give a look, or make one of options.

        Raises
        ------
        ViewError
            If both are given, or an option is none.
        """
        if look is not None and options:
            raise ViewError("a look or single options, not both", f"look and {', '.join(options)}")
        names = [known.name for known in fields(cls)]
        for name in options:
            if name not in names:
                raise ViewError(f"no option {name!r}", "", f"the options are {', '.join(names)}")
        return cls(**options) if look is None else look


def check_clim(clim: tuple[float, float]) -> tuple[float, float]:
    """Give contrast limits as two finite numbers.

    Raises
    ------
    ViewError
        If they are not two finite numbers.
    """
    try:
        low, high = (float(v) for v in clim)
    except (TypeError, ValueError) as error:
        raise ViewError("contrast limits are two numbers", f"clim={clim!r}") from error
    if not (isfinite(low) and isfinite(high)):
        raise ViewError("contrast limits must be finite", f"clim=({low}, {high})")
    return low, high


def labelled(look: Look, pyramid: Pyramid) -> Look:
    """Give the look of an image: that of labels, with the colours of its metadata, where its pixels are such."""
    if not pyramid.is_labels or look.labels is not None or pyramid.dtype.kind not in "biu":
        return look
    return replace(look, labels=Labels(colors=pyramid.label_colors))
