"""A plain dask slice over zarr and fsspec, with dask's own threads: how many viewers read."""

import dask.array

from engines.task import Task, Watch


def run(task: Task, watch: Watch) -> None:
    array = dask.array.from_zarr(task.url)
    with watch:
        watch.deliver(array[task.case.selection].compute())
