"""Rules of the text of OME-NGFF 0.6 that its JSON schemas do not have, each with a document that breaks it alone."""

from typing import Any

from clauses import Rule
from rfc5 import Json, by_dimension, sequence, step, system

SYSTEMS = [system("physical"), system("world")]
ONE = {"type": "scale", "scale": [2]}
AFFINE = [[1, 0, 0], [0, 1, 0]]
STEP = "coordinateTransformations"


def level(path: str = "0", **what: Json) -> Json:
    return {"path": path, STEP: [step({"path": path}, {"name": "physical"}, **what)]}


def image(*levels: Json, systems: Json = SYSTEMS, **changes: Json) -> dict[str, Any]:
    """An image of 0.6, with other levels or systems, or other values in its entry."""
    entry = {"coordinateSystems": systems, "datasets": list(levels) or [level()], **changes}
    return {"ome": {"version": "0.6", "multiscales": [entry]}}


def outer(source: str = "physical", target: str = "world", **what: Json) -> dict[str, Any]:
    """An image with a transformation from its intrinsic coordinate system to the other."""
    return image(coordinateTransformations=[step({"name": source}, {"name": target}, **what)])


def scene(source: Json, axes: str = "yx", target: Json = None, **what: Json) -> dict[str, Any]:
    steps = [step(source, target or {"name": "world"}, **what)]
    return {"ome": {"version": "0.6", "scene": {"coordinateSystems": [system("world", axes)], STEP: steps}}}


def rule(text: str, where: str, example: dict[str, Any], kind: str = "image") -> Rule:
    return Rule(text, where, example, "0.6", kind)


NAMED = [
    rule("names of coordinate systems are unique", r"\.name$", image(systems=[system("physical"), *SYSTEMS])),
    rule("one of the coordinate systems .*", r"(input|output)\.name$", outer(target="nowhere")),
    rule("the name of a coordinate system", r"(input|output)\.name$", scene({"name": ""}), "scene"),
    rule("a path below the document's own group", r"\.path$", scene({"name": "p", "path": "../0"}), "scene"),
    rule(
        "2 or 3 axes of type space",
        r"coordinateSystems\[\d+\]\.axes$",
        image(systems=[{"name": "physical", "axes": [{"name": n, "type": "array"} for n in "ab"] + [{"name": "x"}]}]),
    ),
]
LEVELS = [
    rule(
        "that of all levels, .*",
        r"datasets\[\d+\].*\.output$",
        image(level(), {"path": "1", STEP: [step({"path": "1"}, {"name": "world"})]}),
    ),
    rule(
        "a scale, an identity, or a sequence of a scale and a translation",
        r"datasets\[\d+\].*\.type$",
        image({"path": "0", STEP: [{"input": {"path": "0"}, "output": {"name": "physical"}}]}),
    ),
    rule(
        "a scale followed by a translation",
        r"datasets\[\d+\].*\.transformations$",
        image(level(**sequence({"type": "translation", "translation": [0, 0]}, {"type": "scale", "scale": [1, 1]}))),
    ),
]
PARAMETERS = [
    rule(
        "its input and output have as many axes",
        "",
        scene({"name": "world"}, **by_dimension(({"type": "identity"}, [0], [0, 1]))),
        "scene",
    ),
    rule(
        r"a transformation of \d+ axes, those of its (input|output)",
        "",
        scene({"name": "p", "path": "a"}, "zyx", type="mapAxis", mapAxis=[1, 0]),
        "scene",
    ),
    rule(
        "rows of the same length, one number for each axis",
        r"\.(affine|rotation)$",
        outer(type="affine", affine=[[1, 0, 0], [1]]),
    ),
    rule(r"(M|\d+) rows of (N \+ 1|\d+) numbers", r"\.affine$", outer(type="affine", affine=AFFINE[:1])),
    rule(
        "a square matrix with one row for each axis",
        r"\.rotation$",
        outer(type="rotation", rotation=[[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ),
    rule(
        "a rotation: orthonormal rows, determinant 1",
        r"\.rotation$",
        outer(type="rotation", rotation=[[1, 0], [0, -1]]),
    ),
    rule(r"places of axes from 0 to \d+", r"\.mapAxis$", outer(type="mapAxis", mapAxis=[0, 2])),
    rule(
        r"every axis from 0 to \d+ once",
        r"\.mapAxis$",
        scene({"name": "world"}, "zyx", type="mapAxis", mapAxis=[0, 1]),
        "scene",
    ),
    rule(r"axes that lead from -?\d+ axes to -?\d+", "", outer(type="projectAxis", droppedInputs=[0])),
    rule("the path of an array", r"\.path$", outer(type="displacements", path="")),
    rule("a list of at least 1", r"(transformations|affine|inputAxes|outputAxes)$", outer(**sequence())),
    rule(r"every output axis from 0 to \d+ once", r"\.transformations$", outer(**by_dimension((ONE, [0], [0])))),
    rule(
        r"different axes from 0 to \d+",
        r"\.(inputAxes|outputAxes)$",
        outer(**by_dimension((ONE, [0], [0]), (ONE, [2], [1]))),
    ),
    rule("places of axes", r"\.(inputAxes|outputAxes)$", outer(**by_dimension((ONE, [0], [0]), (ONE, [0.5], [1])))),
    rule(
        "both ways have as many axes",
        "",
        scene(
            {"name": "p", "path": "a"},
            target={"name": "p", "path": "b"},
            type="bijection",
            forward=ONE,
            inverse={"type": "scale", "scale": [1, 1]},
        ),
        "scene",
    ),
]
RULES_V06 = [*NAMED, *LEVELS, *PARAMETERS]
