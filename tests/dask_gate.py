"""Dask arrays whose blocks tell when they are computed, and wait until a test lets them go.

A cluster gets functions by name, so what it calls is in this module: workers in this process find the gates of a test.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import dask.array
import numpy as np
from numpy.typing import NDArray

Index = tuple[int, ...]
# Nobody waits longer for something that should happen at once.
PATIENCE_S = 20.0


class Gate:
    """A dask array of numbers, and what happens to its blocks.

    Attributes
    ----------
    numbers : ndarray
    array : dask.array.Array
        Of the same numbers.
    begun : list of tuple of int
        Blocks whose computation has begun, in order.
    threads : set of int
        Those that have computed blocks.
    bad : set of tuple of int
        Blocks that cannot be computed.
    """

    def __init__(self, number: int, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        self.numbers = np.arange(np.prod(shape), dtype="i4").reshape(shape)
        self.begun: list[Index] = []
        self.threads: set[int] = set()
        self.bad: set[Index] = set()
        self._open = threading.Event()
        self._came = threading.Semaphore(0)
        whole = dask.array.from_array(self.numbers, chunks=chunks)
        meta = np.empty((0,) * len(shape), "i4")
        self.array = whole.map_blocks(partial(_compute, number), dtype="i4", meta=meta)

    def came(self) -> None:
        """Wait until one more block is being computed."""
        assert self._came.acquire(timeout=PATIENCE_S)

    def let_go(self) -> None:
        """Let all blocks go."""
        self._open.set()

    def compute(self, block: NDArray[Any], index: Index) -> NDArray[Any]:
        """Compute a block, in the time that the test gives."""
        self.begun.append(index)
        self.threads.add(threading.get_ident())
        self._came.release()
        self._open.wait(PATIENCE_S)
        if index in self.bad:
            raise ValueError("bad block")
        return block


_numbers = count()
_gates: dict[int, Gate] = {}


@contextmanager
def gate(shape: tuple[int, ...] = (8, 8), chunks: tuple[int, ...] = (4, 4), *, shut: bool = True) -> Iterator[Gate]:
    """Make a gate; whatever waits behind it is let go in the end."""
    number = next(_numbers)
    made = _gates[number] = Gate(number, shape, chunks)
    if not shut:
        made.let_go()
    yield made
    made.let_go()


def _compute(number: int, block: NDArray[Any], block_id: Index) -> NDArray[Any]:
    return _gates[number].compute(block, block_id)
