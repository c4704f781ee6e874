"""`get_cfg`: the keys this project sets, with their defaults, as strict about both as the real."""

from __future__ import annotations

import ast
from typing import Any

DEFAULTS = {
    "INPUT.FORMAT": "BGR",
    "MODEL.DEVICE": "cuda",
    "MODEL.WEIGHTS": "",
    "MODEL.MASK_ON": False,
    "MODEL.PIXEL_MEAN": [103.53, 116.28, 123.675],
    "MODEL.PIXEL_STD": [1.0, 1.0, 1.0],
    "MODEL.BACKBONE.NAME": "build_resnet_backbone",
    "MODEL.RESNETS.DEPTH": 50,
    "MODEL.RESNETS.STRIDE_IN_1X1": True,
    "MODEL.RESNETS.OUT_FEATURES": ["res4"],
    "MODEL.FPN.IN_FEATURES": [],
    "MODEL.ANCHOR_GENERATOR.SIZES": [[32, 64, 128, 256, 512]],
    "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": [[0.5, 1.0, 2.0]],
    "MODEL.RPN.IN_FEATURES": ["res4"],
    "MODEL.RPN.PRE_NMS_TOPK_TEST": 6000,
    "MODEL.RPN.POST_NMS_TOPK_TEST": 1000,
    "MODEL.ROI_HEADS.NAME": "Res5ROIHeads",
    "MODEL.ROI_HEADS.NUM_CLASSES": 80,
    "MODEL.ROI_HEADS.IN_FEATURES": ["res4"],
    "MODEL.ROI_BOX_HEAD.NAME": "",
    "MODEL.ROI_BOX_HEAD.NUM_CONV": 0,
    "MODEL.ROI_BOX_HEAD.NUM_FC": 0,
    "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 14,
    "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG": False,
    "MODEL.ROI_MASK_HEAD.NAME": "MaskRCNNConvUpsampleHead",
    "MODEL.ROI_MASK_HEAD.NUM_CONV": 0,
    "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION": 14,
    "MODEL.ROI_MASK_HEAD.POOLER_TYPE": "ROIAlignV2",
}


class CfgNode(dict[str, Any]):
    """Flat where the real one is nested: only the stand-in reads it."""

    def merge_from_list(self, cfg_list: list[Any]) -> None:
        for key, value in zip(cfg_list[0::2], cfg_list[1::2], strict=True):
            assert key in self, f"Non-existent key: {key}"
            self[key] = _fitting(key, _decoded(value), self[key])


def get_cfg() -> CfgNode:
    return CfgNode(DEFAULTS)


def _decoded(value: Any) -> Any:
    """Text is read as a literal where it is one."""
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError):
        return value


def _fitting(key: str, value: Any, default: Any) -> Any:
    if type(value) is type(default):
        return value
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return type(default)(value)
    raise ValueError(f"Type mismatch ({type(default)} vs. {type(value)}) for {key}")
