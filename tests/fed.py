"""Pictures of arrays that are fed to a canvas without an engine: whole, in part, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale import Plan, Pyramid, View
from brickstream.render import OffscreenView
from brickstream.render.look import Look

CANVAS = (96, 72)
Picture = NDArray[np.float64]


class Fed:
    """A canvas, and pyramids of arrays to show on it one after the other.

    Parameters
    ----------
    kit
        The fixture of that name.
    look : Look
        Set another one at any time.
    """

    def __init__(self, kit: Any, look: Look, canvas: tuple[int, int] = CANVAS) -> None:
        self.kit = kit
        self.screen = OffscreenView(canvas, max_gpu_bytes=1 << 26, look=look)
        self.screen.open()
        self.generation = 0

    def __enter__(self) -> Fed:
        return self

    def __exit__(self, *_: object) -> None:
        self.screen.close()

    def begin(self, pyramid: Pyramid, view: View) -> tuple[Plan, set[Any]]:
        """Begin a view; returns its plan, and what of it is held."""
        self.generation += 1
        self.screen.show(view)
        plan = self.kit.plan_for(self.screen.sink, pyramid, view)
        return plan, set(self.screen.sink.begin(self.generation, plan))

    def arrive(self, plan: Plan, arrays: list[NDArray[Any]], held: set[Any], **how: Any) -> Iterator[None]:
        """Put one chunk after the other; the plan is complete at the end."""
        for update in self.kit.updates(plan, lambda k, at: arrays[k][at], self.generation, held, **how):
            self.screen.sink.put(update)
            yield
        self.screen.sink.complete(self.generation)

    def picture(self) -> Picture:
        """What is on screen, ndarray of shape (height, width, 3), float64."""
        picture: Picture = self.screen.draw()[..., :3].astype(np.float64)
        return picture

    def draw(self, pyramid: Pyramid, arrays: list[NDArray[Any]], view: View, share: float = 1.0, **how: Any) -> Picture:
        """Draw a view anew once a share of its chunks has come; in the plan's order, or shuffled by `rng`."""
        self.screen.sink.lose()
        plan, held = self.begin(pyramid, view)
        count = sum(len(part.chunks) for part in plan.levels)
        steps = self.arrive(plan, arrays, held, **how)
        for _ in steps if share >= 1 else islice(steps, int(share * count)):
            pass
        return self.picture()

    def coarsest(self, pyramid: Pyramid, arrays: list[NDArray[Any]], view: View) -> Picture:
        """Draw a view of whose plan the coarsest level alone is there."""
        self.screen.sink.lose()
        plan, held = self.begin(pyramid, view)
        assert len(plan.levels) > 1
        for _ in self.arrive(replace(plan, levels=plan.levels[:1]), arrays, held):
            pass
        return self.picture()

    @property
    def levels(self) -> list[int]:
        """Levels on screen."""
        return self.screen.sink.shown_levels()


def pyramid_of(kit: Any, array: NDArray[Any], factors: list[tuple[int, int, int]], chunk: int = 16) -> Any:
    """A pyramid of means over blocks in float32, and its arrays."""
    arrays = [array.astype(np.float32)]
    for factor in factors:
        arrays.append(kit.shrink(arrays[-1], factor))
    return kit.make_pyramid(arrays, (chunk,) * 3), arrays
