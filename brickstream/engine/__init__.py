"""The async slicer: view to plan to updates. Never imports a renderer; it calls a sink."""

from brickstream.engine.ahead import Ahead
from brickstream.engine.engine import Engine, Stats
from brickstream.engine.runtime import ThreadedEngine
from brickstream.engine.sink import ChunkId, Sink
from brickstream.engine.update import Failure, Outcome, Update

__all__ = ["Ahead", "ChunkId", "Engine", "Failure", "Outcome", "Sink", "Stats", "ThreadedEngine", "Update"]
