"""From the words of `brickstream serve` to a network and a server's quirks."""

from pathlib import Path
from typing import Any

import pytest

from brickstream.cli import main, serving
from brickstream.latency import Network, Quirks


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
    assert served == [(Path("data"), 0, network, Quirks(403, True))]


def test_without_options_the_server_is_plain(served: list[tuple[Any, ...]]) -> None:
    assert main(["serve", "data"]) == 0
    assert served == [(Path("data"), 8765, Network(), Quirks())]


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
    ],
)
def test_what_cannot_be_is_one_clear_line(
    words: str, text: str, served: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "data", *words.split()]) == 2
    assert text in capsys.readouterr().err
    assert served == []
