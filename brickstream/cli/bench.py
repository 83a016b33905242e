"""``brickstream bench``: run a suite, and say what its results mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from brickstream.cli import console
from brickstream.cli.options import Json, OptionError

OK = 0

bench_app = typer.Typer(help="Measure how long people wait.", no_args_is_help=True)


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
    as_json: Json = False,
) -> int:
    """Measure how long people wait.

    Example: brickstream bench --replay session.json
    """
    if context.invoked_subcommand is not None:
        return OK
    if replay is None:
        raise OptionError("nothing to do", "bench", "name a command, or a session: --replay session.json")
    from brickstream.cli.replay import ReplayWish, run_replay

    return run_replay(ReplayWish(replay, url, data, network, folder, timeout), as_json=as_json)


@bench_app.command("run")
def bench_run(
    suite: Annotated[str, typer.Argument(help="quick, open, hold, plan or render.")] = "quick",
    as_json: Json = False,
) -> int:
    """Run a benchmark suite.

    quick: first pixels and complete at a few latencies. open: the first update, in round trips, and what a pan costs.
    hold: how long the render thread is held up while chunks arrive. plan: what a plan costs.

    Example: brickstream bench run quick --json
    """
    from brickstream.latency.suites.bench import run_suite, table

    with console.progress(f"bench {suite}") as step:
        result: dict[str, Any] = run_suite(suite, progress=step)
    if as_json:
        console.say_json(result)
    else:
        console.say(table(result))
    return OK
