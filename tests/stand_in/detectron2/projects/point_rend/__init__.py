"""PointRend's keys, which are not there before `add_pointrend_config`."""

from __future__ import annotations

from detectron2.config import CfgNode

KEYS = {
    "MODEL.ROI_MASK_HEAD.IN_FEATURES": ("p2",),
    "MODEL.ROI_MASK_HEAD.FC_DIM": 1024,
    "MODEL.ROI_MASK_HEAD.NUM_FC": 2,
    "MODEL.ROI_MASK_HEAD.OUTPUT_SIDE_RESOLUTION": 7,
    "MODEL.ROI_MASK_HEAD.POINT_HEAD_ON": False,
    "MODEL.POINT_HEAD.NUM_CLASSES": 80,
    "MODEL.POINT_HEAD.IN_FEATURES": ("p2",),
    "MODEL.POINT_HEAD.SUBDIVISION_STEPS": 5,
    "MODEL.POINT_HEAD.SUBDIVISION_NUM_POINTS": 28 * 28,
    "MODEL.POINT_HEAD.FC_DIM": 256,
    "MODEL.POINT_HEAD.NUM_FC": 3,
}


def add_pointrend_config(cfg: CfgNode) -> None:
    cfg.update(KEYS)
