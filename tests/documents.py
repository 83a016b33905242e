"""Strategies of OME-NGFF documents: valid ones of every version and kind, and ones with something else somewhere."""

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]
Place = tuple[str | int, ...]

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
# Values that fit somewhere and nowhere, of every type that JSON has.
JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2.0, 1.5, 256, "", "x", "0", "A/1", "A@", "space", "time", "ff0000"),
    *([], [1], ["x"], [1, 1], {}, {"name": "x"}, {"path": "0"}, {"type": "scale", "scale": [1, 1]}),
)
names = st.sampled_from(["tyx", "yx", "zyx", "cyx", "tczyx", "czyx"])
words = st.text("ab01 _", max_size=4)


@st.composite
def images(draw: st.DrawFn, version: str) -> Document:
    """Attributes of an image, without what is optional or with it; from 0.5 on not wrapped."""
    if version >= "0.6":
        return draw(placed_images())
    axes = draw(names)
    entry: Document = {"datasets": [{"path": f"s{k}"} for k in range(draw(st.integers(1, 3)))]}
    if version >= "0.3":
        entry["axes"] = list(axes)
    if version >= "0.4":
        _add_transforms(draw, entry, axes)
    if version < "0.5":
        entry["version"] = version
    if version == "0.1" and draw(st.booleans()):
        entry["metadata"] = {"method": "mean", "version": "1"}
    entry |= draw(st.fixed_dictionaries({}, optional={"name": words, "type": words, "extra": st.integers()}))
    return _document(draw, entry)


def _document(draw: st.DrawFn, entry: Document) -> Document:
    document: Document = {"multiscales": [entry]}
    if draw(st.booleans()):
        document["omero"] = {"channels": draw(st.lists(channels, max_size=2))}
    return document


def _add_transforms(draw: st.DrawFn, entry: Document, axes: str) -> None:
    units = st.fixed_dictionaries({}, optional={"unit": st.sampled_from(["micrometer", "second", "parrot"])})
    entry["axes"] = [{"name": name, "type": TYPES[name]} | draw(units) for name in axes]
    for k, dataset in enumerate(entry["datasets"]):
        steps: list[Document] = [{"type": "scale", "scale": [2**k] * len(axes)}]
        if draw(st.booleans()):
            steps.append({"type": "translation", "translation": [0.5 * k] * len(axes)})
        dataset["coordinateTransformations"] = steps
    if draw(st.booleans()):
        entry["coordinateTransformations"] = [{"type": "scale", "scale": [0.5] * len(axes)}]


channels = st.fixed_dictionaries(
    {
        "color": st.sampled_from(["FF0000", "00ff88"]),
        "window": st.fixed_dictionaries(dict.fromkeys(("start", "min", "end", "max"), st.integers(0, 9))),
    },
    optional={"label": words, "family": words, "active": st.booleans(), "extra": st.none()},
)


def steps(ndim: int, depth: int = 2) -> st.SearchStrategy[Document]:
    """Transformations of RFC-5 between systems of as many axes, without their ends."""

    def vectors(least: float) -> st.SearchStrategy[list[float]]:
        return st.lists(st.floats(least, 9, width=16), min_size=ndim, max_size=ndim)

    matrices = st.lists(
        st.lists(st.integers(-3, 3), min_size=ndim + 1, max_size=ndim + 1), min_size=ndim, max_size=ndim
    )
    turn = [[0 if i != j else 1 for j in range(ndim)] for i in range(ndim)]
    turn[0][:2], turn[1][:2] = [0.6, -0.8], [0.8, 0.6]
    kinds = [
        st.just({"type": "identity"}),
        st.builds(lambda scale: {"type": "scale", "scale": scale}, vectors(0.5)),
        st.builds(lambda offset: {"type": "translation", "translation": offset}, vectors(-9)),
        st.builds(lambda matrix: {"type": "affine", "affine": matrix}, matrices),
        st.sampled_from([{"type": kind, "path": "numbers"} for kind in ("affine", "rotation", "coordinates")]),
        st.just({"type": "rotation", "rotation": turn}),
        st.builds(lambda order: {"type": "mapAxis", "mapAxis": order}, st.permutations(range(ndim))),
        st.sampled_from(
            [
                {"type": "displacements", "path": "field"},
                {"type": "displacements", "path": "f", "interpolation": "cubic"},
            ]
        ),
        st.just({"type": "projectAxis", "droppedInputs": [0], "createdOutputs": [ndim - 1]}),
    ]
    if depth == 0:
        return st.one_of(kinds)
    inner = steps(ndim, depth - 1)
    whole = list(range(ndim))
    return st.one_of(
        *kinds,
        st.builds(lambda one, two: {"type": "sequence", "transformations": [one, two]}, inner, inner),
        st.builds(lambda one, two: {"type": "bijection", "forward": one, "inverse": two}, inner, inner),
        st.builds(
            lambda one, to: {
                "type": "byDimension",
                "transformations": [{"transformation": one, "inputAxes": whole, "outputAxes": to}],
            },
            inner,
            st.permutations(whole),
        ),
    )


def _system(name: str, axes: str) -> Document:
    return {"name": name, "axes": [{"name": axis, "type": TYPES[axis]} for axis in axes]}


