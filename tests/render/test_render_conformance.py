"""The sink of the bricked renderer is a sink as any other."""

from types import SimpleNamespace

import pytest

from brickstream.render.layout import TextureLimits
from brickstream.render.sink import BrickSink
from brickstream.testing import SinkConformance


class TestBrickSink(SinkConformance):
    volumes = True

    @pytest.fixture(autouse=True)
    def _kit(self, kit: SimpleNamespace) -> None:
        self.kit = kit

    def make_sink(self) -> BrickSink:
        return BrickSink(self.kit.MemoryDevice(), 1 << 22, lambda: TextureLimits(2048, 2048))
