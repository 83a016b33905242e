"""What ``brickstream info`` prints, to the letter, of images and collections on a real server."""

import json
from collections.abc import Iterator
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import array, dump, group, image, multiscales, ome, placed, plate, under, well, write

from brickstream.cli import main
from brickstream.cli.describe import lies
from brickstream.cli.tables import equations
from brickstream.latency import ThreadedServer
from brickstream.multiscale import Affine

ANGLE = radians(30)
TURN = np.array([[cos(ANGLE), -sin(ANGLE)], [sin(ANGLE), cos(ANGLE)]])


def affine(linear: Any, offset: Any = (0.0, 0.0)) -> Affine:
    return Affine(("y", "x"), ("y", "x"), np.array(linear, dtype=float), np.array(offset, dtype=float))


def cells() -> dict[str, bytes]:
    """An image of 0.4 with everything: units, channels, a time step, labels."""
    attributes = multiscales("tcyx", name="cells")
    entry = attributes["multiscales"][0]
    for axis, unit in zip(entry["axes"], ["second", None, "micrometer", "micrometer"], strict=True):
        axis |= {"unit": unit} if unit else {}
    for k, dataset in enumerate(entry["datasets"]):
        dataset["coordinateTransformations"][0]["scale"] = [60, 1, 0.325 * 2**k, 0.325 * 2**k]
    window = {"start": 100, "end": 4095, "min": 0, "max": 65535}
    attributes["omero"] = {
        "channels": [
            {"label": "DAPI", "color": "0000FF", "window": window},
            {"label": "GFP\x1b[31m", "active": False},
        ]
    }
    tree = group(attributes, 2) | under("labels", ome({"labels": ["nuclei", "cells"]}, 2))
    for k in range(2):
        tree |= under(str(k), array((3, 2, 512 >> k, 640 >> k), 2, "uint16", (1, 1, 256, 256)))
    return tree


