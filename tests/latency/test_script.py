"""Scripts of faults: what they say, and what is no script."""

import json
from pathlib import Path
from typing import Any

import pytest

from brickstream.errors import BrickstreamError, NotFoundError
from brickstream.latency import Fault
from brickstream.latency.network.script import read_script, script_of

HEAD = {"format": "brickstream-faults", "version": 1}


def script(*faults: Any) -> Any:
    return script_of({**HEAD, "faults": list(faults)})


def test_a_line_is_for_its_requests_of_its_keys() -> None:
    faults = script({"key": "0/c/*/1", "requests": [0, 2], "kind": "reset", "share": 0.5})
    reset = Fault("reset", share=0.5)
    assert [faults("0/c/7/1", number) for number in range(4)] == [reset, None, reset, None]
    assert faults("0/c/7/2", 0) is None


def test_without_numbers_all_requests_fail() -> None:
    faults = script({"key": "a", "kind": "status", "status": 429, "headers": {"Retry-After": "1"}})
    assert faults("a", 99) == Fault("status", 429, headers={"Retry-After": "1"})


def test_the_first_line_that_fits_decides() -> None:
    faults = script({"key": "a", "requests": [0], "kind": "hang"}, {"key": "*", "kind": "trickle", "kbps": 2})
    assert [faults("a", 0), faults("a", 1)] == [Fault("hang"), Fault("trickle", kbps=2)]


def test_every_kind_can_be_scripted() -> None:
    for kind in ("status", "truncate", "corrupt", "reset", "hang", "trickle"):
        assert script({"key": "a", "kind": kind, "after": 3, "count": 1})("a", 0) == Fault(kind, after=3, count=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "not a script of faults"),
        ({"format": "other", "version": 1, "faults": []}, "not a script of faults"),
        ({"format": "brickstream-faults", "version": 2, "faults": []}, "not a script of faults"),
        ({**HEAD}, "needs a list"),
        ({**HEAD, "faults": [], "seed": 1}, "unknown: seed"),
        ({**HEAD, "faults": [3]}, "faults/0"),
        ({**HEAD, "faults": [{"kind": "hang"}]}, "faults/0/key"),
        ({**HEAD, "faults": [{"key": "a"}]}, "faults/0/kind"),
        ({**HEAD, "faults": [{"key": "a", "kind": "fire"}]}, "known are status"),
        ({**HEAD, "faults": [{"key": "a", "kind": "hang", "when": 1}]}, "unknown: when"),
        ({**HEAD, "faults": [{"key": "a", "kind": "hang", "requests": [1.5]}]}, "faults/0/requests"),
        ({**HEAD, "faults": [{"key": "a", "kind": "hang", "requests": 1}]}, "faults/0/requests"),
        ({**HEAD, "faults": [{"key": "a", "kind": "hang", "requests": [-1]}]}, "faults/0/requests"),
        ({**HEAD, "faults": [{"key": "a", "kind": "hang", "after": "x"}]}, "faults/0/after"),
        ({**HEAD, "faults": [{"key": "a", "kind": "hang", "after": True}]}, "faults/0/after"),
        ({**HEAD, "faults": [{"key": "a", "kind": "hang", "share": 2}]}, "0 to 1"),
        ({**HEAD, "faults": [{"key": "a", "kind": "status", "status": 42}]}, "200 to 599"),
        ({**HEAD, "faults": [{"key": "a", "kind": "status", "headers": {"X": 1}}]}, "faults/0/headers"),
        ({**HEAD, "faults": [{"key": "a", "kind": "trickle", "kbps": 0}]}, "more than 0"),
    ],
)
def test_what_is_no_script_is_refused_with_its_place(document: Any, text: str) -> None:
    with pytest.raises(BrickstreamError, match=text):
        script_of(document)


def test_a_script_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({**HEAD, "faults": [{"key": "a", "kind": "hang"}]}))
    assert read_script(path)("a", 0) == Fault("hang")
    path.write_text("{")
    with pytest.raises(BrickstreamError, match="no JSON"):
        read_script(path)
    path.write_text("[" * 100_000)
    with pytest.raises(BrickstreamError, match="no JSON"):
        read_script(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BrickstreamError, match="no JSON"):
        read_script(path)
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_script(tmp_path / "absent")
