"""docs/embedding.md says what is true: its blocks run, from top to bottom, and its sink keeps the contract."""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brickstream.latency import ThreadedServer
from brickstream.samples import write_sample
from brickstream.testing import SinkConformance

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(block: str, names: dict[str, Any]) -> None:
    """Run a block of the page, which may await."""
    code = compile(block, "docs/embedding.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def test_every_block_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sample("synthetic", tmp_path / "image", shape=(12, 70, 90))
    with ThreadedServer(tmp_path) as server:
        names: dict[str, Any] = {"url": f"{server.url}/image"}
        for block in BLOCKS:
            run(block, names)
    assert len(BLOCKS) == 9
    assert names["picture"].shape == (70, 90)
    first, pixels = names["canvas"].levels[0]
    np.testing.assert_array_equal(pixels, names["picture"])
    assert not first.any()
    assert names["box"].shape == (4, 70, 90)
    assert "12 shown, 0 dropped" in capsys.readouterr().out or names["playback"].dropped > 0


def _canvas() -> Any:
    names: dict[str, Any] = {}
    run(next(block for block in BLOCKS if "class Canvas" in block), names)
    return names["Canvas"]()


class TestCanvasOfThePage(SinkConformance):
    def make_sink(self) -> Any:
        return _canvas()


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
