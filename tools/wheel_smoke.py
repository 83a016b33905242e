"""Build the wheel and use it from an empty folder, as somebody who has just installed it does."""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 240

IMPORT = """
import sys, pathlib, brickstream
assert pathlib.Path(brickstream.__file__).is_relative_to(sys.prefix), brickstream.__file__
assert (pathlib.Path(brickstream.__file__).parent / "viewers" / "napari" / "napari.yaml").exists(), "no napari.yaml"
print("brickstream", brickstream.__version__)
"""
NOT_BLANK = """
from PIL import Image
with Image.open("picture.png") as picture:
    assert picture.size == (160, 120), picture.size
    values = len(picture.convert("L").getcolors())
assert values > 1, "the picture has one colour only"
print("picture.png:", values, "shades of grey")
"""


def run(*command: object, cwd: Path) -> str:
    """Run a command; show it and what it says where it fails."""
    words = [str(word) for word in command]
    # Nothing of the checkout may leak in: neither its path nor its environment.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\nended with exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def install(work: Path) -> Path:
    """Build the wheel, install it into a new environment, and return that environment's bin folder."""
    run(sys.executable, "-m", "build", "--wheel", "--outdir", work / "dist", ROOT, cwd=work)
    (wheel,) = (work / "dist").glob("*.whl")
    print("built", wheel.name, flush=True)
    venv.create(work / "venv", with_pip=True)
    binaries = work / "venv" / "bin"
    run(binaries / "python", "-m", "pip", "install", "--quiet", wheel, cwd=work)
    return binaries


def use(binaries: Path, empty: Path) -> None:
    """Import the package, run its commands, and look at a picture."""
    command = binaries / "brickstream"
    print(run(binaries / "python", "-c", IMPORT, cwd=empty), end="")
    help_text = run(command, "--help", cwd=empty)
    assert "snapshot" in help_text, help_text
    run(command, "sample", "synthetic", "small.ome.zarr", "--shape", "32x96x128", cwd=empty)
    info = json.loads(run(command, "info", "small.ome.zarr", "--json", cwd=empty))
    assert info["levels"][0]["shape"] == [32, 96, 128], info
    run(command, "snapshot", "small.ome.zarr", "picture.png", "--size", "160x120", "--ndisplay", "3", cwd=empty)
    print(run(binaries / "python", "-c", NOT_BLANK, cwd=empty), end="")


def main() -> int:
    """Do all of it in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="brickstream-wheel-") as folder:
        work = Path(folder)
        empty = work / "empty"
        empty.mkdir()
        use(install(work), empty)
    print("the wheel works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
