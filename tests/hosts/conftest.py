"""napari on a real display (Xvfb will do), and images for it over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from napari_pictures import settle

from brickstream.latency import Network, ThreadedServer
from brickstream.samples import write_sample


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A brain, a computed volume and a computed plane."""
    root = tmp_path_factory.mktemp("images")
    write_sample("brain", root / "brain")
    write_sample("synthetic", root / "computed", shape=(96, 130, 110))
    write_sample("synthetic", root / "flat", shape=(700, 900))
    return root


@pytest.fixture
def server(folder: Path) -> Iterator[ThreadedServer]:
    with ThreadedServer(folder, Network(latency_ms=5)) as running:
        yield running


@pytest.fixture
def viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty viewer of napari, on screen; closed at the end."""
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "settings.yaml"))
    import napari

    shown = napari.Viewer()
    shown.window.resize(700, 600)
    settle(shown)
    yield shown
    napari.Viewer.close_all()
    settle(None)
