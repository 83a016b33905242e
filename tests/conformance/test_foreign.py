"""The runner of other packages' tests: it fails where the verdicts differ, either way."""

from pathlib import Path
from typing import Any

import pytest
from foreign import Refused, load, names_of_tests, run

SOURCE = """
import pytest
from elsewhere.models import Thing, ValidationError

@pytest.fixture
def good():
    return Thing(1)

@pytest.mark.parametrize("number, word", [(1, "a"), (2, "b")])
def test_valid(number, word, good):
    assert good.number == 1
    Thing(number)

@pytest.mark.parametrize("number", [-1, -2])
def test_invalid(number):
    with pytest.raises(ValidationError, match="their words") as caught:
        Thing(number)
    assert caught.value.rule == "their rule"

def test_beyond():
    from elsewhere.models import Engine
"""


def thing(least: float) -> type:
    class Thing:
        def __init__(self, number: int) -> None:
            if number < least:
                raise Refused(f"{number}")
            self.number = number

    return Thing


def loaded(tmp_path: Path, least: float) -> dict[str, Any]:
    path = tmp_path / "test_things.py"
    path.write_text(SOURCE, encoding="utf-8")
    return load(path, ["elsewhere"], {"Thing": thing(least), "ValidationError": Refused})


def test_where_the_verdicts_agree_everything_passes(tmp_path: Path) -> None:
    space = loaded(tmp_path, 0)
    assert names_of_tests(space) == {"test_valid", "test_invalid", "test_beyond"}
    assert run(space, "test_valid") == 2
    assert run(space, "test_invalid") == 2


def test_what_is_accepted_and_should_not_be_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"accepted what is to be refused: their words"):
        run(loaded(tmp_path, -2), "test_invalid")


def test_what_is_refused_and_should_not_be_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"refused what is to be accepted: 1"):
        run(loaded(tmp_path, 2), "test_valid")


def test_what_is_not_about_metadata_fails(tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError):
        run(loaded(tmp_path, 0), "test_beyond")
