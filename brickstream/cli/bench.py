"""``brickstream bench``: run a suite, and say what its results mean."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brickstream.cli import console, options, tables
from brickstream.cli.options import Json, OptionError

if TYPE_CHECKING:
    from brickstream.latency.report import Difference

OK, SLOWER = 0, 1

bench_app = typer.Typer(help="Measure how long people wait.", no_args_is_help=True)

Saved = Annotated[Path, typer.Argument(help="What bench run has written: result.json.")]


@bench_app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    replay: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="Play a recorded session, or a workload by name.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="On this image, not the one that it was recorded on.")] = None,
    data: Annotated[str | None, typer.Option(help="On one of the lab's images: volume-64, globe, brain, ...")] = None,
    network: Annotated[str | None, typer.Option(help="Of images on this machine: home-30mbps, s3-far, ...")] = None,
    folder: Annotated[Path, typer.Option(help="Where the lab's images are kept.")] = Path("bench-data"),
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait for the last view.", min=0)] = None,
    settled: Annotated[bool, typer.Option("--settled", help="Wait for each view before the next one.")] = False,
    as_json: Json = False,
) -> int:
    """Measure how long people wait.

    Example: brickstream bench --replay session.json
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context, context.invoked_subcommand)
        return OK
    if replay is None:
        raise OptionError("nothing to do", "bench", "name a command, or a session: --replay session.json")
    from brickstream.cli.replay import ReplayWish, run_replay

    return run_replay(ReplayWish(replay, url, data, network, folder, timeout, settled), as_json=as_json)


def _refuse_options(context: typer.Context, command: str) -> None:
    """Refuse options that stand before a command: they are those of a replay, and the command would never see them."""
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is not None and source.name == "COMMANDLINE":
            hint = f"what {command} takes stands after it: brickstream bench {command} --help"
            raise OptionError("an option of a replay", f"{parameter.opts[0]} before {command}", hint)


@bench_app.command("run")
def bench_run(
    suite: Annotated[str, typer.Argument(help="short, sessions, full; quick, open, hold, plan or render.")] = "quick",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write result.json and report.html there.")] = None,
    engine: Annotated[str | None, typer.Option(help="Only these: brickstream,zarr")] = None,
    runs: Annotated[int | None, typer.Option(help="Instead of the suite's own number.", min=1)] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the images here for the next time.")] = None,
    as_json: Json = False,
) -> int:
    """Run a benchmark suite.

    short, sessions, full: images over networks, looked at with every engine that is installed; with --out as a page.

    quick: first pixels and complete at a few latencies. open: the first update, in round trips, and what a pan costs.
    hold: how long the render thread is held up while chunks arrive. plan: what a plan costs. render: a frame.

    Example: brickstream bench run short --out bench-out --engine brickstream,tensorstore
    """
    from brickstream.latency.suites.bench import Options, run_suite, table

    engines = None if engine is None else options.names(engine, "--engine")
    wished = Options(engines=engines, runs=runs, folder=data, out=out)
    with _ended_as_interrupted(), console.progress(f"bench {suite}") as step:
        result: dict[str, Any] = run_suite(suite, progress=step, options=wished)
    if as_json:
        console.say_json(result)
    else:
        console.say(table(result))
    if out is not None:
        console.tell(f"wrote {out / 'result.json'} and {out / 'report.html'}")
    return OK


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Asked to end, end as at Ctrl-C: servers, workers and browsers do not stay behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@bench_app.command("report")
def bench_report(
    result: Saved,
    out: Annotated[Path, typer.Option(metavar="OUT.html", help="The page to write.")] = Path("report.html"),
) -> int:
    """Write the page of a result: one HTML file that opens offline.

    Example: brickstream bench report out/result.json --out report.html
    """
    from brickstream.latency.report import read_result, write_report

    write_report(read_result(result), options.out_file(out))
    console.say(str(out))
    return OK


@bench_app.command("compare")
def bench_compare(
    before: Saved,
    after: Saved,
    engine: Annotated[str | None, typer.Option(help="Compare only this one: brickstream")] = None,
    fail_on_slower: Annotated[bool, typer.Option("--fail-on-slower", help="Exit with 1 if anything is.")] = False,
    as_json: Json = False,
) -> int:
    """Say what got slower or quicker from one result to another, beyond noise. The rule: docs/bench-results.md.

    Exit code 0; with --fail-on-slower 1 if a measure got worse or fewer runs give an answer; 2: error.

    Example: brickstream bench compare before/result.json after/result.json --engine brickstream --fail-on-slower
    """
    from brickstream.latency.report import cautions, compare, comparisons, read_result

    old, new = (read_result(path).of_engine(engine) for path in (before, after))
    found, warnings, many = compare(old, new), cautions(old, new), comparisons(old, new)
    if as_json:
        said = [difference.to_dict() for difference in found]
        console.say_json({"cautions": warnings, "comparisons": many, "differences": said})
    else:
        console.say("\n".join(_compared(found, warnings, many)))
    return SLOWER if fail_on_slower and any(difference.is_regression for difference in found) else OK


def _compared(found: Sequence[Difference], warnings: Sequence[str], many: int) -> Iterator[str]:
    yield from (f"note: {warning}" for warning in warnings)
    if found:
        header = ["", "measure", "workload", "data", "network", "engine", "before", "after", "factor"]
        yield from tables.columns(header, map(_row, found))
        yield ""
    what = "1 difference" if len(found) == 1 else f"{len(found)} differences"
    yield f"{what} beyond noise; {many:,} pairs of numbers were compared"


def _row(difference: Difference) -> list[str]:
    from brickstream.latency.report import measure_named, number

    place, name = difference.place, difference.measure
    where = [place.workload, place.data, place.network, difference.engine]
    if not name:
        return [difference.kind, "-", *where, "-", "-", difference.why]
    medians = (number(value, measure_named(name).unit) for value in (difference.before, difference.after))
    factor = "-" if difference.factor is None else f"{difference.factor:.2f}"
    return [difference.kind, name, *where, *medians, difference.why or factor]
