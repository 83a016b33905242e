"""The page of a result: whole, escaped, and in words where there is nothing to draw."""

import json
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lab_results import lab_result

from brickstream.cli import main
from brickstream.errors import BrickstreamError, StoreError
from brickstream.latency.report import measures, parse_result, write_report
from brickstream.latency.report.axes import Axis, logarithmic_axis, number, span, time_axis
from brickstream.latency.report.markup import Html, tag
from brickstream.latency.report.page import make_page
from brickstream.latency.report.plots import Curve, average, engine_class
from brickstream.latency.report.waterfalls import MOST, kind, legend, levels_of, thin
from brickstream.latency.report.words import about_limit

VOID = {"meta", "br", "col"}
SMALL = lab_result(workloads=("pan",), networks=("lan",), engines=("brickstream",), runs=1, chunks=2)


class Page(HTMLParser):
    """Elements in order, with their attributes, and all text; closing tags must match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        self._open += [] if name in VOID else [name]

    def handle_endtag(self, name: str) -> None:
        assert self._open.pop() == name

    def handle_data(self, text: str) -> None:
        self.words += text

    def classes(self, name: str) -> list[str]:
        return [
            kind for element, about in self.elements if element == name for kind in (about.get("class") or "").split()
        ]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(make_page(parse_result(lab_result(chunks=8))))


def test_the_page_needs_nothing_but_itself(page: Page) -> None:
    assert not {"script", "link", "img", "iframe"} & {name for name, _ in page.elements}
    assert "url(" not in page.words
    assert "@import" not in page.words
    targets = [about["href"] for name, about in page.elements if name == "a"]
    ids = {f"#{about['id']}" for _, about in page.elements if "id" in about}
    assert targets
    assert set(targets) <= ids


def test_every_place_has_curves_timelines_requests_and_all_measures(page: Page) -> None:
    drawn = page.classes("path")
    labels = [about["aria-label"] or "" for name, about in page.elements if name == "svg"]
    # 7 engines in 6 places; napari cannot show volumes, and dask failed where the view moves.
    assert drawn.count("curve") == 7 * 4 - 2
    assert drawn.count("fill") == drawn.count("moves") == 7 * 2 - 1
    assert sum(label.startswith("Requests of") for label in labels) == 7 * 6 - 2 - 1
    assert sum(label.startswith("Quality over time") for label in labels) == 4 + 7 * 2 - 1
    assert sum(label.startswith("limit:") for label in labels) == 6
    assert page.classes("table").count("measures") == 6
    for measure in measures():
        assert measure.title in page.words
        assert measure.meaning in page.words


def test_who_was_not_measured_is_said_with_the_reason(page: Page) -> None:
    assert "webknossos not installed: pip install webknossos" in page.words
    assert "napari cannot: it shows no volumes from a pyramid" in page.words
    assert "dask failed: no run came to an end: <timeout> after 120 s & nothing drawn" in page.words


def test_every_text_of_a_result_is_escaped() -> None:
    bad = "<script>alert('&\"')</script>"
    document = lab_result(workloads=("pan",), networks=("lan",), runs=1, chunks=2)
    text = json.dumps(document)
    names = ("brickstream", "pan", "lan", "volume-64", "x86_64", "zstd, level 1", "short")
    for name in names:
        text = text.replace(f'"{name}"', json.dumps(bad + name))
    page = Page(make_page(parse_result(json.loads(text))))
    assert not {"script"} & {name for name, _ in page.elements}
    for name in names:
        assert bad + name in page.words


def test_an_engine_keeps_its_colour_and_ours_is_always_the_first() -> None:
    document = lab_result(("open-plane",), engines=("dask", "napari", "brickstream"), chunks=4)
    page = Page(make_page(parse_result(document)))
    flags = [
        (about["class"] or "", about["title"] or "")
        for _, about in page.elements
        if "flag" in (about.get("class") or "").split()
    ]
    found = {(title.partition(":")[0], kind.split()[1]) for kind, title in flags}
    assert found == {("brickstream", "e0"), ("dask", "e1"), ("napari", "e2")}


def test_where_nothing_was_measured_the_page_says_so() -> None:
    document = lab_result(workloads=("open-plane",), engines=("webknossos",), chunks=2)
    for cell in document["cells"]:
        cell["limit"] = None
    page = Page(make_page(parse_result(document)))
    assert page.words.count("Nothing was measured here.") == 2


def test_runs_without_an_end_and_measures_that_are_not_known_are_drawn() -> None:
    document = lab_result(workloads=("open-plane",), networks=("lan",), engines=("brickstream",), chunks=4)
    cell = document["cells"][0]
    for run in cell["runs"]:
        run["measures"] = dict.fromkeys(run["measures"])
        run["timeline"] = dict.fromkeys(run["timeline"])
        run["requests"] = []
        run["curve"] = []
    cell["summary"] = dict.fromkeys(cell["summary"])
    page = Page(make_page(parse_result(document)))
    assert "brickstream made no request" in page.words


def test_sixty_cells_make_a_page_below_two_megabytes() -> None:
    document = lab_result(("pan",), ("s3-far",), ("brickstream", "lodstone"), runs=1, chunks=450)
    assert min(len(cell["runs"][0]["requests"]) for cell in document["cells"]) > 900
    pan, cells = document["workloads"]["pan"], document["cells"]
    document["workloads"] = {f"pan-{k}": pan for k in range(6)}
    document["cells"] = [{**cell, "workload": name} for name in document["workloads"] for cell in cells]
    assert len(make_page(parse_result(document))) < 2_000_000 * len(document["cells"]) / 60


def test_the_limit_is_said_of_the_view_that_it_is_of() -> None:
    limit = lab_result(networks=("s3-far",), engines=("brickstream",), runs=1)["cells"][0]["limit"]
    still = about_limit(limit, moved=False)
    assert still.startswith(
        "What no engine can do without: 2 round trips of 80.0 ms, after 80.0 ms to set a connection up;"
    )
    assert "6.78 MB in 50 requests, that for the first document among them, up to 64 at once;" in still
    assert "67.8 ms for the chunks on the link and 30.0 ms to decode them." in still
    limit["parts"] |= {"concurrency": 1, "set_up_s": 0.0}
    moved = about_limit(limit, moved=True)
    assert "for the last view, were it the only one: 2 round trips of 80.0 ms; 6.78 MB" in moved
    assert "one at a time" in moved
    assert "is 0 where that is nothing" in moved


def test_where_everything_could_be_there_already_there_is_no_ratio() -> None:
    document = lab_result(("pan",), ("lan",), ("brickstream",), runs=1, chunks=4)
    document["cells"][0]["limit"] |= {"half_s": 0.0, "most_s": 0.0, "complete_s": 0.0, "settle_s": 0.0}
    result = parse_result(document)
    assert result.cells[0].ratio("settle_s") is None
    assert "limit: 0 ms" in make_page(result)


def test_waiting_counts_from_when_the_last_view_was_due_however_late_it_was_set() -> None:
    document = lab_result(("open-plane", "pan"), ("lan",), ("brickstream",), runs=1, chunks=4)
    late = document["cells"][1]["runs"][0]
    late["moves"] = [9.0]
    result = parse_result(document)
    still, moved = ((cell.place, cell.runs[0]) for cell in result.cells)
    assert result.begin(*still) == 0.0
    assert result.begin(*moved) == late["timeline"]["open"] + 3.0


def test_many_requests_are_thinned_evenly_with_both_ends() -> None:
    requests = [{"start": float(k)} for k in range(1000)]
    kept = [request["start"] for request in thin(requests)]
    assert len(kept) == MOST
    assert (kept[0], kept[-1]) == (0.0, 999.0)
    assert {b - a for a, b in pairwise(kept)} == {3.0, 4.0}
    assert thin(requests[:MOST]) == requests[:MOST]


def test_levels_share_colours_from_the_fourth_on_and_what_became_of_a_request_comes_first() -> None:
    def asked(level: int | None, outcome: str = "served") -> dict[str, object]:
        return {"level": level, "outcome": outcome}

    runs = [[asked(9), asked(4), asked(None)], [asked(5), asked(6), asked(7)]]
    levels = levels_of(runs)
    assert levels == [4, 5, 6, 7, 9]
    assert [kind(request, levels) for request in runs[0]] == ["level3", "level0", "metadata"]
    assert kind(asked(4, "cancelled"), levels) == "cancelled"
    assert "level 7 and coarser" in legend(runs, levels)


def test_the_quality_of_a_session_is_its_mean_over_time() -> None:
    curve = Curve("some", 0, [(0.0, 0.0), (1.0, 0.5), (3.0, 1.0)], [], end=4.0)
    assert average(curve) == pytest.approx((0.5 * 2 + 1.0) / 4)
    assert average(Curve("none", 0, [], [], end=0.0)) == 0.0


def test_more_engines_than_colours_never_take_that_of_the_first() -> None:
    assert [engine_class(k) for k in (0, 1, 9, 10, 18, 19)] == ["e0", "e1", "e9", "e1", "e9", "e1"]


def test_a_result_that_is_none_makes_no_page(tmp_path: Path) -> None:
    with pytest.raises(BrickstreamError, match="not a result"):
        write_report({}, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_cannot_be_written_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, folder = tmp_path / "result.json", tmp_path / "folder"
    result.write_text(json.dumps(SMALL), encoding="utf-8")
    folder.mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(SMALL, folder)
    # Only writing shows that nobody can.
    assert main(["bench", "report", str(result), "--out", "/dev/full"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_makes_the_page_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, out = tmp_path / "result.json", tmp_path / "report.html"
    document = lab_result(workloads=("pan",), engines=("brickstream",), chunks=2)
    result.write_text(json.dumps(document), encoding="utf-8")
    assert main(["bench", "report", str(result), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_text(encoding="utf-8") == make_page(parse_result(document))


def test_text_is_escaped_and_html_is_not() -> None:
    assert tag("p", "a < b", tag("br"), Html("&amp;"), class_="x", title='"', hidden=None) == (
        '<p class="x" title="&quot;">a &lt; b<br>&amp;</p>'
    )


def test_ticks_are_round_and_within_the_scale() -> None:
    assert Axis(0.0, 1.03).ticks() == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert Axis(0.0, 37.0).ticks() == (0.0, 10.0, 20.0, 30.0)
    assert Axis(0.004, 1.3, logarithmic=True).ticks() == pytest.approx((0.01, 0.03, 0.1, 0.3, 1.0))
    assert Axis(0.1, 10.0, logarithmic=True).place(1.0) == pytest.approx(0.5)


def test_time_is_logarithmic_where_ends_lie_far_apart_and_the_view_stands_still() -> None:
    assert time_axis([0.1], [0.5, 35.0], moved=False).logarithmic
    assert not time_axis([0.1], [0.5, 35.0], moved=True).logarithmic
    assert not time_axis([0.1], [0.5, 3.5], moved=False).logarithmic
    assert time_axis([], [], moved=False) == Axis(0.0, 1.0)


@given(ends=st.lists(st.floats(0, 1e15), min_size=1), moved=st.booleans())
@example(ends=[5e-324], moved=False)
@example(ends=[5e-324, 1e15], moved=False)
def test_a_scale_of_any_times_has_a_place_for_each_and_few_ticks(ends: list[float], moved: bool) -> None:
    axis = time_axis([], ends, moved=moved)
    assert all(0 <= axis.place(end) <= 1 for end in ends)
    assert len(axis.ticks()) <= 11
    assert logarithmic_axis(min(ends) / 1.5, max(ends) * 1.3).ticks()


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0123, "s", "12.3 ms"),
        (0.9994, "s", "999 ms"),
        (1.0, "s", "1.00 s"),
        (123.4, "s", "123 s"),
        (5.0, "ms", "5.00 ms"),
        (0.0, "s", "0 ms"),
        (56_524_800, "bytes", "56.5 MB"),
        (999, "bytes", "999 B"),
        (1200, "", "1,200"),
        (2.5, "", "2.5"),
        (None, "s", "–"),
    ],
)
def test_numbers_have_three_digits_and_their_unit(value: float | None, unit: str, said: str) -> None:
    assert number(value, unit) == said


def test_a_range_has_its_unit_once() -> None:
    assert span(0.0106, 0.0114, "s") == "10.6–11.4 ms"
    assert span(0.9, 1.1, "s") == "900 ms–1.10 s"
    assert span(3, 4, "") == "3–4"
