"""Sample images, made once, and a server for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from brickstream.latency import Network, ThreadedServer
from brickstream.samples import write_sample


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the brain in every form, a computed volume and a computed plane."""
    root = tmp_path_factory.mktemp("images")
    write_sample("brain", root / "brain")
    write_sample("brain", root / "brain04", ome_version="0.4")
    write_sample("brain", root / "brain-sharded", sharded=True)
    write_sample("synthetic", root / "computed", shape=(96, 130, 110))
    write_sample("synthetic", root / "flat", shape=(700, 900))
    return root


@pytest.fixture
def server(images: Path) -> Iterator[ThreadedServer]:
    """The images over HTTP, with a little latency so that reads overlap."""
    with ThreadedServer(images, Network(latency_ms=5)) as running:
        yield running
