"""How good a correction is, where the true labels are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.correction.correct import REFERENCE_AREA
from helpers.data.boundary import boundary_iou

BAND = 5  # px of a 1200 x 1200 picture: width of the boundary that is compared
THIN = 4  # px of such a picture: parts at most this wide are thin


@dataclass(frozen=True)
class CorrectionScore:
    """Counts of pixels over one or several label maps; add scores to join them.

    changed: by the correction; noisy: wrong before; restored: wrong before, right now;
    clean: foreground right before; damaged: of these, wrong now; thin, thin_kept: the same for
    thin parts alone; mask_ious, boundary_ious: of every true instance with its corrected mask.
    """

    changed: int
    noisy: int
    restored: int
    clean: int
    damaged: int
    thin: int
    thin_kept: int
    mask_ious: tuple[float, ...]
    boundary_ious: tuple[float, ...]

    def __add__(self, other: CorrectionScore) -> CorrectionScore:
        return CorrectionScore(*(a + b for a, b in zip(_fields(self), _fields(other), strict=True)))

    @property
    def precision(self) -> float:
        """Share of the changed pixels that were wrong and are right now; nan if none changed."""
        return _ratio(self.restored, self.changed)

    @property
    def recall(self) -> float:
        """Share of the wrong pixels that are right now; nan if none were wrong."""
        return _ratio(self.restored, self.noisy)

    @property
    def damage(self) -> float:
        """Share of the right foreground that is wrong now."""
        return _ratio(self.damaged, self.clean)

    @property
    def thin_share(self) -> float:
        """Share of the right pixels of thin parts that stayed right."""
        return _ratio(self.thin_kept, self.thin)

    @property
    def mask_iou(self) -> float:
        return _ratio(sum(self.mask_ious), len(self.mask_ious))

    @property
    def boundary_iou(self) -> float:
        return _ratio(sum(self.boundary_ious), len(self.boundary_ious))


def measure_correction(
    noisy: np.ndarray, corrected: np.ndarray, truth: np.ndarray, *, background: int = 0
) -> CorrectionScore:
    """Compare a label map before and after a correction with the true one, all (H, W) integers.

    Raises ValueError when the maps are of different sizes.
    """
    if not noisy.shape == corrected.shape == truth.shape:
        raise ValueError(
            f"label maps of different sizes: {noisy.shape}, {corrected.shape}, {truth.shape}"
        )
    scale = math.sqrt(truth.size / REFERENCE_AREA)
    right, now = noisy == truth, corrected == truth
    clean = right & (truth != background)
    labels = [int(label) for label in np.unique(truth) if label != background]
    thin = np.zeros(truth.shape, bool)
    ious = []
    for label in labels:
        mask, found = truth == label, corrected == label
        window = _window(mask | found)
        mask, found = mask[window], found[window]
        thin[window] |= thin_parts(mask, max(1, round(THIN * scale)))
        band = max(1, round(BAND * scale)) / math.hypot(*mask.shape)
        ious.append(
            (
                _ratio(int((mask & found).sum()), int((mask | found).sum())),
                boundary_iou(mask, found, dilation_ratio=band),
            )
        )
    thin &= clean
    return CorrectionScore(
        changed=int((noisy != corrected).sum()),
        noisy=int((~right).sum()),
        restored=int((~right & now).sum()),
        clean=int(clean.sum()),
        damaged=int((clean & ~now).sum()),
        thin=int(thin.sum()),
        thin_kept=int((thin & now).sum()),
        mask_ious=tuple(mask_iou for mask_iou, _ in ious),
        boundary_ious=tuple(boundary for _, boundary in ious),
    )


def _fields(score: CorrectionScore) -> tuple:
    return tuple(vars(score).values())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _window(mask: np.ndarray) -> tuple[slice, slice]:
    spans = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)


def thin_parts(mask: np.ndarray, width: int) -> np.ndarray:
    """The pixels of a mask that no square wider than `width` inside the mask covers."""
    padded = np.pad(mask, width + 1)
    wide = ndimage.binary_opening(padded, np.ones((width + 1, width + 1), bool))
    return (padded & ~wide)[width + 1 : -width - 1, width + 1 : -width - 1]
