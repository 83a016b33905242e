"""The page in a real browser: its plots are there, it fits phone, desk and paper, and it asks nobody for anything."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_results import lab_result

from brickstream.latency.engines.chromium import NAMES
from brickstream.latency.report import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")

PHONE, DESK, PAPER = 390, 1200, 688  # pixels; paper is A4 less its margins

# For each drawing its size on screen, and the longest of its paths.
DRAWINGS = """[...document.querySelectorAll('svg')].map(svg => {
    const box = svg.getBoundingClientRect()
    const paths = [...svg.querySelectorAll('path:not(.grid)')].filter(path => path.getTotalLength() > 0)
    const sizes = paths.map(path => path.getBoundingClientRect()).map(size => size.width + size.height)
    return {label: svg.ariaLabel, width: box.width, height: box.height, largest: Math.max(0, ...sizes)}
})"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CLIPPED = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1).length"
COVERED = """[...document.querySelectorAll('.flags')].map(flags => {
    const boxes = [...flags.querySelectorAll('.flag > span')].map(label => label.getBoundingClientRect())
    const cover = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 1 && b.top < a.bottom - 1
    return boxes.flatMap((a, k) => boxes.slice(k + 1).filter(b => cover(a, b))).length
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(lab_result(workloads=("open-plane", "pan"), chunks=8), path)
    return Path(path).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # A sandbox needs rights that containers do not have; the page is our own.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, report: str) -> Iterator[Any]:
    opened = browser.new_page()
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(report)
    yield opened
    opened.close()
    assert said == []
    assert asked == [report]


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_plot_is_really_there_and_the_page_fits(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    drawings = page.evaluate(DRAWINGS)
    # In each of 4 places a limit and a line in the overview; curves, or a strip an engine where the view moves; and for
    # each engine that was measured a timeline and requests.
    assert len(drawings) == 4 * 2 + 2 + (7 * 2 - 1) + 2 * (7 * 4 - 1)
    for drawing in drawings:
        assert drawing["width"] > 100, drawing
        assert drawing["height"] > 10, drawing
        assert drawing["largest"] > 1, drawing
    assert page.evaluate(OVERFLOW) <= 0


@pytest.mark.parametrize("width", [PHONE, PAPER, 720, DESK])
def test_names_of_curves_do_not_cover_one_another(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate(COVERED) == [0, 0]


def test_on_paper_no_table_is_clipped(page: Any) -> None:
    page.set_viewport_size({"width": PAPER, "height": 1000})
    page.emulate_media(media="print")
    assert page.evaluate(CLIPPED) == 0
    assert page.evaluate(OVERFLOW) <= 0


def test_where_people_like_it_dark_the_page_is(page: Any) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(colour) == "rgb(21, 24, 28)"
