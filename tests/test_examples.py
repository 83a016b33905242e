"""Every example runs, on a small image, says what it should, and makes its picture."""

import runpy
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brickstream.samples import write_sample
from brickstream.testing import ChunkSourceConformance, SinkConformance

EXAMPLES = Path(__file__).parent.parent / "examples"
# Whether it wants an image, and what its last line begins with.
KNOWN = {
    "channels.py": (True, "0 of 1 channels"),
    "dask_array.py": (False, "computed "),
    "figure.py": (True, "a figure of 480 x 360 pixels, and a film of 8 frames"),
    "in_vispy.py": (True, ""),
    "oblique_cut.py": (True, "the cut shows "),
    "open_and_look.py": (True, "80 x 90 pixels of level 0"),
    "plain_vispy.py": (True, "("),
    "planes_and_volume.py": (True, ""),
    "plotly_volume.py": (False, "17 surfaces of 30 x 30 x 30 values"),
    "thick_slice.py": (True, "value in the middle: "),
    "time_lapse.py": (True, "100%: "),
    "your_own_loop.py": (True, "complete: "),
    "your_own_sink.py": (True, "100% of "),
    "your_own_source.py": (False, "512 x 512 pixels of (65536, 65536)"),
}
# They need a display and run in tests/hosts.
ON_SCREEN = {"napari_viewer.py"}


OWN = {
    name: runpy.run_path(str(EXAMPLES / name)) for name in ("your_own_sink.py", "plain_vispy.py", "your_own_source.py")
}


class TestCanvasOfYourOwnSink(SinkConformance):
    def make_sink(self) -> Any:
        return OWN["your_own_sink.py"]["Canvas"]()


class TestDenseOfPlainVispy(SinkConformance):
    volumes = True

    def make_sink(self) -> Any:
        return OWN["plain_vispy.py"]["Dense"]()


class TestWavesOfYourOwnSource(ChunkSourceConformance):
    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[Any]:
        yield OWN["your_own_source.py"]["Waves"](128)

    def expected(self) -> Any:
        waves = OWN["your_own_source.py"]["Waves"](128)
        return np.block([[waves.pixels((row, column)) for column in range(2)] for row in range(2)])


def test_every_example_is_known_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(KNOWN) | ON_SCREEN


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_an_example_runs_and_makes_its_picture(name: str, tmp_path: Path) -> None:
    wants_image, last_line = KNOWN[name]
    words = [sys.executable, str(EXAMPLES / name)]
    if wants_image:
        words.append(str(write_sample("synthetic", tmp_path / "image", shape=(70, 80, 90))))
    out = tmp_path / "out.png"
    ran = subprocess.run([*words, str(out)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[-1].startswith(last_line)
    assert any("100%" in line for line in lines)
    picture = np.asarray(Image.open(out))[..., :3]
    assert min(picture.shape[:2]) >= 70
    assert picture.std() > 10, "it is not blank"
