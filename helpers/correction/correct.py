"""Correction of wrong pixel labels on a whole label map, with or without its picture.

Work is done on one integer map per picture, never on instances one by one: a pixel taken from one
label must go to another. The stages alternate until nothing changes. The sieve gives every
connected component that is too small for its label to the label it borders most, pieces of broken
thin parts excepted. The border stage flips single bumps, notches and specks to the majority of
their neighbours; the ends of lines, however thin, are none of these. A leak of one label into
another is left alone: on the map it looks exactly like a thin leg before something. And holes of a
few pixels between slats and legs are legitimate, so background is sieved more carefully. Where the
picture is given, it decides about both: a leak or a hole looks like what it lies in. And nothing is
taken away before it is asked: a small part or a bump that looks like something of its own stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.correction.components import Components, Runs
from helpers.correction.picture import View, looks_like, match_surroundings, stands_out

REFERENCE_AREA = 1200 * 1200  # px: picture at which the thresholds are given
SIEVE_ROUNDS = 3
BORDER_ROUNDS = 2
SIEVE, BORDER, PICTURE = 0, 1, 2  # the stages
AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
BUMP_MARGIN, CLUMP_MARGIN = 0.15, 0.3  # so much more alike to the label it gets, 0..1
ENOUGH_SUPPORT = np.array([3, 3, 3, 3, 2, 2, 2, 2])  # of a neighbour of the same label


@dataclass(frozen=True)
class CorrectionConfig:
    """Thresholds in pixels of a 1200 x 1200 picture; others scale them by their own area."""

    speck_min: int = 8  # components of an instance below this are noise
    speck_max: int = 64  # and those from this on never are
    speck_share: float = 0.005  # in between: below this share of the label's largest component
    hole: int = 8  # components of the background below this are noise
    gap: int = 4  # a long fragment this close to the rest of its label is part of it
    elongation: float = 2.0  # long: diagonal of its box >= this x sqrt(area)
    fragment: int = 4  # and at least so many pixels
    smooth_border: bool = True
    alike_component: float = 0.3  # with a picture: mean likeness to what is around it, 0..1, from
    alike_line: float = 0.4  # which on a component below speck_max, or a thin line, is given away
    max_passes: int = 5
    vanished: int = 16  # an instance that falls below this is dropped
    review: float = 0.35  # an instance that changes by more than this share is flagged


@dataclass(frozen=True)
class Correction:
    """A corrected label map and what was done.

    labels: (H, W) of the input's dtype; changed: pixels by cause, every pixel that differs counted
    once; passes: how often the stages ran, the last time without effect if `settled`.
    """

    labels: np.ndarray
    changed: dict[str, int]
    passes: int
    settled: bool


@dataclass(frozen=True)
class _Limits:
    """The thresholds of one picture, in its own pixels."""

    config: CorrectionConfig
    area: float  # factor for areas

    def pixels(self, area: float, *, least: int) -> float:
        return max(least, area * self.area)

    @property
    def gap(self) -> int:
        return max(1, round(self.config.gap * self.area**0.5))

    def components(self, largest: np.ndarray, background: int | None) -> np.ndarray:
        """(K,) area below which a component of each label is noise, given its largest ones.

        The largest component of a label never is.
        """
        c = self.config
        low, high = self.pixels(c.speck_min, least=2), self.pixels(c.speck_max, least=2)
        limits = np.clip(c.speck_share * largest, low, high)
        if background is not None:
            limits[background] = self.pixels(c.hole, least=2)
        return np.minimum(limits, np.maximum(1, 0.5 * largest))


def correct_labels(
    labels: np.ndarray,
    config: CorrectionConfig | None = None,
    *,
    background: int = 0,
    picture: np.ndarray | None = None,
) -> Correction:
    """Correct an (H, W) integer label map; the input is not touched.

    picture: the (H, W, 3) uint8 RGB picture that was labelled, if it is to be looked at.

    The result does not depend on how the labels are numbered, only on which is the background;
    ties go to the label with the larger area, then to the one that appears first.
    Raises ValueError when the map is not a two-dimensional integer array, or the picture not of
    its size.
    """
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"a label map is (H, W) of integers, not {labels.shape} {labels.dtype}")
    if picture is not None and picture.shape != (*labels.shape, 3):
        raise ValueError(f"a picture of shape {picture.shape} for a label map {labels.shape}")
    if not labels.size:
        nothing = np.zeros(labels.shape, np.int8)
        return Correction(labels.copy(), _changes(labels, labels, nothing, None), 0, True)
    config = config or CorrectionConfig()
    limits = _Limits(config, labels.size / REFERENCE_AREA)
    values, ranked = _by_rank(labels)
    found = np.flatnonzero(values == background)
    ground = int(found[0]) if len(found) else None
    view = None
    if picture is not None:
        view = View(picture.astype(np.float32), len(values), limits.area**0.5)
    work, stage = ranked, np.zeros(labels.shape, np.int8)
    passes, settled = 0, False
    while not settled and passes < config.max_passes:
        before, passes = work, passes + 1
        work = _sieve(work, limits, len(values), ground, view)
        if config.smooth_border:
            sieved, work = work, _smooth_border(work, view)
            stage[work != sieved] = BORDER
        if view is not None:
            smoothed, work = work, _look_at(view, work, limits)
            stage[work != smoothed] = PICTURE
        settled = np.array_equal(work, before)
    return Correction(values[work], _changes(ranked, work, stage, ground), passes, settled)


def _by_rank(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K,) distinct labels by falling area, then first appearance, and the map of their ranks."""
    runs = Runs.of(labels)
    values, first, inverse = np.unique(runs.label, return_index=True, return_inverse=True)
    order = np.lexsort((first, -np.bincount(inverse, runs.length)))
    rank = np.empty(len(values), np.min_scalar_type(len(values)))
    rank[order] = np.arange(len(values))
    return values[order], runs.paint(rank[inverse])


