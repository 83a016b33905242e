"""Cases that packages carry in their tests: where they are, and what of their code is needed to get at them.

`make test` fetches the packages into the virtual environment (``tools/fetch_conformance.py``); they are not installed.
"""

import ast
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from brickstream.errors import MetadataError
from brickstream.multiscale import read_document

HOME = Path(sys.prefix) / "conformance"
MISSING = f"the packages with the conformance cases are not in {HOME.name}/ of the virtual environment: run make test"


@dataclass(frozen=True)
class Case:
    """A document and what it is said to be: `kind` is image, label, plate, well, labels, or any (nothing is asked)."""

    name: str
    document: dict[str, Any]
    kind: str
    valid: bool


def folder(package: str) -> Path:
    """Folder of an unpacked package; fails the test where it was not fetched."""
    path = HOME / package
    if not path.is_dir():
        pytest.fail(MISSING)
    return path


def collected(package: str, load: Callable[[Path], Iterator[Any]]) -> list[Any]:
    """Cases for ``parametrize``; where there are none yet, one parameter that makes the test fail."""
    return list(load(HOME / package)) if (HOME / package).is_dir() else [pytest.param(None, id="not-fetched")]


def literals(path: Path) -> dict[str, Any]:
    """What the constants of a test module are, by name: its imports and tests are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted: list[ast.stmt] = []
    for node in tree.body:
        helper = isinstance(node, ast.FunctionDef) and not node.decorator_list and not node.name.startswith("test_")
        if helper or isinstance(node, ast.Assign | ast.AnnAssign):
            wanted.append(node)
    space: dict[str, Any] = {}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), space)
    return {name: value for name, value in space.items() if name.isupper()}


def attributes(path: Path) -> dict[str, Any]:
    """Attributes that a ``.zattrs``, a ``zarr.json``, or a JSON document of nothing else holds."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document.get("attributes", {}) if path.name == "zarr.json" else document


def refusal(document: dict[str, Any], kind: str = "any") -> str:
    """Why a document is refused, or not what it should be; empty where it is accepted."""
    try:
        found = read_document(document)
    except MetadataError as error:
        return str(error)
    collection = found.collection.kind if found.collection else ""
    kinds = {"any", collection, "image" if found.images else "", "label" if found.images and found.label else ""}
    return "" if kind in kinds else f"no {kind}"


def judge(case: Case | None) -> None:
    """Assert that a case is accepted or refused as it should be."""
    if case is None:
        pytest.fail(MISSING)
    why = refusal(case.document, case.kind)
    if case.valid:
        assert not why, why
    else:
        assert why, f"accepted: {json.dumps(case.document)}"
