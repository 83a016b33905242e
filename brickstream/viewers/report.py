"""What limits a picture, and what drawing it has cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from brickstream.engine import Outcome, Stats, Update


@dataclass(frozen=True)
class Limits:
    """Budgets of a picture.

    Attributes
    ----------
    max_ram_bytes, max_gpu_bytes, max_inflight : int
    max_texture : int or None
        Pretend that the GL limit of a texture's side is this.
    timeout : float or None
        Seconds from the start of the opening.
    prefetch : bool
        Whether chunks are fetched ahead while the finished picture is drawn and written.
    max_canvas : int or None
        Larger pictures are drawn in tiles; None takes what OpenGL can, up to 4096 pixels a side.
    """

    max_ram_bytes: int = 2 << 30
    max_gpu_bytes: int = 512 << 20
    max_inflight: int = 64
    max_texture: int | None = None
    timeout: float | None = None
    prefetch: bool = False
    max_canvas: int | None = None


@dataclass
class Report:
    """What a snapshot did: the keys of ``snapshot --json``. Times are seconds from the start of the opening.

    ``first_pixels_s`` and ``complete_s`` are taken when the frame that shows them has been drawn. Of a picture in
    tiles, chunks are counted for each tile that they are in.
    """

    level: int | None = None
    levels_shown: list[int] = field(default_factory=list)
    corner_pixels: list[list[int]] = field(default_factory=list)
    chunks_wanted: int = 0
    chunks_read: int = 0
    chunks_missing: int = 0
    chunks_failed: int = 0
    bytes_read: int = 0
    requests: int = 0
    first_pixels_s: float | None = None
    complete_s: float | None = None
    complete: bool = False
    partial: bool = False
    gpu_bytes: int = 0
    ram_peak_bytes: int = 0
    inflight_max: int = 0
    queue_max: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    open_s: float | None = None
    first_level: int | None = None
    frames_drawn: int = 0
    tiles: int = 0

    @property
    def chunks_settled(self) -> int:
        """Chunks that are read, missing or failed."""
        return self.chunks_read + self.chunks_missing + self.chunks_failed

    def count_chunk(self, update: Update) -> None:
        """Count what has become of one chunk."""
        self.chunks_read += update.outcome is Outcome.LOADED
        self.chunks_missing += update.outcome is Outcome.MISSING
        self.chunks_failed += update.outcome is Outcome.FAILED
        if update.failure is not None:
            self.failures.append(asdict(update.failure))

    def count_cost(self, stats: Stats, gpu_bytes: int) -> None:
        """Take what an engine has spent since it was made, and the bytes of the textures."""
        self.bytes_read, self.requests = stats.bytes_read, stats.requests
        self.ram_peak_bytes, self.gpu_bytes = stats.ram_peak_bytes, gpu_bytes
        self.inflight_max, self.queue_max = stats.inflight_max, stats.queue_max

    def as_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return asdict(self)
