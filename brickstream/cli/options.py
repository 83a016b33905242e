"""Texts of the command line to values, and back to one clear error."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brickstream.errors import BrickstreamError, ViewError
from brickstream.multiscale import Camera

if TYPE_CHECKING:
    from brickstream.render.look import Look
    from brickstream.render.overlays import Overlay

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}
_PAIR = re.compile(r"[A-Za-z_]\w*=")
_SETTING = re.compile(r"([a-z_]+(?:\.[a-z_]+)*)=(.*)", re.DOTALL)
# These take several values, with commas or as words of their own.
_MANY = ("--point", "--center", "--camera", "--margins", "--normal")


@dataclass(frozen=True)
class Channels:
    """Channels to show together.

    Attributes
    ----------
    numbers : tuple of int or None
        None means all that the metadata calls active.
    colors : tuple of str or None
    """

    numbers: tuple[int, ...] | None
    colors: tuple[str, ...] | None


class OptionError(BrickstreamError, ValueError):
    """An option that cannot be read."""


def join_words(argv: Sequence[str]) -> list[str]:
    """Join ``--point z=90 t=3`` to ``--point z=90,t=3``: values of one option given as words of their own."""
    out: list[str] = []
    current = ""
    for word in argv:
        if current and _PAIR.match(word) and "=" in out[-1]:
            out[-1] += f",{word}"
            continue
        if word in _MANY:
            current = word
        elif not (out and out[-1] in _MANY):
            current = ""
        out.append(word)
    return out


def size(text: str) -> tuple[int, int]:
    """Read ``800x600`` as (width, height)."""
    match = re.fullmatch(r"(\d{1,5})[xX,](\d{1,5})", text.strip())
    if match is None or 0 in (int(match[1]), int(match[2])):
        raise OptionError("not a size", f"--size {text}", "for example 800x600")
    return int(match[1]), int(match[2])


def shape(text: str, option: str = "--shape") -> tuple[int, ...]:
    """Read ``512x512x512`` as a shape."""
    parts = re.split(r"[xX,]", text.strip())
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise OptionError("not a shape", f"{option} {text}", "for example 512x512x512")
    return tuple(int(part) for part in parts)


def on_off(text: str, option: str) -> bool:
    """Read ``on`` or ``off``."""
    if text not in ("on", "off"):
        raise OptionError("not on or off", f"{option} {text}")
    return text == "on"


def byte_count(text: str, option: str) -> int:
    """Read ``512MB``, ``2GiB`` or plain bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", text.strip().lower())
    if match is None:
        raise OptionError("not a number of bytes", f"{option} {text}", "for example 536870912, 512MB or 2GiB")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, float]:
    """Read ``z=90,t=3`` (also given in several options) as numbers by name."""
    found: dict[str, float] = {}
    for part in _parts(texts):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise OptionError("not NAME=NUMBER", f"{option} {part}", f"for example {option} z=90")
        found[name.strip()] = _number(value, option)
    return found


def center(texts: Sequence[str] | None) -> dict[str, float] | tuple[float, ...] | None:
    """Read ``y=100,x=200`` by name, or ``100,200`` in the order of the displayed axes."""
    parts = _parts(texts)
    if not parts:
        return None
    if any("=" in part for part in parts):
        return pairs(texts, "--center")
    return tuple(_number(part, "--center") for part in parts)


def camera(texts: Sequence[str] | None) -> Camera:
    """Read ``azimuth=30,elevation=20,fov=45,distance=300`` over the default camera."""
    given = pairs(texts, "--camera")
    names = [field.name for field in fields(Camera)]
    for name in given:
        if name not in names:
            raise OptionError(f"unknown camera setting {name!r}", "--camera", f"known are {', '.join(names)}")
    return Camera(**given)


def names(text: str, option: str) -> tuple[str, ...]:
    """Read ``a,b`` as names, each once."""
    found = tuple(dict.fromkeys(_parts([text])))
    if not found:
        raise OptionError("no name", option, f"leave {option} out for all")
    return found


