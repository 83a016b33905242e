"""Every example runs, on a small image, says what it should, and makes its picture."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brickstream.samples import write_sample

EXAMPLES = Path(__file__).parent.parent / "examples"
# Whether it wants an image, and what its last line begins with.
KNOWN = {
    "dask_array.py": (False, "computed "),
    "in_vispy.py": (True, ""),
    "open_and_look.py": (True, "80 x 90 pixels of level 0"),
    "planes_and_volume.py": (True, ""),
    "thick_slice.py": (True, "value in the middle: "),
    "time_lapse.py": (True, "100%: "),
    "your_own_loop.py": (True, "complete: "),
    "your_own_sink.py": (True, "100% of "),
    "your_own_source.py": (False, "512 x 512 pixels of (65536, 65536)"),
}


def test_every_example_is_known_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(KNOWN)


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
