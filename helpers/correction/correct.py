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

H x W pixels of the map, K labels, C components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.correction.components import Components, Runs, neighbours, support
from helpers.correction.picture import View

REFERENCE_AREA = 1200 * 1200  # px: picture at which the thresholds are given
SIEVE_ROUNDS = 3
BORDER_ROUNDS = 2
AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
BUMP_MARGIN, CLUMP_MARGIN = 0.15, 0.3  # so much more alike to the label it gets, 0..1
ENOUGH_SUPPORT = np.array([3, 3, 3, 3, 2, 2, 2, 2])  # of a neighbour of the same label

CAUSES = ("border", "speck", "hole", "island", "picture")
BORDER, SPECK, HOLE, ISLAND, PICTURE = range(1, 6)  # as in a map of causes; 0: not changed


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
    overlap_share: float = 0.25  # masks overlap on purpose: by this share of the smaller one,
    overlap_width: int = 20  # or where a square of this side fits in; else it is noise
    resolve_overlaps: bool = False  # give also those to the smaller mask, as a label map needs


@dataclass(frozen=True)
class Correction:
    """A corrected label map and what was done.

    labels: (H, W) of the input's dtype; causes: (H, W) uint8, 0 where nothing changed, else n + 1
    for `CAUSES[n]`.
    """

    labels: np.ndarray
    causes: np.ndarray

    @property
    def changed(self) -> dict[str, int]:
        """Changed pixels by cause: border and picture by the stage that changed them last; of the
        rest speck (to background), hole (from background) and island (all others)."""
        counts = np.bincount(self.causes.ravel(), minlength=len(CAUSES) + 1)
        return dict(zip(CAUSES, counts[1:].tolist(), strict=True))


def correct_labels(
    labels: np.ndarray,
    config: CorrectionConfig | None = None,
    *,
    picture: np.ndarray | None = None,
) -> Correction:
    """Correct an (H, W) integer label map, 0 = background; the input is not touched.

    picture: the (H, W, 3) uint8 RGB picture that was labelled, if it is to be looked at.

    The result does not depend on how the labels are numbered, only on which is the background;
    ties go to the label with the larger area, then to the one that appears first.
    """
    config = config or CorrectionConfig()
    values, ranked = _by_rank(labels)
    ground = int(np.flatnonzero(values == 0)[0]) if (values == 0).any() else -1
    scale, view = labels.size / REFERENCE_AREA, None
    if picture is not None:
        view = View(
            picture.astype(np.float32),
            len(values),
            scale**0.5,
            largest=max(2, config.speck_max * scale),
            component=config.alike_component,
            line=config.alike_line,
        )
    stages = _Stages(config, scale, len(values), ground, view)
    work, causes = ranked, np.full(labels.shape, ISLAND, np.uint8)
    for _ in range(config.max_passes):
        before = work
        work = stages.sieve(work)
        if config.smooth_border:
            sieved, work = work, stages.smooth_border(work)
            causes[work != sieved] = BORDER
        if view is not None:
            smoothed, work = work, view.match_surroundings(work)
            causes[work != smoothed] = PICTURE
        if np.array_equal(work, before):
            break
    causes[(causes == ISLAND) & (ranked == ground)] = HOLE
    causes[(causes == ISLAND) & (work == ground)] = SPECK
    causes[work == ranked] = 0
    return Correction(values[work], causes)