def sharded() -> dict[str, bytes]:
    document = json.loads(array((64, 64), dtype="uint16", chunks=(32, 32))["zarr.json"])
    inner = {"chunk_shape": [8, 16], "codecs": document["codecs"], "index_codecs": document["codecs"]}
    document["codecs"] = [{"name": "sharding_indexed", "configuration": inner}]
    return {"zarr.json": dump(document)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    turned = [((400, 300), affine(TURN * 0.5, (10, 0))), ((200, 150), affine(TURN, (10.25, -0.25)))]
    tree = under("cells.zarr", cells()) | under("sharded.zarr", sharded())
    tree |= under("turned.zarr", placed(turned))
    tree |= under("flipped.zarr", placed([((8, 6), affine([[-2, 0], [0, 0.5]], (14, 1)))], name="mirror"))
    tree |= under("sheared.zarr", placed([((8, 6), affine([[1, 0.5], [0, -1]]))], name="askew"))
    tree |= under("plate.zarr", plate(16, 24) | under("B/3", well(2)))
    tree |= under("broken.zarr", image() | under("labels", ome({"labels": 5})))
    with ThreadedServer(write(tmp_path_factory.mktemp("served"), tree)) as running:
        yield running.url


def info(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code = main(["info", *words])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


def test_an_image_with_everything(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert info(capsys, f"{server}/cells.zarr?token=topsecret") == (
        """\
cells: ome-zarr 0.4, 4,915,200 bytes

axis  type     unit        from     to
t     time     second      -30      150
c     channel  -           -0.5     1.5
y     space    micrometer  -0.1625  166.238
x     space    micrometer  -0.1625  207.838

level  path  shape        chunks       shards  type    scale             translation
0      0     3 2 512 640  1 1 256 256  -       uint16  60 1 0.325 0.325  0 0 0 0
1      1     3 2 256 320  1 1 256 256  -       uint16  60 1 0.65 0.65    0 0 0.1625 0.1625

channel DAPI: limits 100 4095, color 0000FF
channel GFP\\x1b[31m: limits -, hidden at first
labels: nuclei, cells (show one with --image labels/NAME)
"""
    )


def test_a_plain_array_with_shards(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert info(capsys, f"{server}/sharded.zarr/zarr.json") == (
        """\
sharded.zarr: zarr 3 array, 8,192 bytes

axis  type   unit  from  to
y     space  -     -0.5  63.5
x     space  -     -0.5  63.5

level  path  shape  chunks  shards  type    scale  translation
0      -     64 64  8 16    32 32   uint16  1 1    0 0
"""
    )


def test_a_rotated_image(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert info(capsys, f"{server}/turned.zarr") == (
        """\
placed: ome-zarr 0.6, 150,000 bytes

axis  type   unit        from       to
y     space  micrometer  -65.0915   183.114
x     space  micrometer  -0.341506  229.562

level  path  shape    chunks   shards  type   scale    translation
0      0     400 300  400 300  -       uint8  0.5 0.5  10 0
1      1     200 150  200 150  -       uint8  1 1      10.25 -0.25

rotated: a scale is the length of a pixel; from pixels of level 0 to the world:
  y = 0.433013 y - 0.25 x + 10
  x = 0.25 y + 0.433013 x
"""
    )


def test_a_flipped_image(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert info(capsys, f"{server}/flipped.zarr") == (
        """\
mirror: ome-zarr 0.6, 48 bytes

axis  type   unit        from  to
y     space  micrometer  -1    15
x     space  micrometer  0.75  3.75

level  path  shape  chunks  shards  type   scale   translation
0      0     8 6    8 6     -       uint8  -2 0.5  14 1

flipped along y
"""
    )


def test_a_sheared_image(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = info(capsys, f"{server}/sheared.zarr")
    assert out.endswith(
        """\
sheared: a scale is the length of a pixel; from pixels of level 0 to the world:
  y = 1 y + 0.5 x
  x = - 1 x
"""
    )


def test_a_plate(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = info(capsys, f"{server}/plate.zarr")
    assert out.splitlines()[:7] == [
        "screen: a plate of 384 wells",
        "rows: A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P",
        "columns: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24",
        "",
        "path  kind  name",
        "A/1   well  A1",
        "A/2   well  A2",
    ]
    assert out.splitlines()[-4:] == [
        "A/24  well  A24",
        "",
        "and 360 more; --json lists all",
        "choose one: add its path to the URL or to --image",
    ]


def test_a_well_of_a_plate(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    want = """\
3: a well of 2 images

path  kind   name
0     image  0
1     image  1

choose one: add its path to the URL or to --image
"""
    for words in ([f"{server}/plate.zarr/B/3"], [f"{server}/plate.zarr", "--image", "B/3"]):
        assert info(capsys, *words) == want


def test_a_collection_as_json(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(info(capsys, f"{server}/plate.zarr", "--json"))
    assert {key: document[key] for key in ("kind", "zarr_format", "name", "title", "acquisitions")} == {
        "kind": "plate",
        "zarr_format": 3,
        "name": "screen",
        "title": "a plate of 384 wells",
        "acquisitions": [],
    }
    assert len(document["entries"]) == 384
    assert document["entries"][25] == {
        "name": "B2",
        "path": "B/2",
        "kind": "well",
        "state": "named",
        "row": 1,
        "column": 1,
        "acquisition": None,
    }


def test_labels_that_cannot_be_read_do_not_hide_the_image(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = info(capsys, f"{server}/broken.zarr")
    assert out.startswith("picture: ome-zarr 0.5")
    assert f"\nlabels cannot be read: bad metadata at ome.labels: a list, found 5: {server}/broken.zarr/labels/" in out
    document = json.loads(info(capsys, f"{server}/broken.zarr", "--json"))
    assert document["labels"] == []
    assert "ome.labels" in document["labels_error"]


def test_json_says_how_a_rotated_image_lies(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(info(capsys, f"{server}/turned.zarr", "--json"))
    assert document["placement"] == "rotated"
    assert Affine.from_dict(document["to_world"]).linear == pytest.approx(TURN * 0.5)
    document = json.loads(info(capsys, f"{server}/flipped.zarr", "--json"))
    assert document["placement"] == "flipped along y"
    assert (document["levels"][0]["scale"], document["levels"][0]["translation"]) == ([-2.0, 0.5], [14.0, 1.0])


def test_an_image_that_is_chosen_wrongly_is_one_line(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["info"], ["snapshot"], ["view"]):
        out = ["out.png"] if command == ["snapshot"] else []
        assert main([*command, f"{server}/plate.zarr", *out, "--image", "../x"]) == 2
        assert capsys.readouterr().err == (
            "brickstream: error: not a path inside the collection: ../x (it looks like A/1/0)\n"
        )


# ---- how an image lies, in words


@pytest.mark.parametrize(
    ("linear", "word"),
    [
        (np.diag([1.0, 1.0]), None),
        (np.diag([-1.0, -1.0]), "flipped along y, x"),
        (TURN, "rotated"),
        (TURN @ np.diag([1.0, -1.0]), "rotated and flipped"),
        (np.array([[1.0, 0.6], [0.0, 0.8]]), "sheared"),
    ],
)
def test_a_placement_in_words(linear: Any, word: str | None) -> None:
    assert lies(affine(linear)) == word
    assert lies(None) is None


def test_digits_that_are_cut_off_make_no_shear() -> None:
    assert lies(affine(np.round(TURN, 7))) == "rotated"


numbers = st.sampled_from([0.0, 1.0, -1.0, 0.25, -3.5, 1e9, -1e-9])


@given(st.lists(numbers, min_size=6, max_size=6), st.tuples(*[st.integers(-9, 9)] * 2))
def test_equations_mean_what_the_map_does(values: list[float], point: tuple[int, int]) -> None:
    made = affine(np.reshape(values[:4], (2, 2)), values[4:])
    found = []
    for line in equations(made.to_dict()):
        total, tokens = 0.0, line.partition(" = ")[2].split()
        sign = 1.0
        for i, token in enumerate(tokens):
            if token in "+-":
                sign = 1.0 if token == "+" else -1.0
            elif token in "yx":
                total += sign * float(tokens[i - 1]) * point["yx".index(token)]
            elif i + 1 == len(tokens) or tokens[i + 1] not in "yx":
                total += sign * float(token)
        found.append(total)
    np.testing.assert_allclose(found, made(point))


def test_a_folder_is_described_as_its_url_is(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "cells.zarr", cells())
    assert info(capsys, str(tmp_path / "cells.zarr")) == info(capsys, f"{server}/cells.zarr")