def clim(text: str | None) -> tuple[float, float] | None:
    """Read ``LO,HI``."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2:
        raise OptionError("not two limits", f"--clim {text}", "for example --clim 0,255")
    low, high = (_number(part, "--clim") for part in parts)
    if not low < high:
        raise ViewError("the lower contrast limit must be below the upper", f"--clim {text}")
    return low, high


def channels(text: str | None, colors: str | None) -> Channels | None:
    """Read ``0,1,2`` or ``all``, and ``ff0000,green,cyan``."""
    if text is None and colors is None:
        return None
    numbers = None
    if text not in (None, "all"):
        parts = str(text).split(",")
        if not all(part.strip().isdigit() for part in parts):
            raise OptionError("not numbers of channels", f"--channels {text}", "for example --channels 0,2 or all")
        numbers = tuple(int(part) for part in parts)
    return Channels(numbers, None if colors is None else tuple(part.strip() for part in colors.split(",")))


def look(texts: Sequence[str] | None, **given: Any) -> Look:
    """Read what ``--look`` says, in the order that it was given; then options of their own, where they are not None.

    Parameters
    ----------
    texts : sequence of str, optional
        Each a JSON file, or ``key=value`` with a value of JSON or a word: ``surfaces.count=5``, ``method=iso``.
    **given
        Fields of a look.
    """
    from brickstream.render.look_file import read_look

    document: dict[str, Any] = {}
    for text in texts or ():
        setting = _SETTING.fullmatch(text)
        if setting is None:
            document |= _read_object(Path(text))
        else:
            _put(document, setting[1].split("."), setting[2])
    return read_look(document | {name: value for name, value in given.items() if value is not None}, "--look")


def _put(document: dict[str, Any], path: Sequence[str], text: str) -> None:
    """Set a value in nested objects; what is no JSON is a word."""
    *parents, name = path
    for parent in parents:
        inner = document.get(parent)
        document[parent] = document = dict(inner) if isinstance(inner, dict) else {}
    try:
        document[name] = json.loads(text)
    except ValueError:
        document[name] = text


def _read_object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "give a JSON file, or KEY=VALUE"
        raise OptionError(f"cannot be read ({error.strerror or error})", f"--look {path}", hint) from error
    except ValueError as error:
        raise OptionError(f"not a JSON document ({error})", f"--look {path}") from error
    if not isinstance(document, dict):
        raise OptionError("not an object", f"--look {path}", 'for example {"method": "iso", "threshold": 40}')
    return document


def projection(text: str | None, margins: Mapping[str, float]) -> str:
    """Check that a projection has a thick slice to work on; the default is the mean."""
    if text is not None and not margins:
        raise OptionError(
            "a projection needs a thick slice", f"--projection {text}", "add its reach, for example --margins z=5"
        )
    return text if text is not None else "mean"


def overlays(scale_bar: bool, axes: bool, colorbar: bool, texts: Sequence[str] | None) -> tuple[Overlay, ...]:
    """What is drawn over a picture. A text goes to the top left, or where it says: ``bottom-left:A title``."""
    from brickstream.render.overlays import Axes, ColorBar, ScaleBar, Text
    from brickstream.render.overlays.drawing import CORNERS

    chosen: list[Overlay] = []
    if scale_bar:
        chosen.append(ScaleBar())
    if axes:
        chosen.append(Axes())
    if colorbar:
        chosen.append(ColorBar())
    for text in texts or ():
        corner, colon, rest = text.partition(":")
        at_corner = bool(colon) and corner in CORNERS
        words = (rest if at_corner else text).replace("\\n", "\n")
        chosen.append(Text(words, corner if at_corner else CORNERS[0]))
    return tuple(chosen)


def out_file(path: Path) -> Path:
    """Check that a file can be written there, before anything long begins."""
    folder = path.absolute().parent
    # Those of os.path call a name that is too long no folder; those of Path raise.
    if os.path.isdir(path):
        raise OptionError("a folder, not a file", str(path), "name the file to write")
    if not os.path.isdir(folder):
        raise OptionError("no such folder", str(folder), "make it first")
    try:
        path.stat()
    except FileNotFoundError:
        allowed = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise OptionError(f"cannot be written ({error.strerror})", str(path)) from error
    else:
        allowed = os.access(path, os.W_OK)
    if not allowed:
        raise OptionError("cannot be written (Permission denied)", str(path))
    return path


def _parts(texts: Sequence[str] | None) -> list[str]:
    return [part.strip() for text in texts or () for part in text.split(",") if part.strip()]


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise OptionError("not a number", f"{option} {text}") from error
