"""What a scene of ours shows, for overlays."""

from __future__ import annotations

from brickstream.multiscale import Pyramid, View
from brickstream.render.colors import channel_shown
from brickstream.render.overlays.drawing import Shown
from brickstream.render.scene import BrickScene


def shown_by(scene: BrickScene) -> Shown | None:
    """What a scene shows; None before there is anything. Render thread only."""
    plan, view = scene.sink.plan, scene.view
    if plan is None or view is None or view.displayed != plan.view.displayed:
        return None
    name = _name(plan.image, plan.view)
    look = scene.look
    limits = look.limits(scene.clim)
    return Shown.of(plan.image, view, clim=limits, colormap=look.colormap, gamma=look.gamma, name=name)


def _name(pyramid: Pyramid, view: View) -> str:
    """Label of the channel that is shown, where there are any."""
    number = channel_shown(pyramid, view)
    return pyramid.channels[number].label if 0 <= number < len(pyramid.channels) else ""
