"""Tests about the package and the tests themselves: what an import loads, and whether the guards bite."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path

import blockbuster as blockbuster_package
import pytest

import brickstream

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
HEAVY = {"vispy", "dask", "OpenGL", "PySide6", "PyQt6", "aiohttp", "zarr", "numpy", "fsspec", "PIL"}
# For each contract an import that must break it: in which file, and what.
PLANTS = {
    "arrows point down": ("chunks/planted.py", "brickstream.engine"),
    "readers below sources below opening": ("chunks/http/planted.py", "brickstream.chunks.stores"),
    "the table and the fetcher know no store": ("chunks/table.py", "brickstream.chunks.zarr"),
    "no GPU and no GUI below render": ("engine/planted.py", "vispy.scene"),
    "multiscale is pure": ("multiscale/planted.py", "asyncio"),
}


def run(*command: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV_"))} | extra
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def loaded_by(statement: str, cwd: Path) -> set[str]:
    """Top-level modules that a statement loads into a fresh interpreter."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = run(sys.executable, "-c", script, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("statement", "never"),
    [
        ("import brickstream", HEAVY | {"asyncio"}),
        ("import brickstream.multiscale", HEAVY - {"numpy"}),
        ("import brickstream.chunks", {"vispy", "OpenGL", "PySide6", "PyQt6"}),
        ("import brickstream.engine", {"vispy", "OpenGL", "PySide6", "PyQt6"}),
        ("import brickstream.viewers.napari.host", {"vispy", "OpenGL", "PySide6", "PyQt6", "qtpy", "napari"}),
    ],
)
def test_an_import_loads_only_what_it_needs(statement: str, never: set[str], tmp_path: Path) -> None:
    loaded = loaded_by(statement, tmp_path)
    assert "brickstream" in loaded
    assert not loaded & never


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package that lint-imports can run on, with every layer in place."""
    shutil.copytree(ROOT / "brickstream", tmp_path / "brickstream", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for layer in CONTRACTS[0]["layers"]:
        path = tmp_path.joinpath(*layer.split("."))
        if not path.with_suffix(".py").exists():
            path.mkdir(exist_ok=True)
            (path / "__init__.py").touch()
    return tmp_path


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("importlinter")
    command = Path(sys.executable).with_name("lint-imports")
    return run(str(command), "--no-cache", "--no-logo", cwd=tree, PYTHONPATH=str(tree), COLUMNS="200")


def test_the_package_keeps_its_import_contracts(tree: Path) -> None:
    done = lint_imports(tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [contract["name"] for contract in CONTRACTS])
def test_each_import_contract_bites(name: str, tree: Path) -> None:
    assert name in PLANTS, "a new contract needs a plant that breaks it"
    module, bad = PLANTS[name]
    with (tree / "brickstream" / module).open("a", encoding="utf-8") as file:
        file.write(f"\nimport {bad}\n")
    done = lint_imports(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{name} BROKEN" in done.stdout


@pytest.fixture
def in_package() -> dict[str, Callable[..., object]]:
    """Functions that block, compiled as if they were a file of the package."""
    path = Path(brickstream.__file__).with_name("planted.py")
    source = """
import time, pathlib, threading
def sleep(): time.sleep(0)
def read(path): return pathlib.Path(path).read_bytes()
def receive(sock): return sock.recv(1)
def acquire(lock): return lock.acquire()
"""
    space: dict[str, Callable[..., object]] = {}
    exec(compile(source, str(path), "exec"), space)
    return space


async def test_a_blocked_event_loop_raises(in_package: dict[str, Callable[..., object]], tmp_path: Path) -> None:
    readable = tmp_path / "file"
    await asyncio.to_thread(readable.write_bytes, b"1")
    one, other = socket.socketpair()
    lock = threading.Lock()
    with one, other, lock:
        for call in (
            in_package["sleep"],
            lambda: in_package["read"](readable),
            lambda: in_package["receive"](one),
            lambda: in_package["acquire"](lock),
        ):
            with pytest.raises(blockbuster_package.BlockingError):
                call()


async def test_a_worker_thread_may_block(in_package: dict[str, Callable[..., object]], tmp_path: Path) -> None:
    readable = tmp_path / "file"
    await asyncio.to_thread(readable.write_bytes, b"1")
    assert await asyncio.to_thread(in_package["read"], readable) == b"1"
    await asyncio.to_thread(in_package["sleep"])


def pytest_in(folder: Path, source: str, *listed: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a test file under the rules of this folder's conftest, with some more reasons to skip listed."""
    here = Path(__file__).parent
    shutil.copy(here / "conftest.py", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    reasons = (here / "allowed_skips.txt").read_text(encoding="utf-8")
    (folder / "allowed_skips.txt").write_text("\n".join([reasons, *listed]), encoding="utf-8")
    (folder / "test_planted.py").write_text(source, encoding="utf-8")
    return run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_planted.py", cwd=folder, **extra)


SKIPS = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="for a reason")
def test_skipped():
    pass
"""


@pytest.mark.parametrize(
    ("listed", "ci", "code"), [((), "true", 1), (("for a reason",), "true", 0), ((), "", 0)], ids=["no", "yes", "local"]
)
def test_an_unlisted_skip_fails_in_ci(listed: tuple[str, ...], ci: str, code: int, tmp_path: Path) -> None:
    done = pytest_in(tmp_path, SKIPS, *listed, CI=ci)
    assert done.returncode == code, done.stdout
    assert ("SKIP NOT ALLOWED test_planted.py::test_skipped: for a reason" in done.stdout) == bool(code)


LEAKS = """
import asyncio
import threading

async def test_task():
    asyncio.create_task(asyncio.Event().wait(), name="forgotten task")
    await asyncio.sleep(0)

def test_thread():
    threading.Thread(target=threading.Event().wait, daemon=True, name="brickstream forgotten thread").start()

async def test_ended():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    await asyncio.to_thread(int)
"""


def test_what_is_left_running_fails_a_test(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, LEAKS)
    assert "3 passed, 2 errors" in done.stdout
    assert "forgotten task" in done.stdout
    assert "brickstream forgotten thread" in done.stdout
