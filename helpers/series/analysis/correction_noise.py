"""Known label noise for measuring a correction, one kind at a time or all together.

The kinds: speckles, islands and holes of 3-60 px, a third label along borders (as naive decoding of
blended colours leaves), jagged borders, and leaks, one pixel thin, into the neighbour. Amounts are
those of a 1200 x 1200 picture: numbers of defects are scaled by area, lengths by side.
`helpers.scenes.noise` draws the richer noise of generated data sets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.correction.components import support
from helpers.correction.correct import REFERENCE_AREA
from helpers.scenes.random import Stream

SPECKLES, BLOBS, LEAKS = 1500, 60, 25
BLOB_AREA, LEAK_LENGTH = (3, 60), (8, 40)  # px, both ends included
HALO, JAG = 0.04, 0.10  # shares of the border pixels
SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def add_noise(labels: np.ndarray, kind: str, stream: Stream) -> np.ndarray:
    """A noisy copy of an (H, W) integer label map, 0 = background; see NOISES for the kinds.

    A map of less than two labels stays as it is. Raises ValueError for an unknown kind.
    """
    if kind not in NOISES:
        raise ValueError(f"no noise {kind!r}: choose one of {', '.join(NOISES)}")
    noisy, values = labels.copy(), np.unique(labels)
    if len(values) > 1:
        for defect in NOISES[kind]:
            defect(noisy, labels, values, stream)
    return noisy


# The defects. Each changes `noisy` in place; `truth` and its `values` are the map without noise.


def _speckle(noisy: np.ndarray, truth: np.ndarray, values: np.ndarray, stream: Stream) -> None:
    """Single pixels anywhere get any other label."""
    at = np.flatnonzero(_uniform(stream, truth.size) < SPECKLES / REFERENCE_AREA)
    noisy.ravel()[at] = _another(stream, truth.ravel()[at], values)


def _islands(noisy: np.ndarray, truth: np.ndarray, values: np.ndarray, stream: Stream) -> None:
    """Blobs anywhere get any other label: islands, and holes where it is the background's."""
    scale = truth.size / REFERENCE_AREA
    for _ in range(_amount(truth, BLOBS)):
        at = stream.integers(truth.size)
        area = max(2, round(stream.integers(BLOB_AREA[0], BLOB_AREA[1] + 1) * scale))
        pixels = _blob(truth.shape, divmod(at, truth.shape[1]), area, stream)
        noisy[pixels] = _another(stream, truth.ravel()[[at]], values)[0]


def _halo(noisy: np.ndarray, truth: np.ndarray, values: np.ndarray, stream: Stream) -> None:
    """Border pixels get a label that neither they nor their direct neighbours have."""
    rows, columns = _border_pixels(truth, HALO, stream)
    near = np.stack([truth[rows, columns], *_beside(truth, rows, columns)], 1)
    free = ~(near[:, :, None] == values).any(1)
    some, choice = free.any(1), _one_of(free, stream)
    noisy[rows[some], columns[some]] = values[choice][some]


def _jag(noisy: np.ndarray, truth: np.ndarray, values: np.ndarray, stream: Stream) -> None:
    """Border pixels get the label on the other side."""
    rows, columns = _border_pixels(truth, JAG, stream)
    beside = np.stack(_beside(truth, rows, columns), 1)
    choice = _one_of(beside != truth[rows, columns, None], stream)
    noisy[rows, columns] = beside[np.arange(len(rows)), choice]


def _leak(noisy: np.ndarray, truth: np.ndarray, values: np.ndarray, stream: Stream) -> None:
    """Lines, one pixel thin, from a border straight into the neighbour."""
    side = (truth.size / REFERENCE_AREA) ** 0.5
    rows, columns = np.nonzero(border(truth))
    around = np.pad(truth, 1, constant_values=-1)  # outside is another label, too
    for _ in range(_amount(truth, LEAKS)):
        k = stream.integers(len(rows))
        y, x = int(rows[k]), int(columns[k])
        ways = [(dy, dx) for dy, dx in SIDES if around[y + 1 + dy, x + 1 + dx] != truth[y, x]]
        dy, dx = stream.choice(ways)
        length = max(2, round(stream.integers(LEAK_LENGTH[0], LEAK_LENGTH[1] + 1) * side))
        for step in range(1, length + 1):
            at = y + step * dy, x + step * dx
            if 0 <= at[0] < truth.shape[0] and 0 <= at[1] < truth.shape[1]:
                noisy[at] = truth[y, x]


NOISES: dict[str, tuple[Callable[..., None], ...]] = {
    "none": (),
    "speckle": (_speckle,),
    "islands": (_islands,),
    "halo": (_halo,),
    "jag": (_jag,),
    "leak": (_leak,),
    "all": (_speckle, _islands, _halo, _jag, _leak),
}


def border(labels: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels with another label directly above, below, left or right of them."""
    return support(np.pad(labels, 1, mode="edge")) < 4


def _border_pixels(
    truth: np.ndarray, share: float, stream: Stream
) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(border(truth))
    chosen = _uniform(stream, len(rows)) < share
    return rows[chosen], columns[chosen]


def _beside(truth: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """The labels of the four direct neighbours; outside of the picture, its border goes on."""
    padded = np.pad(truth, 1, mode="edge")
    return [padded[rows + 1 + dy, columns + 1 + dx] for dy, dx in SIDES]


def _blob(
    shape: tuple[int, int], centre: tuple[int, int], area: int, stream: Stream
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of about `area` pixels: the nearest to the centre on a rough ellipse."""
    half = int(area**0.5) + 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    squeeze, slant = stream.uniform(0.6, 1.6), stream.uniform(-0.5, 0.5)
    distance = (x * squeeze + slant * y) ** 2 + (y / squeeze) ** 2
    distance += _uniform(stream, x.size).reshape(x.shape) * area / 4
    nearest = np.argsort(distance, axis=None)[:area]
    rows, columns = y.ravel()[nearest] + centre[0], x.ravel()[nearest] + centre[1]
    kept = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[kept], columns[kept]


def _uniform(stream: Stream, count: int) -> np.ndarray:
    """(count,) float64 in [0, 1) from raw bits, the same with any version of numpy."""
    raw = np.random.Philox(key=stream.integers(2**53)).random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53


def _one_of(allowed: np.ndarray, stream: Stream) -> np.ndarray:
    """The column of one of the True entries in each row of a 2-D bool array, at random."""
    return np.where(allowed, _uniform(stream, allowed.size).reshape(allowed.shape), -1).argmax(1)


def _another(stream: Stream, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each label one of the other values, all equally likely."""
    own = np.searchsorted(values, labels)
    step = 1 + (_uniform(stream, len(labels)) * (len(values) - 1)).astype(np.int64)
    return values[(own + step) % len(values)]


def _amount(labels: np.ndarray, at_reference: int) -> int:
    return max(1, round(at_reference * labels.size / REFERENCE_AREA))
