"""Boundary AP: mask AP whose overlap is the lesser of mask IoU and boundary IoU.

The evaluator's own bands take tens of milliseconds for each mask at 1200 x 1200, and are wrong in
pictures of up to three rows. Here they are made from run lengths, and only where they can matter.
"""

from __future__ import annotations

import numpy as np
from faster_coco_eval import COCOeval_faster
from numpy.typing import NDArray

from helpers.masks import rle as rles
from helpers.masks.boundary import boundary_rle

_LEAST_IOU = 0.5  # the lowest threshold of AP: below it, boundaries change no match


class BoundaryEvaluator(COCOeval_faster):
    """Mask evaluation (`iouType="segm"`) with boundary overlap; crowd regions keep mask overlap.

    Expects the detections of an image and class by falling score, as `check_results` gives them.
    """

    def computeIoU(self, imgId: int, catId: int) -> NDArray[np.float64] | list[float]:
        """(D, G) overlaps of one image and class."""
        overlaps = super().computeIoU(imgId, catId)
        if not len(overlaps):
            return overlaps
        truths = self.gt_dataset.get_instances([imgId], [catId], True)[0][0]
        found = self.dt_dataset.get_instances([imgId], [catId], True)[0][0]
        crowd = np.array([bool(truth["iscrowd"]) for truth in truths])
        rows, columns = np.nonzero((overlaps >= _LEAST_IOU) & ~crowd)
        found_bands = {d: boundary_rle(found[d]["segmentation"]) for d in set(rows.tolist())}
        truth_bands = {g: boundary_rle(truths[g]["segmentation"]) for g in set(columns.tolist())}
        for d, g in zip(rows.tolist(), columns.tolist(), strict=True):
            band_iou = rles.iou([found_bands[d]], [truth_bands[g]])[0, 0]
            overlaps[d, g] = min(overlaps[d, g], band_iou)
        return overlaps
