"""The API reference can be made, and has what a reader looks for."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference")
    made = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "api_reference.py"), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return out


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("engine", ["Engine.open", "Engine.slice", "Reads.export", "Viewport.histogram", "Sink.put", "Live"]),
        ("multiscale", ["View.plane", "Plan.chunk_count", "Camera"]),
        ("chunks", ["ChunkSource.read", "HttpOptions", "DiskCache"]),
        ("render", ["BrickScene.commit", "OffscreenView.draw", "use_headless"]),
        ("viewers/napari", ["add_to_viewer", "StreamedImage.on_complete"]),
        ("testing", ["SinkConformance", "StepSource.release", "RecordingSink.picture"]),
        ("errors", ["BrickstreamError", "ViewError"]),
    ],
)
def test_the_reference_has_what_a_reader_looks_for(reference: Path, page: str, names: list[str]) -> None:
    text = (reference / "brickstream" / f"{page}.html").read_text(encoding="utf-8")
    for name in names:
        assert f'id="{name}"' in text
    # No page needs the network.
    assert "https://cdn" not in text


def test_the_reference_says_shapes_units_errors_and_threads(reference: Path) -> None:
    text = (reference / "brickstream" / "engine.html").read_text(encoding="utf-8")
    for words in ("both inclusive", "half-open", "Raises", "Render thread", "event loop", "World position"):
        assert words in text
