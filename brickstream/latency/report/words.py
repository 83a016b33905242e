"""What was measured, where and on what, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from brickstream.latency.report.axes import number
from brickstream.latency.report.result import Result

_UNITS = {"_ms": "ms", "_mbps": "Mbit/s", "_s": "s", "_bytes": "bytes"}


def about_suite(result: Result) -> str:
    """Say what was measured, when, and how long it took."""
    head = result.head
    day = datetime.fromisoformat(head["date"])
    counts = {"workload": len(head["workloads"]), "network": len(head["networks"]), "engine": len(result.engines)}
    what = ", ".join(_many(count, name) for name, count in counts.items())
    return (
        f"Suite {head['suite']}: {what}, {_many(head['runs'], 'run')} each. "
        f"Measured on {day.day} {day:%B %Y at %H:%M %Z}, in {_duration(head['seconds'])}."
    )


def about_machine(result: Result) -> str:
    """Say where it was measured, and with which versions."""
    machine = result.head["machine"]
    load = f", load {machine['load'][0]:.2f} before the first run" if machine["load"] else ""
    known = [f"{name} {version}" for name, version in machine["packages"].items() if version is not None]
    return (
        f"{machine['system']}, {machine['processor']}, {_many(machine['cores'], 'core')}, "
        f"{number(machine['memory_bytes'], 'bytes')} of memory{load}. "
        f"Python {machine['python']}{''.join(f', {text}' for text in known)}."
    )


def about_workload(workload: Mapping[str, Any]) -> str:
    """Say what is looked at."""
    canvas = "×".join(map(str, workload["canvas"]))
    views = f"{workload['views']} views in {workload['seconds']:g} s" if workload["views"] > 1 else "one view"
    kind = "planes" if workload["ndisplay"] == 2 else "volumes"
    return f"{workload['title'].rstrip('.')}. {kind.capitalize()} on {canvas} pixels, {views}."


def about_data(data: Mapping[str, Any]) -> str:
    """Say what the image is."""
    shape, chunks, shards = ("×".join(map(str, data[key] or ())) for key in ("shape", "chunks", "shards"))
    packed = f" in shards of {shards}" if shards else ""
    return (
        f"{data['title'].rstrip('.')}: {shape} {data['dtype']} ({data['axes']}), {_many(data['levels'], 'level')}, "
        f"chunks of {chunks}{packed}, {data['codec']}."
    )


def about_network(settings: Mapping[str, Any]) -> str:
    """Say how far away the server is."""
    said = [_setting(name, value) for name, value in settings.items()]
    text = ", ".join(said)
    return f"{text[0].upper()}{text[1:]}." if said else "No delay, no bound."


def about_limit(limit: Mapping[str, Any], moved: bool) -> str:
    """Say what the limit is made of.

    Parameters
    ----------
    limit : mapping
        As in a result.
    moved : bool
        Whether the session has several views.
    """
    needs = f"{_trips(limit['parts'])}; {_load(limit)}"
    if not moved:
        return f"What no engine can do without: {needs}."
    return (
        f"What no engine can do without for the last view, were it the only one: {needs}. "
        "What views before it showed can be there when it is due: the limit of “Settled” counts the rest alone, "
        "and is 0 where that is nothing."
    )


def _trips(parts: Mapping[str, Any]) -> str:
    set_up = f", after {number(parts['set_up_s'], 's')} to set a connection up" if parts["set_up_s"] else ""
    return f"{_many(parts['rounds'], 'round trip')} of {number(parts['round_trip_s'], 's')}{set_up}"


def _load(limit: Mapping[str, Any]) -> str:
    parts = limit["parts"]
    at_once = "one at a time" if parts["concurrency"] == 1 else f"up to {parts['concurrency']:,} at once"
    link, decode = number(parts["transfer_s"], "s"), number(parts["decode_s"], "s")
    return (
        f"{number(limit['bytes'], 'bytes')} in {_many(limit['requests'], 'request')}, "
        f"that for the first document among them, {at_once}; "
        f"{link} for the chunks on the link and {decode} to decode them"
    )


def _setting(name: str, value: object) -> str:
    unit = next((suffix for suffix in _UNITS if name.endswith(suffix)), "")
    words = name.removesuffix(unit).replace("_", " ")
    amount = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{words} {amount} {_UNITS.get(unit, '')}".rstrip()


def _many(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
