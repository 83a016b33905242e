"""Documents that are broken in any way: they are read, or refused with place, value and rule; nothing else happens."""

import copy
from itertools import product
from typing import Any

import numpy as np
import pytest
from documents import JUNK, KINDS, Document, changed, documents, places
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import MetadataError
from brickstream.multiscale import Image, read_collection, read_metadata
from brickstream.multiscale.assemble import ArrayShape, assemble
from brickstream.multiscale.ome.v06 import read_scene

VERSIONS = dict.fromkeys(("image", "plate", "well"), ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6"))
VERSIONS |= dict.fromkeys(("label", "bf2raw", "ome"), ("0.4", "0.5", "0.6")) | {"scene": ("0.6",)}
DOCUMENTS = [(kind, version) for kind in KINDS for version in VERSIONS[kind]]


def nested(depth: int, key: str | None = None) -> Any:
    """Lists inside each other, or objects by one key."""
    value: Any = "bottom"
    for _ in range(depth):
        value = [value] if key is None else {key: value}
    return value


# What no writer wrote: numbers that are none, numbers that float64 cannot hold, values without end.
MONSTERS: tuple[Any, ...] = (
    *(float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), 2**63, 1e308, -1e308, 5e-324, -0.0),
    *([float("nan")] * 3, [10**400] * 2, [1e308] * 3, [0] * 3, [-1] * 3, [True] * 3, [[1e308] * 4] * 3),
    *(
        [0] * 1000,
        ["x"] * 1000,
        [{}] * 1000,
        [{"path": "0"}] * 1000,
        "x" * 100_000,
        "\ud800",
        "\x00",
        "a\nb",
        "../" * 9,
    ),
    *(nested(50), nested(150), nested(50, "transformations"), nested(150, "forward")),
    *({"type": "sequence", "transformations": []}, {"type": "inverseOf", "transformation": {"type": "identity"}}),
)
junk = st.sampled_from([*JUNK, *MONSTERS])
WORDS = """
ome version multiscales datasets path axes name type unit coordinateTransformations coordinateSystems scale
translation affine rotation mapAxis sequence transformations byDimension inputAxes outputAxes input output forward
inverse bijection identity omero channels color window start end min max label active image-label colors properties
rgba label-value source image labels plate rows columns wells rowIndex columnIndex acquisitions id well images
acquisition bioformats2raw.layout series scene space time channel array x y z c t 0 1 0.4 0.5 0.6
"""
texts = st.sampled_from(WORDS.split())
anything = st.recursive(
    junk | texts | st.integers(-2, 3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)


@st.composite
def broken(draw: st.DrawFn) -> Document:
    """A valid document with a few faults: keys gone or renamed, parts exchanged, monsters in the place of values."""
    document = draw(documents(*draw(st.sampled_from(DOCUMENTS))))
    for _ in range(draw(st.integers(1, 4))):
        inside = places(document)[1:]
        if not inside:
            break
        how = draw(st.sampled_from(["change", "monster", "exchange", "rename"]))
        if how == "change":
            document = draw(changed(document, inside))
            continue
        owner, last = _owner(document, draw(st.sampled_from(inside)))
        if how == "monster":
            owner[last] = copy.deepcopy(draw(junk))
        elif how == "rename" and isinstance(owner, dict):
            owner[draw(texts)] = owner.pop(last)
        else:
            source, key = _owner(document, draw(st.sampled_from(inside)))
            owner[last] = copy.deepcopy(source[key])
    return document


def _owner(document: Document, place: tuple[str | int, ...]) -> tuple[Any, Any]:
    owner: Any = document
    for key in place[:-1]:
        owner = owner[key]
    return owner, place[-1]


def read(document: Document, *, strict: bool) -> tuple[list[Image], object] | MetadataError:
    """What is read, the images and the collection, or why nothing is."""
    try:
        return read_metadata(document, strict=strict), read_collection(document, strict=strict)
    except MetadataError as error:
        return error


def judge(document: Document) -> None:
    before = copy.deepcopy(document)
    found, loose = read(document, strict=True), read(document, strict=False)
    assert document == before
    for error in (found, loose):
        if isinstance(error, MetadataError):
            judge_error(error)
    if not isinstance(found, MetadataError):
        assert found == loose, "what is valid is read alike without `strict`"
    if not isinstance(loose, MetadataError):
        for image in loose[0]:
            judge_image(image)


def judge_error(error: MetadataError) -> None:
    said = str(error)
    assert error.rule
    assert error.rule in said
    assert error.path[:100] in said
    assert len(said) < 2000


def judge_image(image: Image) -> None:
    ndim = len(image.axes)
    assert ndim > 0
    assert len({axis.name for axis in image.axes}) == ndim
    assert image.datasets
    for dataset in image.datasets:
        numbers = [*(dataset.scale or ()), *(dataset.translation or ())]
        assert np.isfinite(numbers).all()
        assert all(dataset.scale or ())
    shapes = [tuple(max(64 >> k, 1) for _ in range(ndim)) for k in range(len(image.datasets))]
    arrays = [ArrayShape(str(k), shape, np.dtype("u1"), shape) for k, shape in enumerate(shapes)]
    try:
        pyramid = assemble(image, arrays)
    except MetadataError:
        return
    assert len(pyramid.levels) == len(image.datasets)


@given(broken())
@pytest.mark.oracle
def test_a_valid_document_with_faults_is_read_or_refused(document: Document) -> None:
    judge(document)


@given(st.dictionaries(texts, anything, max_size=4) | st.fixed_dictionaries({"ome": st.dictionaries(texts, anything)}))
@pytest.mark.oracle
def test_any_json_is_read_or_refused(document: Document) -> None:
    judge(document)


@given(st.sampled_from(DOCUMENTS).flatmap(lambda kind: documents(*kind)))
@pytest.mark.oracle
def test_a_valid_document_is_read(document: Document) -> None:
    assert not isinstance(read(document, strict=True), MetadataError)
    judge(document)


@given(broken(), st.sampled_from(["0.6", "0.6.dev1"]))
@pytest.mark.oracle
def test_any_system_is_reached_or_not(document: Document, version: str) -> None:
    """Of images and of scenes, with faults and without."""
    values = document.get("ome", document)
    values = values if isinstance(values, dict) else {}
    found = read(document, strict=False)
    for name in found[0][0].systems if not isinstance(found, MetadataError) and found[0] else ():
        try:
            judge_image(read_metadata(document, strict=False, system=name)[0])
        except MetadataError as error:
            judge_error(error)
    try:
        graph = read_scene(values.get("scene"), "scene", version)
    except MetadataError:
        return
    nodes = list(graph.systems)[:3] + [node for edge in graph.edges[:3] for node in (edge.source, edge.target)]
    for source, target in product(nodes, nodes):
        try:
            between = graph.between(source, target)
        except MetadataError as error:
            judge_error(error)
        else:
            assert np.isfinite(between(np.zeros(len(between.inputs)))).all()


@given(st.data())
def test_a_number_too_long_to_print_is_like_any_other(data: st.DataObject) -> None:
    document = data.draw(documents(*data.draw(st.sampled_from(DOCUMENTS))))
    inside = places(document)[1:]
    owner, last = _owner(document, data.draw(st.sampled_from(inside)))
    owner[last] = 10**5000
    judge(document)


@given(junk | anything)
def test_what_is_no_object_is_refused(value: Any) -> None:
    if not isinstance(value, dict):
        assert isinstance(read(value, strict=False), MetadataError)
