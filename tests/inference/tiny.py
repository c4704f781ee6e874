"""Small detectors with random weights, and pictures of noise to show them."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.models.build import Detector, build_model

TINY = {
    "backbone": "resnet10t",
    "pretrained": False,
    "norm": "bn",
    "frozen_stages": 0,
    "fpn_channels": 16,
    "anchor_sizes": (8.0, 16.0, 32.0, 64.0, 128.0),
    "pre_nms_test": 50,
    "post_nms_test": 32,
    "box_head_dim": 32,
    "mask_head_convs": 1,
    "mask_head_dim": 16,
}
POINTREND = {
    "mask_head": "pointrend",
    "coarse_dim": 16,
    "point_dim": 16,
    "subdivision_steps": 3,  # 7 -> 56, the last step at 784 of the 3136 points
    "subdivision_points": 784,
}
TEST = TestConfig(score_threshold=0.0, max_detections=10)
VARIANTS = {
    "mask_rcnn": {},
    "pointrend": POINTREND,
    "cascade": {**POINTREND, "architecture": "cascade_rcnn"},
}


def tiny_model(variant: str = "mask_rcnn", *, test: TestConfig | None = None) -> Detector:
    """Three classes; scores near 1/4 each, boxes and masks that differ between the pictures."""
    torch.manual_seed(3)
    config = ModelConfig(**TINY, **VARIANTS[variant])
    model = build_model(config, LossConfig(), test or TEST, 3).eval()
    with torch.no_grad():  # as initialised, all scores would be alike and all masks 1/2
        for name, weight in model.named_parameters():
            if any(part in name for part in ("predictor", "prediction", "cls_score", "bbox_pred")):
                weight.normal_(0, 0.1)
    return model


def noise_picture(height: int = 64, width: int = 96, *, seed: int = 0) -> Image.Image:
    """Blocks of 8 px in random colours."""
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return Image.fromarray(blocks.repeat(8, axis=0).repeat(8, axis=1))