def _changes(
    before: np.ndarray, after: np.ndarray, stage: np.ndarray, ground: int | None
) -> dict[str, int]:
    """Changed pixels: border and picture by the stage that changed them last; of the rest speck
    (to background), hole (from background) and island (all others)."""
    changed = before != after
    rest = changed & (stage == SIEVE)
    old, new = before[rest], after[rest]
    speck, hole = (int((v == ground).sum()) if ground is not None else 0 for v in (new, old))
    border, picture = (int((changed & (stage == n)).sum()) for n in (BORDER, PICTURE))
    causes = {"border": border, "speck": speck, "hole": hole, "island": len(old) - speck - hole}
    return causes | {"picture": picture} if picture else causes


def _look_at(view: View, labels: np.ndarray, limits: _Limits) -> np.ndarray:
    config = limits.config
    return match_surroundings(
        labels,
        view,
        area=limits.pixels(config.speck_max, least=2),
        component=config.alike_component,
        line=config.alike_line,
    )


# The sieve.


def _sieve(
    labels: np.ndarray, limits: _Limits, count: int, ground: int | None, view: View | None
) -> np.ndarray:
    """Give components that are too small to the label they share most border with."""
    for _ in range(SIEVE_ROUNDS):
        parts = Components.of(Runs.of(labels))
        threshold = limits.components(parts.largest(count), ground)
        noisy = parts.area < threshold[parts.label]
        noisy &= ~_thin_fragments(parts, noisy, limits)
        if not noisy.any():
            break
        votes = parts.border_votes(noisy, count)
        given, winner = votes.any(1), votes.argmax(1)
        if view is not None:
            given &= ~stands_out(labels, view, parts, given, winner)
        if not given.any():
            break
        labels = parts.paint(np.where(given, winner, parts.label).astype(labels.dtype))
    return labels


def _thin_fragments(parts: Components, noisy: np.ndarray, limits: _Limits) -> np.ndarray:
    """(C,) bool: small but long components that continue a trusted part of their label.

    They may do so through each other, as the dashes of a broken rod do.
    """
    runs, config = parts.runs, limits.config
    diagonal = np.sqrt(parts.height**2 + parts.width**2)
    long = noisy & (parts.area >= limits.pixels(config.fragment, least=3))
    long &= diagonal >= config.elongation * np.sqrt(parts.area)
    which = np.flatnonzero(long[parts.of_run])
    links = []
    for rows in range(-limits.gap, limits.gap + 1):
        i, j = runs.near(which, rows=rows, reach=limits.gap)
        a, b = parts.of_run[i], parts.of_run[j]
        same = (runs.label[i] == runs.label[j]) & (a != b) & (long[b] | ~noisy[b])
        links.append((a[same], b[same]))
    a, b = (np.concatenate(side) for side in zip(*links, strict=True))
    trusted = ~noisy
    reached = True
    while reached:
        new = a[trusted[b] & ~trusted[a]]
        trusted[new] = True
        reached = len(new) > 0
    return trusted & noisy


# The border.


def _smooth_border(labels: np.ndarray, view: View | None) -> np.ndarray:
    """Flip single bumps and notches to the majority of their neighbours.

    Such a pixel has at most one direct neighbour of its label (a convex corner has two), and those
    of its label around it are well supported themselves: the end of a line, be it upright or
    diagonal, touches a pixel of the line that is not. Five of the eight neighbours must agree.
    Outside of the picture, the pixels at its border go on.

    Where there is a picture, the pixel must look like its neighbours too. And where it does so
    clearly, a clump or the end of a line goes pixel by pixel, with four that agree.
    """
    for _ in range(BORDER_ROUNDS):
        padded = np.pad(labels, 2, mode="edge")
        support = _support(padded)
        rows, columns = np.nonzero(support[1:-1, 1:-1] <= (1 if view is None else 2))
        at = [(rows + 1 + dy, columns + 1 + dx) for dy, dx in AROUND]
        around = np.stack([padded[y + 1, x + 1] for y, x in at], 1)
        strength = np.stack([support[y, x] for y, x in at], 1)
        own = around == labels[rows, columns, None]
        single = (~own | (strength >= ENOUGH_SUPPORT)).all(1)
        agreeing = (around[:, :, None] == around[:, None, :]).sum(-1) * ~own
        winner = np.take_along_axis(around, agreeing.argmax(1)[:, None], 1)[:, 0]
        flip = single & (agreeing.max(1) >= 5) & (support[rows + 1, columns + 1] <= 1)
        if view is not None:
            margin = np.where(flip, BUMP_MARGIN, CLUMP_MARGIN)
            flip |= ~single & (agreeing.max(1) >= 4)
            flip[flip] = looks_like(
                labels,
                view,
                at=(rows[flip], columns[flip]),
                other=winner[flip],
                margin=margin[flip],
            )
        if not flip.any():
            break
        labels = labels.copy()
        labels[rows[flip], columns[flip]] = winner[flip]
    return labels


def _support(padded: np.ndarray) -> np.ndarray:
    """(H - 2, W - 2) int8: how many of the four direct neighbours of an inner pixel are equal."""
    centre = padded[1:-1, 1:-1]
    sides = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return sum((side == centre).view(np.int8) for side in sides)
