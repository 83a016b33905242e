"""Films to files: PNG frames, GIF, animated PNG, MP4."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from brickstream.errors import MissingPackageError, StoreError, ViewError
from brickstream.viewers.files import write_png
from brickstream.viewers.painter import Picture

KINDS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".mp4": "MP4"}
# GIF counts in hundredths of a second, and viewers take less than two of them for a mistake.
GIF_MOST_FPS = 50.0


def kind_of(path: Path, fps: float) -> str:
    """Which kind of film a path is for: ``"GIF"``, ``"PNG"``, ``"MP4"``, or ``""`` for a folder of frames.

    Raises
    ------
    ViewError
        If the suffix is of none, or a GIF cannot be so quick.
    MissingPackageError
        If there is no ffmpeg for an MP4.
    """
    suffix = path.suffix.lower()
    if path.is_dir() or not suffix:
        return ""
    if suffix not in KINDS:
        raise ViewError(f"no film has the suffix {suffix!r}", str(path), f"{', '.join(KINDS)}, or a folder for frames")
    if suffix == ".gif" and fps > GIF_MOST_FPS:
        raise ViewError(f"a GIF has at most {GIF_MOST_FPS:g} frames a second", f"{fps=:g}", "choose .png or .mp4")
    if suffix == ".mp4":
        find_ffmpeg()
    return KINDS[suffix]


def find_ffmpeg() -> str:
    """Path of a program ffmpeg: of the package imageio-ffmpeg, else of the machine.

    Raises
    ------
    MissingPackageError
        If there is none.
    """
    try:
        return str(import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # not installed, or installed without the program
        found = shutil.which("ffmpeg")
    if found is None:
        raise MissingPackageError("no ffmpeg, which MP4 needs", "", "pip install 'brickstream[video]', or choose .gif")
    return found


def write_film(path: str | Path, frames: Iterable[Picture], fps: float) -> int:
    """Write a film: what its suffix says, or frames into a folder. MP4 and folders take one frame at a time.

    Parameters
    ----------
    path : str or pathlib.Path
        ``film.gif``, ``film.png`` (animated; ``.apng`` too), ``film.mp4``, or a folder for ``frame-00000.png`` ...
    frames : iterable of ndarray of shape (height, width, 4), uint8
    fps : float
        Frames a second.

    Returns
    -------
    int
        How many frames there were.

    Raises
    ------
    StoreError
        If it cannot be written; there is no file then.
    ViewError, MissingPackageError
        As :func:`kind_of`.
    """
    path = Path(path)
    kind = kind_of(path, fps)
    counted = _Counted(frames)
    if not kind:
        _write_folder(path, counted)
        return counted.count
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    write: Callable[[Path, Iterator[Picture], float], None] = _write_mp4 if kind == "MP4" else _animate(kind)
    try:
        write(part, iter(counted), fps)
        part.replace(path)
    except StoreError:
        raise  # of an image that is read, or of ffmpeg
    except OSError as error:
        raise StoreError(f"cannot be written ({error.strerror or error})", str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    return counted.count


class _Counted:
    """Frames, counted as they are taken."""

    def __init__(self, frames: Iterable[Picture]) -> None:
        self._frames = frames
        self.count = 0

    def __iter__(self) -> Iterator[Picture]:
        for frame in self._frames:
            self.count += 1
            yield frame


def _write_folder(path: Path, frames: Iterable[Picture]) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"no folder can be made here ({error.strerror or error})", str(path)) from error
    for number, frame in enumerate(frames):
        write_png(path / f"frame-{number:05d}.png", frame)


def _animate(kind: str) -> Callable[[Path, Iterator[Picture], float], None]:
    def write(path: Path, frames: Iterator[Picture], fps: float) -> None:
        from PIL import Image

        # Pillow looks at them twice, so all are in memory.
        first, *others = [Image.fromarray(frame[..., :3]) for frame in frames]
        how: dict[str, Any] = {"duration": 1000 / fps, "loop": 0, "save_all": True, "append_images": others}
        if kind == "GIF":
            how["duration"] = round(100 / fps) * 10
        with path.open("wb") as file:
            first.save(file, format=kind, **how)

    return write


def _write_mp4(path: Path, frames: Iterator[Picture], fps: float) -> None:
    """Let ffmpeg write H.264 as every player knows it: even sides, colours at half the resolution."""
    first = next(frames)
    height, width = first.shape[:2]
    command = [find_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgba"]
    command += ["-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-", "-an", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]
    command += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        if program.stdin is None or program.stderr is None:
            raise StoreError("ffmpeg takes no input", str(path))
        try:
            program.stdin.write(first.tobytes())
            for frame in frames:
                program.stdin.write(frame.tobytes())
            program.stdin.close()
        except BrokenPipeError:
            pass  # it has ended, and says why
        except BaseException:
            program.kill()
            raise
        said = program.stderr.read().decode(errors="replace").strip()
        if program.wait():
            last = said.splitlines()[-1] if said else f"exit code {program.returncode}"
            raise StoreError(f"ffmpeg failed: {last}", str(path))
