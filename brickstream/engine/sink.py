"""What the engine asks of whoever shows its updates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from brickstream.engine.update import Update
from brickstream.multiscale import Budget, Plan, Pyramid, View
from brickstream.multiscale.affine import IntArray

ChunkId = tuple[int, tuple[int, ...]]
"""Level and chunk index."""


class Sink(Protocol):
    """A renderer, as the engine sees it. All methods run on the render thread: the one that calls `show` and `poll`."""

    def budget(self, pyramid: Pyramid, view: View) -> Budget:
        """Say what a plan for this view must fit into, before anything is fetched.

        Bricks have the axes of the picture, ``localize(pyramid, view).axes``. The pyramid is that whose pixels the
        picture has: the image's, or the plane grid of an oblique cut.
        """

    def begin(self, generation: int, plan: Plan) -> Collection[ChunkId]:
        """Start a generation; return the planned chunks that are shown already and need not be delivered again.

        What is on screen stays until something at least as good for the new plan replaces it.
        """

    def put(self, update: Update) -> None:
        """Take one chunk of the newest generation."""

    def drop(self, pyramid: Pyramid, regions: Mapping[int, IntArray]) -> None:
        """Hear that a part of an image may have been written anew: chunks in it are not held any more.

        What they show stays on screen until something newer replaces it. A view that is shown begins anew after this.

        Parameters
        ----------
        pyramid : Pyramid
            Of plans: the image's, or the plane grid of an oblique cut. A sink that shows another need not do anything.
        regions : mapping of int to ndarray of shape (2, ndim), int64
            By level start and stop, half-open, in pixels of the level.
        """

    def complete(self, generation: int) -> None:
        """Hear that every chunk of the generation was put, is held, or failed."""


@runtime_checkable
class ForgetfulSink(Sink, Protocol):
    """A sink that can lose what it holds, as a GPU does when its context goes; others need not know of this.

    Attributes
    ----------
    wants_anew : bool
        Whether the view that is shown has to begin anew. It does at the next poll, and `begin` sets this to False; what
        is in memory is then put again, and nothing is read for it.
    """

    wants_anew: bool
