"""From the words of `brickstream serve` to a network and a server's quirks."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from brickstream.cli import main, serving
from brickstream.cli.app import PROFILE_HELP
from brickstream.latency import PROFILES, Fault, Network, Quirks
from brickstream.latency.network.process import options_of, server_process
from brickstream.latency.network.profiles import SOURCES


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []

    def run_server(*wanted: Any) -> int:
        calls.append(wanted)
        return 0

    monkeypatch.setattr(serving, "run_server", run_server)
    return calls


def test_every_option_reaches_the_network(served: list[tuple[Any, ...]]) -> None:
    words = "--port 0 --latency-ms 50 --jitter-ms 5 --connect-ms 9 --bandwidth-mbps 20 --seed 7 --retry-after 3"
    words += " --rate-503 .1 --rate-reset .2 --rate-truncate .03 --rate-hang .04 --rate-corrupt .05"
    words += " --tail-rate .06 --tail-factor 20 --missing-status 403 --ignore-range"
    assert main(["serve", "data", *words.split()]) == 0
    network = Network(50, 5, 9, 20, 0.1, 0.2, 0.03, 0.04, 0.05, 0.06, 20, 3, 7)
    assert served == [(Path("data"), 0, network, Quirks(403, True), None)]


def test_there_is_an_option_for_every_setting(served: list[tuple[Any, ...]]) -> None:
    odd = {field.name: {"tail_factor": 2.0, "seed": 5}.get(field.name, 0.125) for field in fields(Network)}
    whole = dict.fromkeys(("retry_after", "max_connections", "requests_per_connection"), 3)
    network = Network(**(odd | whole))  # type: ignore[arg-type]
    assert len(network.settings()) == len(fields(Network))
    assert main(["serve", "data", *options_of(network)]) == 0
    assert served[0][2] == network
    assert options_of(Network()) == []


def test_without_options_the_server_is_plain(served: list[tuple[Any, ...]]) -> None:
    assert main(["serve", "data"]) == 0
    assert served == [(Path("data"), 8765, Network(), Quirks(), None)]


def test_single_options_change_a_profile(served: list[tuple[Any, ...]]) -> None:
    assert main(["serve", "data", "--profile", "s3-far"]) == 0
    assert main(["serve", "data", "--profile", "s3-far", "--jitter-ms", "0", "--seed", "4"]) == 0
    assert [call[2] for call in served] == [PROFILES["s3-far"], replace(PROFILES["s3-far"], jitter_ms=0, seed=4)]


def test_help_names_every_profile() -> None:
    assert all(name in PROFILE_HELP for name in PROFILES)
    assert SOURCES.keys() == PROFILES.keys()


def test_a_script_of_faults_is_read(served: list[tuple[Any, ...]], tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    faults = [{"key": "a", "requests": [2], "kind": "hang"}]
    path.write_text(json.dumps({"format": "brickstream-faults", "version": 1, "faults": faults}))
    assert main(["serve", "data", "--script", str(path)]) == 0
    assert [served[0][4]("a", number) for number in range(4)] == [None, None, Fault("hang"), None]


def test_a_process_of_its_own_has_the_network_and_the_script(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"found")
    script = tmp_path / "faults.json"
    faults = [{"key": "a", "requests": [0], "kind": "status", "status": 418}]
    script.write_text(json.dumps({"format": "brickstream-faults", "version": 1, "faults": faults}))
    with server_process(tmp_path, Network(requests_per_connection=1), script=script) as url:
        with pytest.raises(HTTPError, match="418"):
            urlopen(f"{url}/a")
        with urlopen(f"{url}/a") as answer:
            assert answer.read() == b"found"
            assert answer.headers["Connection"] == "close"


def test_error_rate_is_another_name_of_rate_503(served: list[tuple[Any, ...]]) -> None:
    assert main(["serve", "data", "--error-rate", "0.25"]) == 0
    assert served[0][2] == Network(rate_503=0.25)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--missing-status 500", "404 or 403"),
        ("--rate-503 .9 --rate-hang .9", "add up to 1 at most"),
        ("--rate-hang 2", "rate-hang"),
        ("--tail-factor 0", "tail-factor"),
        ("--profile moon", "known are lan, campus"),
        ("--script absent.json", "absent.json"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    words: str, text: str, served: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "data", *words.split()]) == 2
    assert text in capsys.readouterr().err
    assert served == []
