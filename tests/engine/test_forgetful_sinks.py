"""A sink that has lost what it held gets its view anew, from memory."""

from __future__ import annotations

import numpy as np

from brickstream.engine import ChunkId, Engine, ForgetfulSink
from brickstream.multiscale import Plan, View
from brickstream.testing import RecordingSink, memory_image


class Forgetful(RecordingSink):
    """Holds nothing from one view to the next."""

    wants_anew = False

    def begin(self, generation: int, plan: Plan) -> list[ChunkId]:
        self.wants_anew = False
        super().begin(generation, plan)
        return []


def test_a_sink_that_wants_its_view_anew_gets_it_at_the_next_poll() -> None:
    image = memory_image(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64), (16, 16), levels=2)
    sink = Forgetful()
    assert isinstance(sink, ForgetfulSink)
    assert not isinstance(RecordingSink(), ForgetfulSink)
    with Engine.in_thread(sink=sink) as engine:
        engine.poll()  # nothing is shown yet
        engine.show(image, View.plane(image, canvas=(64, 64), zoom=1.0))
        engine.complete(10)
        first, read = len(sink.updates), engine.stats().bytes_read
        sink.wants_anew = True
        engine.poll()
        assert not sink.wants_anew
        engine.complete(10)
        assert (len(sink.begun), len(sink.updates)) == (2, 2 * first)
        assert engine.stats().bytes_read == read
        engine.poll()
        assert len(sink.begun) == 2
        # Nobody looks: there is no view to begin anew.
        engine.main.cancel()
        sink.wants_anew = True
        engine.poll()
        assert len(sink.begun) == 2
