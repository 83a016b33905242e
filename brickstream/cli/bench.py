"""``brickstream bench``: run a suite, and say what its results mean."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from brickstream.cli import console
from brickstream.cli.options import Json

OK = 0

bench_app = typer.Typer(help="Measure how long people wait.", no_args_is_help=True)


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