@st.composite
def placed_images(draw: st.DrawFn) -> Document:
    """Attributes of an image with coordinate systems."""
    axes = draw(names)
    entry: Document = {"datasets": [], "coordinateSystems": [_system("physical", axes), _system("world", axes)]}
    for k in range(draw(st.integers(1, 3))):
        ends = {"input": {"path": f"s{k}"}, "output": {"name": "physical"}}
        scale = {"type": "scale", "scale": [2**k] * len(axes)}
        shift = {"type": "translation", "translation": [0.5] * len(axes)}
        plain = {"type": "identity"} if k == 0 else scale
        step = draw(st.sampled_from([scale, plain, {"type": "sequence", "transformations": [scale, shift]}]))
        entry["datasets"].append({"path": f"s{k}", "coordinateTransformations": [copy.deepcopy(step) | ends]})
    if draw(st.booleans()):
        ends = {"input": {"name": "physical"}, "output": {"name": "world"}}
        entry["coordinateTransformations"] = [draw(steps(len(axes))) | ends]
    more = {"longName": words, "discrete": st.booleans(), "unit": words}
    entry["coordinateSystems"][0]["axes"][0] |= draw(st.fixed_dictionaries({}, optional=more))
    entry |= draw(st.fixed_dictionaries({}, optional={"name": words, "type": words, "extra": st.integers()}))
    return _document(draw, entry)


@st.composite
def scenes(draw: st.DrawFn, version: str) -> Document:
    """Attributes of a group whose images share a world."""
    axes = draw(names)
    scene: Document = {"coordinateSystems": [_system("world", axes)], "coordinateTransformations": []}
    for i in range(draw(st.integers(1, 3))):
        ends = {"input": {"name": "physical", "path": f"tile_{i}"}, "output": {"name": "world"}}
        scene["coordinateTransformations"].append(draw(steps(len(axes))) | ends)
    return {"scene": scene}


@st.composite
def plates(draw: st.DrawFn, version: str) -> Document:
    """Attributes of a plate."""
    rows, columns = draw(st.sampled_from(["A", "AB"])), draw(st.sampled_from(["1", "12"]))
    wells = [
        {"path": f"{r}/{c}", "rowIndex": i, "columnIndex": j} for i, r in enumerate(rows) for j, c in enumerate(columns)
    ]
    if version < "0.4":
        wells = [{"path": f"2020-10-10/{well['path']}"} for well in wells]
    plate: Document = {"rows": [{"name": r} for r in rows], "columns": [{"name": c} for c in columns], "wells": wells}
    if version < "0.5":
        plate["version"] = version
    if draw(st.booleans()):
        plate["acquisitions"] = [{"id": i, "name": "a", "maximumfieldcount": 2, "starttime": 5} for i in range(2)]
    plate |= draw(st.fixed_dictionaries({}, optional={"name": words, "field_count": st.integers(1, 4)}))
    return {"plate": plate}


@st.composite
def wells(draw: st.DrawFn, version: str) -> Document:
    """Attributes of a well."""
    fields = [
        {"path": f"{i}"} | ({"acquisition": i} if draw(st.booleans()) else {}) for i in range(draw(st.integers(1, 3)))
    ]
    return {"well": {"images": fields} | ({"version": version} if version < "0.5" else {})}


@st.composite
def labels(draw: st.DrawFn, version: str) -> Document:
    """Attributes of a label image, without its image."""
    values = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))
    rgba = st.fixed_dictionaries({}, optional={"rgba": st.lists(st.integers(0, 255), min_size=4, max_size=4)})
    optional = {
        "colors": st.just([{"label-value": value} | draw(rgba) for value in values]),
        "properties": st.just([{"label-value": value, "area": 5} for value in values]),
        "source": st.sampled_from([{}, {"image": "../../"}]),
    }
    return {"image-label": draw(st.fixed_dictionaries({}, optional=optional))}


def layouts(version: str) -> st.SearchStrategy[Document]:
    """Attributes of what bioformats2raw made."""
    return st.just({"bioformats2raw.layout": 3})


def series(version: str) -> st.SearchStrategy[Document]:
    """Attributes of the group OME in what bioformats2raw made."""
    return st.lists(st.sampled_from(["0", "1", "a/b"]), max_size=3).map(lambda paths: {"series": paths})


KINDS = {
    "image": images,
    "plate": plates,
    "well": wells,
    "label": labels,
    "bf2raw": layouts,
    "ome": series,
    "scene": scenes,
}
KEYS = {"multiscales", "plate", "well", "image-label", "bioformats2raw.layout", "series", "scene"}


def documents(kind: str, version: str) -> st.SearchStrategy[Document]:
    """Valid documents of a kind, named after its schema."""
    found = KINDS[kind](version)
    return found if version < "0.5" else found.map(lambda document: {"ome": document | {"version": version}})


def places(value: Any, path: Place = ()) -> list[Place]:
    """Places of all values inside a JSON value, its own first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def changed(draw: st.DrawFn, document: Document, allowed: Sequence[Place]) -> Document:
    """A document with something changed at one of some places: gone, another value, once more, or with one key more."""
    document = copy.deepcopy(document)
    *path, last = draw(st.sampled_from(list(allowed)))
    owner: Any = document
    for key in path:
        owner = owner[key]
    how = draw(st.sampled_from(["gone", "other", "other", "again", "more"]))
    if how == "gone":
        del owner[last]
    elif how == "again" and isinstance(owner, list):
        owner.insert(draw(st.integers(0, len(owner))), copy.deepcopy(owner[last]))
    elif how == "more" and isinstance(owner[last], dict):
        owner[last]["more"] = draw(st.sampled_from(JUNK))
    else:
        owner[last] = copy.deepcopy(draw(st.sampled_from(JUNK)))
    return document
