"""What docs/serve.md says is so."""

import asyncio
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from stored import write_image

from brickstream.engine import Engine
from brickstream.latency import PROFILES, Fault, Network, RequestRecord, Server
from brickstream.latency.network.script import script_of
from brickstream.testing import VirtualClock

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the one block of code in a language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"[\d.]+", cell)]


def test_every_setting_of_a_network_is_an_option_there() -> None:
    options = set(re.findall(r"`--([a-z0-9-]+)", PAGE))
    assert {field.name.replace("_", "-") for field in fields(Network)} <= options


def test_every_key_of_the_log_is_there() -> None:
    log = PAGE.partition("## The log")[2].partition("\n## ")[0]
    assert all(f"`{field.name}`" in log for field in fields(RequestRecord))


@pytest.mark.parametrize("name", PROFILES)
def test_the_table_has_the_numbers_of_a_profile(name: str) -> None:
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    latency, server, set_up, mbps, own, tail = (numbers(cell) for cell in row.split("|")[2:8])
    network = PROFILES[name]
    assert latency == [network.latency_ms, network.jitter_ms]
    assert [server, set_up, mbps] == [[network.ttfb_ms], [network.connect_round_trips], [network.bandwidth_mbps]]
    assert own == ([] if network.connection_mbps is None else [network.connection_mbps])
    assert tail == ([100 * network.tail_rate, network.tail_factor] if network.tail_rate else [])


def test_the_script_is_one() -> None:
    faults = script_of(json.loads(block("json")))
    assert faults("brain.ome.zarr/0/c/0/1/2", 2) == Fault("reset", share=0.5)
    assert faults("a/zarr.json", 0) == Fault("status", 429, headers={"Retry-After": "1"})
    assert faults("a/1/c/0/0", 9) == Fault("trickle", after=1000, kbps=8)


def test_the_example_in_virtual_time_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "data" / "brain.ome.zarr")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"asyncio": asyncio, "Path": Path, "Engine": Engine, "Network": Network, "Server": Server}
    exec(block("python"), names | {"VirtualClock": VirtualClock})
    assert float(capsys.readouterr().out) == pytest.approx(0.2, abs=1e-9)
