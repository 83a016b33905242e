"""Every example runs, on a small image, and says what it should."""

import subprocess
import sys
from pathlib import Path

import pytest

from brickstream.samples import write_sample

EXAMPLES = Path(__file__).parent.parent / "examples"
LAST_LINES = {
    "open_and_look.py": "80 x 90 pixels of level 0",
    "thick_slice.py": "value in the middle: ",
    "your_own_loop.py": "complete: ",
    "your_own_sink.py": "100% of ",
}


def test_every_example_is_known_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(LAST_LINES)


@pytest.mark.parametrize("name", sorted(LAST_LINES))
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    image = write_sample("synthetic", tmp_path / "image", shape=(70, 80, 90))
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name), str(image)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[-1].startswith(LAST_LINES[name])
    assert any("100%" in line for line in lines)
