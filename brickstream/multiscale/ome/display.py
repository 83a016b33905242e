"""How an image likes to be shown. Wishes, not data: what is unreadable counts as not said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from brickstream.multiscale.ome.demands import is_rgba, is_whole
from brickstream.multiscale.ome.fields import take_number, text_or
from brickstream.multiscale.ome.model import ImageLabel
from brickstream.multiscale.pyramid import Channel

# Six digits, as it should be; three, eight or a leading # is what some wrote.
_COLOR = re.compile(r"#?((?:[0-9A-Fa-f]{3}){1,2})(?:[0-9A-Fa-f]{2})?")


def read_channels(value: object) -> tuple[Channel, ...]:
    """Read the channels of ``omero``, whatever it is."""
    return tuple(_channel(i, entry) for i, entry in enumerate(_objects(_object(value).get("channels"))))


def _channel(i: int, entry: Mapping[str, Any]) -> Channel:
    window = _object(entry.get("window"))
    low, high = take_number(window.get("start")), take_number(window.get("end"))
    limits = (low, high) if low is not None and high is not None and low < high else None
    return Channel(
        text_or(entry.get("label"), str(i)), _color(entry.get("color")), limits, entry.get("active") is not False
    )


def _color(value: object) -> str | None:
    found = _COLOR.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    digits = found[1]
    return digits if len(digits) == 6 else "".join(2 * digit for digit in digits)


def read_label(value: object) -> ImageLabel:
    """Read ``image-label``, whatever it is; of several colors for a value, the last one counts."""
    entry = _object(value)
    colors: dict[float, tuple[int, int, int, int]] = {}
    for item in _objects(entry.get("colors")):
        number, rgba = item.get("label-value"), item.get("rgba")
        if number is not None and take_number(number) is not None and is_rgba(rgba):
            red, green, blue, alpha = map(int, rgba)
            # An id above 2^53 is no float.
            colors[int(number) if is_whole(number) else number] = (red, green, blue, alpha)
    properties = tuple(
        (int(item["label-value"]), tuple((key, known) for key, known in item.items() if key != "label-value"))
        for item in _objects(entry.get("properties"))
        if is_whole(item.get("label-value"))
    )
    source = _object(entry.get("source")).get("image")
    return ImageLabel(tuple(colors.items()), properties, source if isinstance(source, str) else ImageLabel.source)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    """Give the objects of a list, with an empty one in the place of everything else."""
    return [_object(item) for item in value] if isinstance(value, list | tuple) else []
