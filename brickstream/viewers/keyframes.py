"""Keyframes as JSON. What is read here is described in docs/figures.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from brickstream.errors import BrickstreamError, StoreError, ViewError
from brickstream.multiscale import Camera, View
from brickstream.viewers.animation import Keyframe

# What a keyframe may say of its view, and of itself.
VIEW_KEYS = ("point", "margins", "center", "zoom", "camera", "level")
KEYS = ("time", "clim", "easing", *VIEW_KEYS)


def read_keyframes(path: str | Path, first: View) -> list[Keyframe]:
    """Read a file of keyframes.

    Parameters
    ----------
    path : str or pathlib.Path
    first : View
        What is shown where a file says nothing.

    Raises
    ------
    StoreError
        If the file cannot be read.
    ViewError
        If it is no JSON, or does not hold keyframes; with the place in it.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot be read ({error.strerror or error})", str(path)) from error
    except ValueError as error:
        raise ViewError(f"not a JSON document ({error})", str(path)) from error
    return keyframes_of(document, first, str(path))


def keyframes_of(document: Any, first: View, where: str = "keyframes") -> list[Keyframe]:
    """Make keyframes of a list of plain mappings; each says what differs from the one before.

    Raises
    ------
    ViewError
        If it does not hold keyframes; with the place in it.
    """
    if not isinstance(document, list) or not document:
        raise ViewError("keyframes are a list", where, 'for example [{"time": 0}, {"time": 2, "zoom": 8}]')
    keys: list[Keyframe] = []
    view, clim = first, None
    for number, entry in enumerate(document):
        place = f"{where}[{number}]"
        if not isinstance(entry, dict) or not set(entry) <= set(KEYS) or "time" not in entry:
            hint = f"the keys are {', '.join(KEYS)}; time is needed"
            raise ViewError("a keyframe is an object with known keys", place, hint)
        try:
            view = _changed(view, entry)
            clim = tuple(map(float, entry["clim"])) if "clim" in entry else clim
            keys.append(Keyframe(float(entry["time"]), view, clim, entry.get("easing", "smooth")))  # type: ignore[arg-type]
        except (BrickstreamError, TypeError, ValueError, AttributeError) as error:
            raise ViewError(f"not a keyframe: {error}", place) from error
        if clim is not None and len(clim) != 2:
            raise ViewError("contrast limits are two numbers", f"{place}.clim")
    return keys


def _changed(view: View, entry: Mapping[str, Any]) -> View:
    """A view with what an entry says."""
    given = {name: entry[name] for name in VIEW_KEYS if name in entry}
    for name in ("point", "margins"):
        if name in given:
            given[name] = tuple((dict(getattr(view, name)) | given[name]).items())
    if isinstance(given.get("center"), dict):
        unknown = set(given["center"]) - set(view.displayed)
        if unknown:
            raise ValueError(f"the centre names {', '.join(sorted(unknown))}, which are not displayed")
        center = dict(zip(view.displayed, view.center, strict=True)) | given["center"]
        given["center"] = tuple(center[name] for name in view.displayed)
    if "camera" in given:
        before = Camera() if view.camera is None else view.camera
        given["camera"] = Camera.from_dict(before.to_dict() | given["camera"])
    return replace(view, **given)
