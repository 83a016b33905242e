"""Runs tests of another package against our reader: its imports get stand-ins instead of the package.

Modules are only stand-ins by name: whatever a test imports from them is looked up in one table. What the table does not
have is a :class:`Beyond`; a test that uses one fails.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from inspect import signature
from itertools import product
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import pytest


class Refused(Exception):
    """What stand-ins raise where our reader refuses what a test made; equal to any detail that is expected of it."""

    @property
    def rule(self) -> "Whatever":
        return Whatever()

    location = message = rule


class Whatever:
    """Equal to everything: details of errors are ours, not theirs."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Beyond:
    """Stands for something of the other package that is not about metadata."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError(f"{type(self).__name__}: not about metadata")


class Raises:
    """``pytest.raises`` that takes any refusal for the one that is expected, whatever its words."""

    value: BaseException

    def __init__(self, *expected: object, match: str = "") -> None:
        self.expected = match

    def __enter__(self) -> "Raises":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            pytest.fail(f"accepted what is to be refused: {self.expected}")
        self.value = error
        return isinstance(error, Refused)


class _StandIns(MetaPathFinder, Loader):
    def __init__(self, packages: Sequence[str], names: dict[str, Any]) -> None:
        self.packages = packages
        self.names = names

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        ours = fullname.partition(".")[0] in self.packages
        return ModuleSpec(fullname, self, is_package=True) if ours else None

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = self.lookup  # type: ignore[method-assign]

    def lookup(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.names.get(name) or type(name, (Beyond,), {})


@contextmanager
def stand_ins(packages: Sequence[str], names: dict[str, Any]) -> Iterator[None]:
    """Import from stand-ins instead of some packages; those that are there already stay as they are."""

    def taken() -> dict[str, ModuleType]:
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in packages}

    finder, real = _StandIns(packages, names), taken()
    for name in real:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in taken():
            del sys.modules[name]
        sys.modules.update(real)


def load(path: Path, packages: Sequence[str], names: dict[str, Any]) -> dict[str, Any]:
    """Run a test module with stand-ins and give what it defines."""
    ours = {"raises": Raises, "fixture": lambda function: function, "mark": pytest.mark, "param": pytest.param}
    space: dict[str, Any] = {"__name__": f"foreign {path.stem}", "__file__": str(path)}
    with stand_ins(["pytest", *packages], names | ours):
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    return space


def names_of_tests(space: dict[str, Any]) -> set[str]:
    """Names of the tests that a module defines."""
    return {name for name in space if name.startswith("test_")}


def run(space: dict[str, Any], name: str) -> int:
    """Run one test with all its parameters; give how many runs that was."""
    function = space[name]
    calls = list(_parameters(function))
    for parameters in calls:
        try:
            fixtures = {key: space[key]() for key in signature(function).parameters if key not in parameters}
            function(**parameters, **fixtures)
        except Refused as error:
            raise AssertionError(f"{name}({parameters}): refused what is to be accepted: {error}") from error
        except pytest.fail.Exception as error:
            raise AssertionError(f"{name}({parameters}): {error}") from error
    return len(calls)


def _parameters(function: Callable[..., None]) -> Iterator[dict[str, Any]]:
    marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
    tables = [list(_rows(*mark.args[:2])) for mark in marks]
    for rows in product(*tables):
        yield {key: value for row in rows for key, value in row.items()}


def _rows(names: str | Sequence[str], values: Sequence[Any]) -> Iterator[dict[str, Any]]:
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for value in values:
        value = getattr(value, "values", value) if type(value).__name__ == "ParameterSet" else value
        yield dict(zip(keys, value if len(keys) > 1 else [value], strict=True))