def _by_rank(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K,) distinct labels by falling area, then first appearance, and the map of their ranks."""
    runs = Runs.of(labels)
    values, first, inverse = np.unique(runs.label, return_index=True, return_inverse=True)
    order = np.lexsort((first, -np.bincount(inverse, runs.length)))
    rank = np.empty(len(values), np.int16)
    rank[order] = np.arange(len(values))
    return values[order], runs.paint(rank[inverse])


@dataclass(frozen=True)
class _Stages:
    """The stages, each from an (H, W) map of the labels 0..count-1 to a corrected one.

    scale: area of the picture over the reference's; ground: the background's label, -1 if there is
    none.
    """

    config: CorrectionConfig
    scale: float
    count: int
    ground: int
    view: View | None

    def sieve(self, labels: np.ndarray) -> np.ndarray:
        """Give components that are too small to the label they share most border with."""
        for _ in range(SIEVE_ROUNDS):
            parts = Components.of(labels)
            noisy = parts.area < self._limits(parts.largest(self.count))[parts.label]
            noisy &= ~self._thin_fragments(parts, noisy)
            if not noisy.any():
                break
            votes = parts.border_votes(noisy, self.count)
            given, winner = votes.any(1), votes.argmax(1)
            if self.view is not None:
                given &= ~self.view.stands_out(labels, parts, given, winner)
            if not given.any():
                break
            labels = parts.give(given, winner)
        return labels

    def _pixels(self, area: float, *, least: int) -> float:
        return max(least, area * self.scale)

    def _limits(self, largest: np.ndarray) -> np.ndarray:
        """(K,) area below which a component of each label is noise, given its largest ones.

        The largest component of a label never is.
        """
        c = self.config
        low, high = self._pixels(c.speck_min, least=2), self._pixels(c.speck_max, least=2)
        limits = np.clip(c.speck_share * largest, low, high)
        if self.ground >= 0:
            limits[self.ground] = self._pixels(c.hole, least=2)
        return np.minimum(limits, np.maximum(1, 0.5 * largest))

    def _thin_fragments(self, parts: Components, noisy: np.ndarray) -> np.ndarray:
        """(C,) bool: small but long components that continue a trusted part of their label.

        They may do so through each other, as the dashes of a broken rod do.
        """
        diagonal = np.sqrt(parts.height**2 + parts.width**2)
        long = noisy & (parts.area >= self._pixels(self.config.fragment, least=3))
        long &= diagonal >= self.config.elongation * np.sqrt(parts.area)
        at, gap = np.nonzero(long[parts.number]), max(1, round(self.config.gap * self.scale**0.5))
        of, links = parts.number[at], []
        for which, near in neighbours(at, parts.number.shape, gap):
            a, b = of[which], parts.number[near]
            same = (parts.label[a] == parts.label[b]) & (a != b) & (long[b] | ~noisy[b])
            links.append((a[same], b[same]))
        a, b = (np.concatenate(side) for side in zip(*links, strict=True))
        trusted = ~noisy
        while (trusted[b] & ~trusted[a]).any():
            trusted[a[trusted[b]]] = True
        return trusted & noisy

    def smooth_border(self, labels: np.ndarray) -> np.ndarray:
        """Flip single bumps and notches to the majority of their neighbours.

        Such a pixel has at most one direct neighbour of its label (a convex corner has two), and
        those of its label around it are well supported themselves: the end of a line, be it upright
        or diagonal, touches a pixel of the line that is not. Five of the eight neighbours must
        agree. Outside of the picture, the pixels at its border go on.

        Where there is a picture, the pixel must look like its neighbours too. And where it does so
        clearly, a clump or the end of a line goes pixel by pixel, with four that agree.
        """
        for _ in range(BORDER_ROUNDS):
            padded = np.pad(labels, 2, mode="edge")
            backed = support(padded)
            rows, columns = np.nonzero(backed[1:-1, 1:-1] <= (1 if self.view is None else 2))
            at = [(rows + 1 + dy, columns + 1 + dx) for dy, dx in AROUND]
            around = np.stack([padded[y + 1, x + 1] for y, x in at], 1)
            strength = np.stack([backed[y, x] for y, x in at], 1)
            own = around == labels[rows, columns, None]
            single = (~own | (strength >= ENOUGH_SUPPORT)).all(1)
            agreeing = (around[:, :, None] == around[:, None, :]).sum(-1) * ~own
            winner = np.take_along_axis(around, agreeing.argmax(1)[:, None], 1)[:, 0]
            flip = single & (agreeing.max(1) >= 5) & (backed[rows + 1, columns + 1] <= 1)
            if self.view is not None:
                margin = np.where(flip, BUMP_MARGIN, CLUMP_MARGIN)
                flip |= ~single & (agreeing.max(1) >= 4)
                at, other = (rows[flip], columns[flip]), winner[flip]
                flip[flip] = self.view.looks_like(labels, at=at, other=other, margin=margin[flip])
            if not flip.any():
                break
            labels = labels.copy()
            labels[rows[flip], columns[flip]] = winner[flip]
        return labels
