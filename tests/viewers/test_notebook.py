"""A real notebook: a kernel runs a cell, and its output is the picture, drawn again while it streamed in."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import zarr
from nbclient import NotebookClient
from PIL import Image

from brickstream.latency import Network, ThreadedServer

SHAPE = (40, 90, 120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    array = zarr.create_array(folder / "image", shape=SHAPE, chunks=(16, 32, 32), dtype="u1")
    array[:] = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    return folder


def run(folder: Path, *cells: str) -> tuple[list[Any], list[Any]]:
    """Run cells against the built-in server; return the outputs of the last cell, and every message of a picture."""
    messages: list[Any] = []

    class Client(NotebookClient):  # type: ignore[misc]
        def process_message(self, msg: Any, cell: Any, index: int) -> Any:
            if msg["msg_type"] in ("display_data", "update_display_data"):
                messages.append(msg)
            return super().process_message(msg, cell, index)

    with ThreadedServer(folder, Network(latency_ms=30)) as server:
        sources = [f"url = {server.url + '/image'!r}", *cells]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        Client(notebook, timeout=60, kernel_name="python3").execute()
    return notebook.cells[-1].outputs, messages


def pixels(data: Any) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(BytesIO(base64.b64decode(data["image/png"]))))


def test_a_plane_streams_into_the_cell(folder: Path) -> None:
    outputs, messages = run(
        folder,
        "from brickstream import View\n"
        "from brickstream.render.look import Look\n"
        "from brickstream.viewers.notebook import show\n"
        "shown = await show(url, canvas=(120, 90), look=Look(clim=(0, 255)))\n"
        "shown.close()",
    )
    (picture,) = [output for output in outputs if output.output_type == "display_data"]
    assert len(messages) > 1, "it was drawn on the way"
    plane: Any = zarr.open_array(folder / "image", mode="r")[SHAPE[0] // 2]
    np.testing.assert_array_equal(pixels(picture.data)[..., 0], plane)


def test_another_view_is_drawn_in_the_same_place(folder: Path) -> None:
    outputs, messages = run(
        folder,
        "from brickstream.viewers.notebook import show\n"
        "from brickstream.multiscale.navigate import orbit\n"
        "async with await show(url, ndisplay=3, canvas=(80, 60)) as shown:\n"
        "    await shown.look(orbit(shown.view, 40, 10))\n"
        "    print(shown.live.progress, shown.live.failed)",
    )
    pictures = [output for output in outputs if output.output_type == "display_data"]
    assert len(pictures) == 1
    assert [output.text for output in outputs if output.output_type == "stream"] == ["1.0 0\n"]
    assert len({message["content"]["data"]["image/png"] for message in messages}) > 1


def test_a_wrong_url_is_one_clear_error(folder: Path) -> None:
    outputs, _ = run(
        folder,
        "from brickstream.errors import BrickstreamError\n"
        "from brickstream.viewers.notebook import show\n"
        "try:\n"
        "    await show(url + '-not')\n"
        "except BrickstreamError as error:\n"
        "    print(error)",
    )
    assert "nothing" in outputs[-1].text or "not" in outputs[-1].text
    assert "image-not" in outputs[-1].text
