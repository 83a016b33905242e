"""Labels: the numbers of things as textures hold them, and a colour for each. Pure NumPy; needs no GPU.

On the GPU an id is a number of 32 bits, four bytes in a texel. Ids of up to 32 bits are their own numbers; of the
others a book keeps which number stands for which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brickstream.errors import ViewError
from brickstream.render.encoding import Encoding

HASHES = 1021
"""A prime; the shader's products of two numbers below it, and their quotients, are exact in float32."""
MOST_CONTOUR = 8

Color = tuple[int, int, int, int]
Numbers = NDArray[np.uint32]


@dataclass(frozen=True)
class Labels:
    """How labels look: every id in a colour of its own, id 0 not at all.

    Attributes
    ----------
    seed : int
        Of the colours; another one shuffles them.
    colors : mapping or sequence of (int, (int, int, int, int))
        Red, green, blue and alpha from 0 to 255 of chosen ids; as OME's ``image-label`` has them.
    selected : sequence of int or None
        The ids that are shown; None shows all.
    others : float
        Opacity of the ids that are not selected: 0 hides them, 0.2 dims them.
    contour : int
        In planes: show only pixels with another id within so many pixels of the level; 0 fills the labels.

    Raises
    ------
    ViewError
        If a value is none that can be drawn.
    """

    seed: int = 0
    colors: tuple[tuple[int, Color], ...] = ()
    selected: tuple[int, ...] | None = None
    others: float = 0.0
    contour: int = 0

    def __post_init__(self) -> None:
        pairs: Iterable[Any] = self.colors.items() if isinstance(self.colors, Mapping) else self.colors
        object.__setattr__(self, "colors", tuple((_id(label), _color(color)) for label, color in pairs))
        if self.selected is not None:
            object.__setattr__(self, "selected", tuple(map(_id, self.selected)))
        if not 0 <= self.others <= 1:
            raise ViewError("the opacity of others is from 0 to 1", f"others={self.others!r}")
        if not 0 <= self.contour <= MOST_CONTOUR:
            raise ViewError(f"a contour has from 0 to {MOST_CONTOUR} pixels", f"contour={self.contour!r}")


def _id(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ViewError("an id is a whole number", repr(value))
    return int(value)


def _color(value: Any) -> Color:
    parts = tuple(int(part) for part in value)
    if len(parts) != 4 or not all(0 <= part <= 255 for part in parts):
        raise ViewError("a colour has red, green, blue and alpha from 0 to 255", repr(value))
    return parts[0], parts[1], parts[2], parts[3]


# -- numbers -------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class IdBook:
    """Numbers of 32 bits for ids of 64: their own where they fit, else a number that nothing else has."""

    numbers: dict[int, int] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)

    def number(self, label: int) -> int:
        """Give the number of an id, below 2**64."""
        known = self.numbers.get(label)
        if known is not None:
            return known
        # Fibonacci hashing: the upper half of a product with 2**64 divided by the golden ratio.
        number = label if label < 2**32 else (label * 0x9E3779B97F4A7C15 % 2**64) >> 32
        while number in self.taken or (number == 0) != (label == 0):
            number = (number + 1) % 2**32
        self.numbers[label] = number
        self.taken.add(number)
        return number

    def encode(self, ids: NDArray[np.uint64]) -> Numbers:
        """Give the numbers of an array of ids."""
        labels, places = np.unique(ids, return_inverse=True)
        numbers = np.array([self.number(label) for label in labels.tolist()], dtype=np.uint32)
        return numbers[places].reshape(ids.shape)


@dataclass(frozen=True)
class IdEncoding(Encoding):
    """How ids lie in texels: a number of 32 bits each, equal only for equal ids.

    Attributes
    ----------
    book : IdBook
        Of ids of 64 bits.
    """

    book: IdBook = field(default_factory=IdBook, compare=False)

    def encode(self, data: NDArray[np.generic]) -> NDArray[np.generic]:
        """Give the numbers of ids; 0 has 0."""
        if data.dtype.itemsize <= 4:
            signed = data.dtype.kind == "i"
            return data.astype(np.int32).view(np.uint32) if signed else data.astype(np.uint32, copy=False)
        return self.book.encode(data.astype(data.dtype.newbyteorder("="), copy=False).view(np.uint64))

    def number_of(self, label: int) -> int:
        """Give the number of one id."""
        return label % 2**32 if self.source.itemsize <= 4 else self.book.number(label % 2**64)


