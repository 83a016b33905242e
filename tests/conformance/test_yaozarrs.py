"""The cases that yaozarrs carries: lists in its tests, and metadata of published images."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from suites import Case, attributes, collected, folder, judge, literals, refusal

PACKAGE = "yaozarrs-0.3.4"
MODULES = ("images", "plate", "labels")
KINDS = {"IMAGES": "image", "PLATES": "plate", "LABELS_GROUPS": "labels", "LABELS": "label", "LABEL_IMAGES": "label"}
NAME = re.compile(rf"V0\d_(?:ALL_)?(IN)?VALID_({'|'.join(KINDS)})(?:_.*)?")
# Version, kind, valid: how many there are. What is not found does not pass.
COUNTS = {
    ("v04", "image", True): 7,
    ("v04", "image", False): 54,
    ("v04", "plate", True): 3,
    ("v04", "plate", False): 58,
    ("v04", "label", True): 6,
    ("v04", "label", False): 33,
    ("v05", "image", True): 7,
    ("v05", "image", False): 19,
    ("v05", "plate", True): 4,
    ("v05", "plate", False): 24,
    ("v05", "label", True): 8,
    ("v05", "label", False): 12,
    ("v05", "labels", True): 2,
    ("v05", "labels", False): 2,
}


def listed(home: Path) -> Iterator[Case]:
    for version in ("v04", "v05"):
        for module in MODULES:
            for name, cases in literals(home / "tests" / version / f"test_{module}_{version}.py").items():
                found = NAME.fullmatch(name)
                for i, case in enumerate(cases if found else ()):
                    document = case[0] if isinstance(case, tuple) else case
                    document = {"ome": document} if version == "v05" else document
                    yield Case(f"{name}-{i}", document, KINDS[found[2]], found[1] is None)


def published(home: Path) -> Iterator[Path]:
    data = home / "tests" / "data"
    for path in sorted([*data.rglob(".zattrs"), *data.rglob("zarr.json")]):
        if "broken" not in str(path) and (path.name == ".zattrs" or "ome" in attributes(path)):
            yield path


CASES = collected(PACKAGE, listed)
DOCUMENTS = collected(PACKAGE, published)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_listed_case_is_judged_as_it_is_said_to_be(case: Case | None) -> None:
    judge(case)


def test_no_listed_case_is_missing() -> None:
    folder(PACKAGE)
    found = Counter((case.name[:3].lower(), case.kind, case.valid) for case in CASES)
    assert found == COUNTS


def test_the_content_of_ome_alone_is_judged_alike() -> None:
    """Tools that take a document apart pass it on without its outer key."""
    for case in listed(folder(PACKAGE)):
        if "version" in case.document.get("ome", {}):
            assert bool(refusal(case.document["ome"], case.kind)) is not case.valid, case.name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path).rpartition("data")[2])
def test_metadata_of_published_images_is_accepted(path: Path | None) -> None:
    home = folder(PACKAGE)
    assert path is not None
    assert path.is_relative_to(home)
    assert not refusal(attributes(path))


def test_no_published_metadata_is_missing() -> None:
    folder(PACKAGE)
    assert len(DOCUMENTS) == 35


def test_what_is_broken_in_a_store_with_many_faults_is_refused_and_nothing_else() -> None:
    store = folder(PACKAGE) / "tests" / "data" / "broken" / "broken_v05.ome.zarr"
    kinds = {1: "plate", 3: "well", 4: "image", 5: "labels", 6: "label"}
    broken = []
    for path in sorted(store.rglob("zarr.json")):
        place = path.relative_to(store)
        found = attributes(path)
        if "ome" in found and refusal(found, kinds[len(place.parts)]):
            broken.append(str(place.parent))
    assert broken == ["A/3/0/labels/annotations", "C/2/0", "C/3"]
