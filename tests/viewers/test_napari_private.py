"""What is private in napari is used in one file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import brickstream.viewers

FOLDER = Path(brickstream.viewers.__file__).parent / "napari"


def private_names(source: str) -> Iterator[str]:
    """Attributes of anything but oneself, and modules, whose names begin with an underscore."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__" and "._" in f".{node.module}":
            yield str(node.module)


def test_only_one_file_knows_what_is_private() -> None:
    found = {path.name: list(private_names(path.read_text(encoding="utf-8"))) for path in FOLDER.glob("*.py")}
    assert len(found) > 10
    assert not {name: names for name, names in found.items() if names}
    # There they are texts, looked up one by one, so that each has its error.
    assert [path.name for path in FOLDER.glob("*.py") if '"_qt_viewer"' in path.read_text(encoding="utf-8")] == [
        "private.py"
    ]


def test_private_names_are_found() -> None:
    source = "import napari\nfrom napari._qt import x\nviewer.window._qt_viewer.canvas\nself._mine\nf().__wrapped__"
    assert sorted(private_names(source)) == ["_qt_viewer", "napari._qt"]
