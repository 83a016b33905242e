"""Rules that every test lives under: no blocked event loop, nothing left running, no proxies, no unlisted skips."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from blockbuster import BlockBuster, blockbuster_ctx

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")
IN_CI = bool(os.environ.get("CI"))

# Tests talk to 127.0.0.1 only; a proxy of the machine must not stand in between, nor in that of a child process.
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.lower(), None)

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=25, database=None)
hypothesis.settings.register_profile("long", deadline=None, max_examples=3000, print_blob=True)
hypothesis.settings.register_profile("short", deadline=None, derandomize=True, max_examples=10, database=None)
hypothesis.settings.load_profile("default")


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Raise where code of the package blocks a running event loop: sleep, files, sockets, locks.

    A thread without a loop may block. A test with a good reason says ``blockbuster.functions[...].can_block_in(...)``.
    """
    with blockbuster_ctx("brickstream") as active:
        yield active


@pytest.fixture(autouse=True)
def nothing_left_running(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that ends with unfinished tasks or with a thread of the package still alive."""
    left: list[str] = []
    cancel_all = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def note_then_cancel(loop: asyncio.AbstractEventLoop) -> None:
        left.extend(repr(task) for task in asyncio.all_tasks(loop) if _ours(task))
        cancel_all(loop)

    # A runner cancels what is left when it closes, without a word: the last moment to see it.
    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", note_then_cancel)
    before = set(threading.enumerate())
    yield
    left += [repr(t) for t in set(threading.enumerate()) - before if t.name.startswith("brickstream")]
    assert not left, f"left running: {left}"


def _ours(task: "asyncio.Task[object]") -> bool:
    """Tell tasks that our code or a test started from those of aiohttp, which ends its own when its loop does."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and f"{os.sep}site-packages{os.sep}" not in code.co_filename


class SkipsMustBeListed:
    """In CI, a test that is skipped for a reason not listed in ``allowed_skips.txt`` fails the session."""

    def __init__(self, allowed: Path) -> None:
        lines = allowed.read_text(encoding="utf-8").splitlines()
        self.allowed = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
        self.unlisted: list[tuple[str, str]] = []

    def _look(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = text.removeprefix("Skipped: ")
        if reason not in self.allowed:
            self.unlisted.append((report.nodeid, reason))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._look(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid, reason in self.unlisted:
            terminalreporter.write_line(f"SKIP NOT ALLOWED {nodeid}: {reason} (list it in tests/allowed_skips.txt)")


def pytest_configure(config: pytest.Config) -> None:
    if IN_CI:
        config.pluginmanager.register(SkipsMustBeListed(ALLOWED_SKIPS), "skips-must-be-listed")