def id_encoding(dtype: np.dtype[np.generic]) -> IdEncoding:
    """Choose how ids of a type lie in texels.

    Raises
    ------
    ViewError
        If they are no integers.
    """
    if dtype.kind not in "biu":
        raise ViewError("labels are whole numbers", str(dtype), "a thick slice of them has a maximum, not a mean")
    return IdEncoding(np.dtype(dtype.type), np.dtype(np.uint32))


# -- colours -------------------------------------------------------------------------------------------------------


def factors(seed: int) -> tuple[int, int]:
    """Where hashes begin, and what they are multiplied with: neighbours lie from 0.3 to 0.45 of the circle apart."""
    return seed * 617 % HASHES, 306 + (84 + seed * 59) % 154


def hashes(numbers: ArrayLike, seed: int = 0) -> NDArray[np.int64]:
    """Hash numbers, byte by byte from the highest: the function of the shader, from 0 to 1020.

    Parameters
    ----------
    numbers : array-like of uint32
    seed : int, default 0
    """
    left = np.asarray(numbers, dtype=np.uint32).astype(np.int64)
    begin, factor = factors(seed)
    found = np.full(left.shape, begin, dtype=np.int64)
    for shift in (24, 16, 8, 0):
        found = (found + (left >> shift & 255)) * factor % HASHES
    return found


def palette() -> NDArray[np.uint8]:
    """Colours of all hashes: ndarray of shape (1021, 4). The hue goes around once, in nine tones."""
    i = np.arange(HASHES)
    strength, value = np.array([1.0, 0.75, 0.55])[i % 3], np.array([1.0, 0.9, 0.75])[i // 3 % 3]
    sixth = 6.0 * i / HASHES
    away = np.stack([np.abs(sixth - 3) - 1, 2 - np.abs(sixth - 2), 2 - np.abs(sixth - 4)], axis=-1).clip(0, 1)
    rgb = value[:, None] * (1 - strength[:, None] * (1 - away))
    alpha = np.full((HASHES, 1), 255)
    return np.concatenate([np.rint(255 * rgb), alpha], axis=1).astype(np.uint8)


def chosen_table(labels: Labels, encoding: IdEncoding) -> NDArray[np.uint8]:
    """Colours of chosen ids, by hash.

    Parameters
    ----------
    labels : Labels
    encoding : IdEncoding

    Returns
    -------
    ndarray of shape (2 * depth, 1021, 4), uint8
        In rows 2 * i the four bytes of a number, the lowest first, and below it its colour; each in the column of its
        hash. 0 is no number.
    """
    colors = {encoding.number_of(label): color for label, color in labels.colors}
    if labels.selected is not None:
        selected = {encoding.number_of(label) for label in labels.selected}
        colors = {n: color if n in selected else _dimmed(color, labels.others) for n, color in colors.items()}
        own = palette()
        for number in selected - set(colors):
            red, green, blue, alpha = own[hashes(number, labels.seed)].tolist()
            colors[number] = red, green, blue, alpha
    numbers = sorted(number for number in colors if number)
    columns = hashes(numbers, labels.seed).tolist()
    depth = max(1, max((columns.count(column) for column in set(columns)), default=0))
    table = np.zeros((2 * depth, HASHES, 4), dtype=np.uint8)
    filled = dict.fromkeys(columns, 0)
    for number, column in zip(numbers, columns, strict=True):
        row = 2 * filled[column]
        table[row, column] = list(number.to_bytes(4, "little"))
        table[row + 1, column] = colors[number]
        filled[column] += 1
    return table


def _dimmed(color: Color, opacity: float) -> Color:
    return *color[:3], round(color[3] * opacity)


def colors_of(ids: NDArray[np.generic], labels: Labels = Labels()) -> NDArray[np.float64]:
    """Colours of ids, as the shader gives them: ndarray of shape (..., 4), float64, from 0 to 1.

    Ids of 64 bits are numbered anew, so that those above 2**32 may get other colours than elsewhere if their numbers
    collide.
    """
    encoding = id_encoding(ids.dtype)
    numbers = encoding.encode(ids)
    colors = palette()[hashes(numbers, labels.seed)] / 255.0
    colors[..., 3] *= 1.0 if labels.selected is None else labels.others
    table = chosen_table(labels, encoding)
    known = table[::2].astype(np.uint32) @ (1 << 8 * np.arange(4, dtype=np.uint32))
    for row, column in zip(*np.nonzero(known), strict=True):
        colors[numbers == known[row, column]] = table[2 * row + 1, column] / 255.0
    colors[numbers == 0] = 0
    return colors
