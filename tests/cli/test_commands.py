"""``info``, ``sample`` and the line that every error is: the commands that need no OpenGL."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from brickstream.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """OME-Zarr 0.4 with a channel and a label, written by zarr-python."""
    path = tmp_path / "image.zarr"
    levels = [
        {
            "path": str(k),
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 2.0**k, 2.0**k]},
                {"type": "translation", "translation": [0.0, (2.0**k - 1) / 2, (2.0**k - 1) / 2]},
            ],
        }
        for k in range(2)
    ]
    axes = [{"name": "c", "type": "channel"}, *({"name": n, "type": "space", "unit": "micrometer"} for n in "yx")]
    attributes: dict[str, Any] = {
        "multiscales": [{"version": "0.4", "name": "cells", "axes": axes, "datasets": levels}],
        "omero": {"channels": [{"label": "DAPI", "color": "0000FF", "window": {"start": 1, "end": 9}}]},
    }
    group = zarr.create_group(str(path), zarr_format=2, attributes=attributes)
    for k in range(2):
        group.create_array(str(k), shape=(1, 20 >> k, 30 >> k), chunks=(1, 8, 8), dtype="<u2")
    group.create_group("labels", attributes={"labels": ["nuclei"]})
    return path


def test_info_json_is_one_document_with_the_keys_of_the_contract(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "info", image, "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document == {
        "kind": "image",
        "format": "ome-zarr 0.4",
        "zarr_format": 2,
        "name": "cells",
        "axes": [
            {"name": "c", "type": "channel", "unit": None},
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ],
        "extent": [[-0.5, 0.5], [-0.5, 19.5], [-0.5, 29.5]],
        "placement": None,
        "to_world": {
            "inputs": ["c", "y", "x"],
            "outputs": ["c", "y", "x"],
            "linear": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            "offset": [0.0, 0.0, 0.0],
        },
        "levels": [
            {
                "path": "0",
                "shape": [1, 20, 30],
                "chunks": [1, 8, 8],
                "shards": None,
                "dtype": "uint16",
                "scale": [1.0, 1.0, 1.0],
                "translation": [0.0, 0.0, 0.0],
            },
            {
                "path": "1",
                "shape": [1, 10, 15],
                "chunks": [1, 8, 8],
                "shards": None,
                "dtype": "uint16",
                "scale": [1.0, 2.0, 2.0],
                "translation": [0.0, 0.5, 0.5],
            },
        ],
        "channels": [{"label": "DAPI", "color": "0000FF", "window": [1.0, 9.0], "active": True}],
        "is_labels": False,
        "labels": ["nuclei"],
        "nbytes": (20 * 30 + 10 * 15) * 2,
    }


@pytest.mark.parametrize(("ome", "extra"), [("0.4", []), ("0.5", []), ("0.5", ["--sharded"])])
def test_sample_synthetic_writes_what_info_reads(
    ome: str, extra: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dest = tmp_path / "s.ome.zarr"
    code, out, err = run(capsys, "sample", "synthetic", dest, "--shape", "40x50x60", "--format", ome, *extra)
    assert code == 0
    assert out == f"{dest}\n"
    assert "writing synthetic: 100 %" in err
    document = json.loads(run(capsys, "info", dest, "--json")[1])
    assert document["format"] == f"ome-zarr {ome}"
    assert document["levels"][0]["shape"] == [40, 50, 60]
    assert (document["levels"][0]["shards"] is not None) == bool(extra)
    assert np.asarray(zarr.open_array(str(dest), path="0", mode="r")[...]).any()


# ---- errors


class _Status(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(int(self.path.split("/")[1]))

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """Say nothing of clients that did not wait for their answer: the first error ends an open."""


@pytest.fixture
def server() -> Iterator[str]:
    """Answers /CODE/... with the status CODE."""
    with _Server(("127.0.0.1", 0), _Status) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


def says(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line on stderr that a user error is."""
    code, out, err = run(capsys, *words)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("brickstream: error: ")
    return err


@pytest.mark.parametrize("json_too", [[], ["--json"]])
@pytest.mark.parametrize(("status", "text"), [(404, "no Zarr image here"), (403, "HTTP 403"), (500, "HTTP 500")])
def test_what_a_server_refuses(
    status: int, text: str, json_too: list[str], server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = says(capsys, "info", f"{server}/{status}/image.zarr?sig=topsecret", *json_too)
    assert text in line
    assert server in line
    assert "topsecret" not in line


def test_a_refused_connection(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = says(capsys, "info", f"http://127.0.0.1:{port}/image.zarr")
    assert "cannot connect" in line
    assert "is the server running?" in line


def test_urls_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown kind of URL" in says(capsys, "info", "gopher://host/x")
    assert "the URL cannot be read" in says(capsys, "info", "http://[host/x")
    assert "the URL is empty" in says(capsys, "info", "")


def test_places_that_are_no_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such folder" in says(capsys, "info", tmp_path / "nowhere")
    assert "no Zarr image here" in says(capsys, "info", tmp_path)
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    assert "not a Zarr folder but a file" in says(capsys, "info", text)
    (tmp_path / "zarr.json").write_text("{broken")
    line = says(capsys, "info", tmp_path)
    assert "it starts with '{broken'" in line
    assert "zarr.json" in line


def test_an_unknown_codec(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads((image / "1" / ".zarray").read_text())
    document["compressor"] = {"id": "imaginary"}
    (image / "1" / ".zarray").write_text(json.dumps(document))
    line = says(capsys, "info", image)
    assert "unknown codec 'imaginary'" in line
    assert f"{image}/1" in line


def test_words_that_are_no_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nosuch" in says(capsys, "nosuch")
    assert "--nosuch" in says(capsys, "info", "x", "--nosuch")
    assert "not a shape" in says(capsys, "sample", "synthetic", tmp_path / "s", "--shape", "8xx")
    assert "missing" in says(capsys, "info").lower()


def test_an_option_without_effect_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = says(capsys, "snapshot", tmp_path / "nowhere", tmp_path / "a.png", "--projection", "max")
    assert "a projection needs a thick slice: --projection max" in line
    assert "no such folder" in says(capsys, "snapshot", tmp_path / "nowhere", tmp_path / "a.png", "--margins", "z=1")


def test_the_program_ends_with_the_exit_code_and_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "brickstream", "info", str(tmp_path), "--json"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("brickstream: error: no Zarr image here")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["demo", "sample", "serve", "info", "snapshot", "view", "bench run"])
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *command.split(), "--help")
    assert code == 0
    assert f"Example: brickstream {command}" in " ".join(out.split())


def test_a_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(url: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("brickstream.cli.describe.describe", interrupted)
    code, out, err = run(capsys, "info", tmp_path)
    assert (code, out) == (130, "")
    assert err == "brickstream: error: interrupted\n"
