"""The async slicer: view to plan to updates. Never imports a renderer; it calls a sink."""

from brickstream.engine.ahead import Ahead
from brickstream.engine.engine import Engine
from brickstream.engine.live import Live, LiveEvents
from brickstream.engine.playback import Playback
from brickstream.engine.reads import Profile, Reads
from brickstream.engine.running import Stats
from brickstream.engine.runtime import ThreadedEngine
from brickstream.engine.sink import ChunkId, ForgetfulSink, Sink
from brickstream.engine.telemetry import Telemetry
from brickstream.engine.update import Failure, Outcome, Update
from brickstream.engine.viewport import ThreadedViewport, Viewport

__all__ = [
    "Ahead",
    "ChunkId",
    "Engine",
    "Failure",
    "ForgetfulSink",
    "Live",
    "LiveEvents",
    "Outcome",
    "Playback",
    "Profile",
    "Reads",
    "Sink",
    "Stats",
    "Telemetry",
    "ThreadedEngine",
    "ThreadedViewport",
    "Update",
    "Viewport",
]
