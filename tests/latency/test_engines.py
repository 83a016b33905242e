"""Other engines play a session to its end, each in a process of its own, as the lab runs them."""

from pathlib import Path

import pytest

from brickstream.latency.engines import ENGINES
from brickstream.latency.lab import Case, Options, Suite, measure
from brickstream.latency.workloads import DATA
from brickstream.latency.workloads.data import Data

pytestmark = pytest.mark.lab

SMALL = Data("small", "microscope", "zyx", (64, 128, 128), (32, 64, 64), "uint16", 2)
NAMES = tuple(name for name in ENGINES if name not in ("brickstream", "tensorstore", "neuroglancer"))


@pytest.mark.timeout(120)
def test_every_engine_shows_every_pixel_of_the_last_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA, "small", SMALL)
    suite = Suite("small", (Case("pan", "small", "lan"),), runs=1, timeout=20.0)
    result = measure("small", suite, Options(engines=NAMES, folder=tmp_path))
    for cell in result["cells"]:
        assert (cell["state"], cell["why"]) == ("measured", "")
        assert cell["runs"][0]["curve"][-1][1] == 1.0
        assert cell["summary"]["complete_s"]["median"] > cell["limit"]["complete_s"]
        # Each has read what its last picture is made of.
        levels = {row["level"] for row in cell["runs"][0]["requests"] if row["kind"] == "chunk"}
        assert 0 in levels
