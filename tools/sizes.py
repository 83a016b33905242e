"""Print how large functions and files are; fail where one outgrows what a reader can hold. Standard library only."""

import ast
import sys
from pathlib import Path
from statistics import median

MAX_FUNCTION = 60
MAX_FILE = 500


def functions(path: Path) -> list[tuple[int, str]]:
    """Lines of each function without its docstring, and where it is."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            found.append((lines, f"{path}:{node.lineno} {node.name}"))
    return found


def main(folders: list[str]) -> int:
    """Measure the Python files under some folders."""
    files = sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    lengths = [(len(path.read_text(encoding="utf-8").splitlines()), str(path)) for path in files]
    bodies = sorted(body for path in files for body in functions(path))
    if not bodies:
        print("no functions found under", *folders)
        return 1
    counts = [lines for lines, _ in bodies]
    print(
        f"{len(files)} files, {sum(lines for lines, _ in lengths)} lines, {len(counts)} functions: "
        f"median {median(counts):g}, 90 % within {counts[len(counts) * 9 // 10]}, largest {counts[-1]} lines"
    )
    too_long = [f"{where}: {lines} lines, at most {MAX_FUNCTION}" for lines, where in bodies if lines > MAX_FUNCTION]
    too_long += [f"{path}: {lines} lines, at most {MAX_FILE}" for lines, path in lengths if lines > MAX_FILE]
    print(*too_long, sep="\n", end="\n" if too_long else "")
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["brickstream"]))
