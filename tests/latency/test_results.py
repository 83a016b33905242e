"""The format of results: what the schema says, what is read, and what is refused with its place."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_results import lab_result

from brickstream.errors import BrickstreamError, MetadataError, NotFoundError
from brickstream.latency.report import Place, measures, parse_result, read_result
from brickstream.latency.report.checking import check
from brickstream.latency.report.result import schema

DOCS = Path(__file__).resolve().parents[2] / "docs" / "bench-results.md"
SMALL = lab_result(workloads=("pan",), networks=("lan",), engines=("brickstream", "webknossos"), runs=1, chunks=2)


def test_the_schema_is_one_and_takes_every_state_of_a_cell() -> None:
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema())
    document = lab_result(chunks=8)
    assert {cell["state"] for cell in document["cells"]} == {"measured", "absent", "failed", "unable"}
    validator(schema()).validate(document)
    assert len(parse_result(document).cells) == len(document["cells"])


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, item in inside for place in _places(item, (*at, key)))]


OTHER = st.sampled_from(
    [None, True, -1, 0, 1, 1.5, 7, "", "served", "measured", [], [1.0], [0, 1, 2], {}, {"count": 1}]
)


@given(at=st.sampled_from(_places(SMALL)[1:]), new=st.none() | st.tuples(OTHER))
def test_what_is_refused_is_what_jsonschema_refuses(at: tuple[Any, ...], new: tuple[Any] | None) -> None:
    document = copy.deepcopy(SMALL)
    holder: Any = document
    for key in at[:-1]:
        holder = holder[key]
    if new is None:
        del holder[at[-1]]
    else:
        holder[at[-1]] = new[0]
    valid = jsonschema.Draft202012Validator(schema()).is_valid(document)
    try:
        check(document, schema())
    except MetadataError:
        assert not valid
    else:
        assert valid


def test_an_error_names_file_place_and_rule(tmp_path: Path) -> None:
    document = copy.deepcopy(SMALL)
    document["cells"][0]["runs"][0]["requests"][1]["outcome"] = "lost"
    path = tmp_path / "result.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(MetadataError) as caught:
        read_result(path)
    assert caught.value.path == "cells[0].runs[0].requests[1].outcome"
    assert str(path) in str(caught.value)
    assert "one of served, cancelled, fault, found 'lost'" in str(caught.value)


@pytest.mark.parametrize("number", [math.nan, math.inf, 10**400])
def test_what_is_no_number_for_json_or_for_floats_is_refused(number: float) -> None:
    document = copy.deepcopy(SMALL)
    document["seconds"] = number
    with pytest.raises(MetadataError, match="seconds"):
        parse_result(document)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"date": "yesterday"}, "date"),
        ({"date": "2026-11-22T05:10:00"}, "date"),
        ({"workloads": {}}, "cells[0].workload"),
        ({"data": {}}, "cells[0].data"),
        ({"networks": {}}, "cells[0].network"),
        ({"seconds": 1e308}, "seconds"),
    ],
)
def test_what_the_page_could_not_say_is_refused_with_its_place(change: dict[str, Any], path: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse_result({**SMALL, **change}, "result.json")
    assert caught.value.path == path


def test_every_number_that_is_measured_has_a_bound() -> None:
    document = copy.deepcopy(SMALL)
    run = document["cells"][0]["runs"][0]
    for holder, key in ((run["timeline"], "complete"), (run["measures"], "complete_s"), (run["curve"][0], 0)):
        kept, holder[key] = holder[key], 1e308
        with pytest.raises(MetadataError, match="at most 1e\\+15"):
            parse_result(document)
        holder[key] = kept
    parse_result(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "not a result of brickstream bench"),
        ('{"format": "brickstream-session", "version": 1}', "not a result of brickstream bench"),
        ('{"format": "brickstream-bench", "version": 2}', "a result of version 2"),
        ('{"format": "brickstream-bench", "version": 1}', "'suite'"),
    ],
)
def test_what_is_no_such_result_is_said_in_a_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BrickstreamError, match=said):
        read_result(path)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        read_result(tmp_path / "result.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BrickstreamError, match="cannot be read"):
        read_result(tmp_path / "binary")


def test_fields_that_are_not_known_are_let_be() -> None:
    document = copy.deepcopy(SMALL)
    document["note"] = document["cells"][0]["note"] = "of a later version 1"
    assert parse_result(document).head["note"] == "of a later version 1"


def test_cells_stand_together_by_place_and_the_run_in_the_middle_is_typical() -> None:
    document = lab_result(engines=("dask", "brickstream"), chunks=4)
    for cell in document["cells"]:
        for k, run in enumerate(cell["runs"]):
            run["measures"]["missing_s"] = (3.0, 1.0, 2.0)[k]
    result = parse_result(document)
    assert result.engines == ("dask", "brickstream")
    cells = result.places[Place("open-plane", "volume-64", "lan")]
    assert [cell.engine for cell in cells] == ["dask", "brickstream"]
    typical = cells[0].typical
    assert typical is not None
    assert typical.measures["missing_s"] == 2.0
    document["cells"][0]["runs"][1]["measures"]["missing_s"] = None
    never = parse_result(document).cells[0].typical
    assert never is not None
    assert never.measures["missing_s"] == 3.0
    failed = next(cell for cell in result.cells if cell.state == "failed")
    assert failed.typical is None


def test_units_are_in_the_names_of_measures() -> None:
    units = {measure.name: measure.unit for measure in measures()}
    assert units["first_s"] == "s"
    assert units["stall_ms"] == "ms"
    assert units["peak_mb"] == "MB"
    assert units["bytes"] == units["bytes_wasted"] == "bytes"
    assert units["requests"] == units["left"] == units["dropped"] == ""


def _fields(about: dict[str, Any], name: str = "") -> list[tuple[str, str]]:
    """Names and descriptions of all fields of a schema."""
    found = [(name, about["description"])] if name and "description" in about else []
    for key, inner in about.get("properties", {}).items():
        found += _fields(inner, key)
    for inner in (about.get("items"), about.get("additionalProperties")):
        found += _fields(inner) if isinstance(inner, dict) else []
    return found


def test_the_page_of_the_format_has_every_field_as_the_schema_describes_it() -> None:
    text = DOCS.read_text(encoding="utf-8")
    fields = _fields(schema()) + _fields(schema()["$defs"]["cell"])
    assert len(fields) > 80
    for name, description in fields:
        assert f"| `{name}` | {description} |" in text, name
