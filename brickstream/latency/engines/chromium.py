"""A headless Chromium with one page, and what its processes cost."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress
from typing import Any

from brickstream.errors import BrickstreamError, ClosedError, MissingPackageError

NAMES = ("chromium", "chromium-browser", "google-chrome")
# The machine's own OpenGL, as our renderer has it: Mesa's llvmpipe where there is no GPU, many times faster in volumes
# than Chromium's own SwiftShader, which is left for machines without EGL.
FLAGS = ("--use-angle=gl-egl", "--ignore-gpu-blocklist", "--enable-unsafe-swiftshader")
WAIT_S = 30.0
END_S = 3.0
_RENDERER = """() => {
  const gl = document.createElement("canvas").getContext("webgl2");
  return gl && gl.getParameter(gl.getExtension("WEBGL_debug_renderer_info").UNMASKED_RENDERER_WEBGL);
}"""


def find_chromium() -> str | None:
    """Path of the Chromium of this machine, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser with one page. All methods belong to the thread that calls :meth:`start`.

    Parameters
    ----------
    canvas : tuple of (int, int)
        Width and height of the page in physical pixels.
    alarm : str, default ""
        A line on the console that begins so means that the page has failed.

    Attributes
    ----------
    renderer : str
        What draws WebGL, in Chromium's words.
    """

    def __init__(self, canvas: tuple[int, int], alarm: str = "") -> None:
        self.renderer = ""
        self._canvas = canvas
        self._alarm = alarm
        self._stack = ExitStack()
        self._page: Any = None
        self._processes: dict[int, Any] = {}
        self._cpu: dict[int, float] = {}
        self._peak = 0.0
        self._failure = ""

    def start(self) -> None:
        """Start the browser.

        Raises
        ------
        MissingPackageError
            If there is no Chromium on this machine.
        BrickstreamError
            If it does not start, or has no WebGL 2.
        """
        path = find_chromium()
        if path is None:
            raise MissingPackageError("no Chromium on this machine", "", "apt-get install chromium")
        try:
            self._launch(path)
            self.renderer = self.run(_RENDERER) or ""
        except BaseException:
            self.close()
            raise
        if not self.renderer:
            self.close()
            raise BrickstreamError("Chromium has no WebGL 2 here", path, "apt-get install libegl1 libgl1-mesa-dri")

    def _launch(self, path: str) -> None:
        import psutil
        from playwright.sync_api import Error, sync_playwright

        playwright = self._stack.enter_context(sync_playwright())
        try:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS), timeout=WAIT_S * 1000)
        except Error as error:
            raise BrickstreamError(f"Chromium did not start: {_line(error)}", path) from error
        self._stack.callback(browser.close)
        found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        main = next(process["id"] for process in found if process["type"] == "browser")
        self._processes = {main: psutil.Process(main)}
        width, height = self._canvas
        self._page = browser.new_page(viewport={"width": width, "height": height})
        self._page.set_default_timeout(WAIT_S * 1000)
        self._page.on("crash", lambda _: self._fail("the page crashed"))
        self._page.on("pageerror", lambda error: self._fail(f"an error in the page: {_line(error)}"))
        self._page.on("console", lambda message: self._hear(message.text))

    def open(self, url: str, ready: str, *scripts: str) -> None:
        """Load a page.

        Parameters
        ----------
        url : str
        ready : str
            A JavaScript expression that is true when the page can be used.
        *scripts : str
            JavaScript that runs before anything of the page does.

        Raises
        ------
        BrickstreamError
            If the page does not load, or is not ready in half a minute.
        """
        from playwright.sync_api import Error

        page = self._open_page
        try:
            for script in scripts:
                page.add_init_script(script)
            page.goto(url)
            page.wait_for_function(ready)
        except Error as error:
            raise BrickstreamError(self._failure or f"the page did not load: {_line(error)}", url) from error

    def run(self, script: str, argument: Any = None) -> Any:
        """Run a JavaScript function in the page, and return what it returns.

        Raises
        ------
        BrickstreamError
            If it fails, or the page has failed since the last call.
        """
        from playwright.sync_api import Error

        page = self._open_page
        try:
            result = page.evaluate(script, argument)
        except Error as error:
            raise BrickstreamError(self._failure or f"the page failed: {_line(error)}", "Chromium") from error
        if self._failure:
            failure, self._failure = self._failure, ""
            raise BrickstreamError(failure, "Chromium")
        return result

    def screenshot(self) -> bytes:
        """Take a picture of the page, as PNG. It holds the browser up."""
        picture: bytes = self._open_page.screenshot()
        return picture

    def forget_peak(self) -> None:
        """Let the most memory begin anew."""
        self._peak = 0.0

    def usage(self) -> tuple[float, float]:
        """Say what the browser's processes have cost.

        Returns
        -------
        cpu_s : float
            Processor seconds until now, of processes that have ended too.
        peak_mb : float
            The most mebibytes that a call of this method has found: what each process has for itself and, once, the
            most that one shares. To tell who shares what takes the system a tenth of a second.
        """
        import psutil

        own, shared = 0, 0
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                times, memory = process.cpu_times(), process.memory_info()
                self._cpu[process.pid] = times.user + times.system
                also = getattr(memory, "shared", 0)
                own, shared = own + memory.rss - also, max(shared, also)
        self._peak = max(self._peak, (own + shared) / 1e6)
        return sum(self._cpu.values()), self._peak

    def close(self) -> None:
        """End the browser and all of its processes; may be called more than once."""
        tree = self._tree()
        try:
            self._stack.close()
        finally:
            _end(tree)
            self._page = None

    def _tree(self) -> list[Any]:
        """Return the browser's processes, also those whose parent has ended."""
        import psutil

        for process in list(self._processes.values()):
            with suppress(psutil.NoSuchProcess):
                self._processes |= {child.pid: child for child in process.children(recursive=True)}
        self._processes = {pid: process for pid, process in self._processes.items() if _runs(process)}
        return list(self._processes.values())

    @property
    def _open_page(self) -> Any:
        if self._page is None:
            raise ClosedError("the browser is not running")
        return self._page

    def _hear(self, text: str) -> None:
        if self._alarm and text.startswith(self._alarm):
            self._fail(_line(text))

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why


def _runs(process: Any) -> bool:
    """Whether a process has not ended; one that nobody has waited for has."""
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(processes: list[Any]) -> None:
    """End the processes that are left, each by its id."""
    import psutil

    left = [process for process in processes if _runs(process)]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, END_S)


def _line(error: object) -> str:
    """Return the first line of a message: what follows is a log of the browser."""
    return str(error).strip().partition("\n")[0][:200]
