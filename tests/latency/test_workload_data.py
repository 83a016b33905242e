"""The named images: what is written is what the table says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from brickstream.errors import BrickstreamError
from brickstream.latency.workloads import DATA, Data, write_data
from brickstream.samples import sources
from brickstream.samples.layout import halved_levels

COMPUTED = [name for name, data in DATA.items() if data.sample == "microscope"]
# Of the same number of axes, and more than a chunk.
SMALL = {3: (130, 140, 150), 5: (2, 1, 1, 1030, 1040)}


def assert_is(folder: Path, data: Data) -> None:
    group = zarr.open_group(folder, mode="r")
    level = group["0"]
    assert isinstance(level, zarr.Array)
    assert (level.shape, level.chunks, level.shards) == (data.shape, data.chunks, data.shards)
    assert level.dtype == np.dtype(data.dtype)
    assert level.metadata.dimension_names == tuple(data.axes)
    assert [type(codec).__name__ for codec in level.compressors] == {
        "zstd": ["ZstdCodec"],
        "blosc": ["BloscCodec"],
        "none": [],
    }[data.codec]


@pytest.mark.parametrize("name", COMPUTED)
def test_computed_images_are_stored_as_the_table_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(DATA[name], shape=SMALL[len(DATA[name].axes)])
    monkeypatch.setitem(DATA, name, small)
    assert_is(write_data(name, tmp_path), small)


@pytest.mark.parametrize("name", COMPUTED)
def test_computed_images_have_the_levels_that_the_table_says(name: str) -> None:
    source = sources.microscope(DATA[name].shape)
    spatial = [axis.type == "space" for axis in source.axes]
    assert len(halved_levels(source.shape, spatial, source.smallest)) == DATA[name].levels


def test_the_brain_is_stored_as_the_table_says(tmp_path: Path) -> None:
    folder = write_data("brain", tmp_path)
    assert folder == tmp_path / "brain"
    assert_is(folder, DATA["brain"])
    assert len(list(zarr.open_group(folder, mode="r").arrays())) == DATA["brain"].levels


def test_the_globe_is_what_the_table_says() -> None:
    source, data = sources.globe(), DATA["globe"]
    assert (source.shape, source.dtype, "".join(axis.name for axis in source.axes)) == (data.shape, "uint8", data.axes)
    assert len(halved_levels(source.shape, (True, True), source.smallest)) == data.levels


def test_data_that_are_not_there_are_refused_with_the_names_that_are(tmp_path: Path) -> None:
    with pytest.raises(BrickstreamError, match="volume-64, "):
        write_data("volume-65", tmp_path)
