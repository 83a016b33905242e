"""Rules of the specification's text that its JSON schemas do not have, each with a document that breaks it alone."""

import copy
import re
from dataclasses import dataclass
from typing import Any

from brickstream.errors import MetadataError

IMAGE: dict[str, Any] = {
    "multiscales": [
        {
            "version": "0.4",
            "axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
            "datasets": [
                {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]},
                {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [2, 2]}]},
            ],
        }
    ]
}
PLATE: dict[str, Any] = {
    "plate": {
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}],
        "wells": [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}],
        "acquisitions": [{"id": 0}],
    }
}
CHANNEL = {"color": "ff0000", "window": {"start": 0, "min": 0, "end": 1, "max": 1}}


def axis(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "type": kind}


def image(**changes: Any) -> dict[str, Any]:
    """The image above, of 0.4, with other values in its entry."""
    return {"multiscales": [copy.deepcopy(IMAGE["multiscales"][0]) | changes]}


def level(path: str, *steps: list[float]) -> dict[str, Any]:
    kinds = ["scale", *["translation"] * (len(steps) - 1)]
    return {
        "path": path,
        "coordinateTransformations": [{"type": k, k: numbers} for k, numbers in zip(kinds, steps, strict=True)],
    }


def reversed_steps(dataset: dict[str, Any]) -> dict[str, Any]:
    return dataset | {"coordinateTransformations": dataset["coordinateTransformations"][::-1]}


def spaced(*more: dict[str, Any]) -> dict[str, Any]:
    axes = [*more, axis("y", "space"), axis("x", "space")]
    return image(axes=axes, datasets=[level("0", [1.0] * len(axes))])


def wrapped(document: dict[str, Any]) -> dict[str, Any]:
    return {"ome": document | {"version": "0.5"}}


def plate(**changes: Any) -> dict[str, Any]:
    return {"plate": PLATE["plate"] | changes}


@dataclass(frozen=True)
class Rule:
    """A rule of the specification's text: how the reader says it, and a document that only breaks it.

    `where` is what the JSON path of the fault looks like.
    """

    text: str
    where: str
    example: dict[str, Any]
    version: str = "0.4"
    kind: str = "image"

    def explains(self, error: MetadataError) -> bool:
        return bool(re.fullmatch(self.text, error.rule) and re.search(self.where, error.path))


RULES = [
    Rule(r"one number for each of the \d axes", "", image(datasets=[level("0", [1, 1, 1])])),
    Rule("scales are not zero", "", image(datasets=[level("0", [1, 0])])),
    Rule("datasets go from fine to coarse", "", image(datasets=[level("0", [2, 2]), level("1", [1, 2])])),
    Rule("no array listed twice", "", image(datasets=[level("0", [1, 1]), level("0", [2, 2])])),
    Rule("at most one translation", "", image(datasets=[level("0", [1, 1], [0, 0], [0, 0])])),
    Rule(
        "the translation after the scale",
        "",
        image(datasets=[reversed_steps(level("0", [1, 1], [0, 0]))]),
    ),
    Rule("axis names are unique", "", image(axes=[axis("x", "space") | {"unit": "foot"}, axis("x", "space")])),
    Rule("an axis has a name", "", image(axes=[axis("", "space"), axis("x", "space")])),
    Rule("2 or 3 axes of type space", "", image(axes=[{"name": "angle"}, axis("x", "space")])),
    Rule("at most one axis of type (time|channel)", "", spaced(axis("t", "time"), axis("u", "time"))),
    Rule("at most one axis of a type of its own", "", spaced(axis("a", "angle"), axis("b", "lifetime"))),
    Rule(
        r"time before channel \(or a type of its own\) before space",
        "",
        spaced(axis("c", "channel"), axis("t", "time")),
    ),
    Rule("a text", r"axes\[\d\]\.unit$", spaced(axis("c", "channel") | {"unit": 5})),
    Rule("a dataset names the path of its array", "", image(datasets=[level("", [1, 1])])),
    Rule("a dataset lies inside its group", "", image(datasets=[level("../0", [1, 1])])),
    Rule("names that Zarr 3 allows", "", wrapped(image(datasets=[level("__0", [1, 1])])), "0.5"),
    Rule("this key belongs to the group", "", wrapped(image(ome={})), "0.5"),
    Rule("OME-Zarr 0.5 is Zarr 3", "", wrapped(image(zarr_format=2)), "0.5"),
    Rule("six hexadecimal digits", "", IMAGE | {"omero": {"channels": [CHANNEL | {"color": "red"}]}}),
    Rule(
        "an object", r"channels\[\d\]\.window$", wrapped(IMAGE | {"omero": {"channels": [{"color": "ff0000"}]}}), "0.5"
    ),
    Rule("at most 64 levels", "", image(datasets=[level(f"{k}", [1, 1]) for k in range(65)])),
    Rule("at most 128 images", "", {"multiscales": [image(name=f"{k}")["multiscales"][0] for k in range(129)]}),
    Rule(
        "nothing listed twice",
        r"(rows|columns)\[\d\]$",
        plate(rows=[{"name": "A"}, {"name": "A", "more": 1}]),
        kind="plate",
    ),
    Rule(
        r"an integer from 0 to \d",
        "Index$",
        plate(wells=[{"path": "A/1", "rowIndex": 2, "columnIndex": 0}]),
        kind="plate",
    ),
    Rule(r"\w+/\w+, by its indices", "", plate(wells=[{"path": "A/1", "rowIndex": 1, "columnIndex": 0}]), kind="plate"),
    Rule(
        "every acquisition has an id of its own",
        "",
        plate(acquisitions=[{"id": 0}, {"id": 0, "more": 1}]),
        kind="plate",
    ),
    Rule(
        "a path inside the plate, as text",
        "",
        plate(version="0.3", wells=[{"path": "../A/1"}]),
        version="0.3",
        kind="plate",
    ),
    Rule(
        "no field listed twice",
        "",
        wrapped({"well": {"images": [{"path": "0"}, {"path": "0", "more": 1}]}}),
        "0.5",
        "well",
    ),
    Rule(
        "one color for a label-value",
        "",
        {"image-label": {"colors": [{"label-value": 1}, {"label-value": 1, "a": 1}]}},
        kind="label",
    ),
    Rule("a path inside the group, as text", "", {"series": ["../0"]}, kind="ome"),
]
