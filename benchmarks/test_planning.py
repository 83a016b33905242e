"""What a plan costs: `python -m pytest benchmarks/test_planning.py` (needs the `dev` extra). The same cases as
`brickstream bench run plan`, with pytest-benchmark's statistics.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from brickstream.latency.suites.planning import Case, cases
from brickstream.multiscale import plan_view


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_plan(benchmark: BenchmarkFixture, case: Case) -> None:
    plan = benchmark(plan_view, case.pyramid, case.view, case.budget)
    assert not plan.partial
    assert sum(len(part.bricks) for part in plan.levels) <= case.budget.max_bricks
