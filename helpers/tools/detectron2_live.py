"""detectron2 itself: its model of our architecture, its answers as ours.

Optional: only the comparison needs it. All that is used here is the same in release 0.6 and in
the main branch after it.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helpers.config import ModelConfig
from helpers.structures import Detections
from helpers.tools.checkpoints import IGNORED, MSRA, read_detectron2

logger = logging.getLogger(__name__)


def has_detectron2() -> bool:
    """Whether detectron2 can be imported. A warning says why one that is installed cannot."""
    if importlib.util.find_spec("detectron2") is None:
        return False
    try:
        importlib.import_module("detectron2.modeling")
    # built for another torch, Pillow or CUDA
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        logger.warning("detectron2 is installed but cannot be imported (%s): rebuild it", error)
        return False
    return True


def reference_model(weights: str | Path, config: ModelConfig, *, num_classes: int) -> nn.Module:
    """detectron2's model of the same architecture, on the CPU, on the weights of a .pkl or .pth.

    config: Mask R-CNN or Cascade R-CNN on a ResNet-50 with FPN, either mask head. Other settings
    than those of `ModelConfig` are detectron2's defaults, as are those of `TestConfig`.
    Raises RuntimeError when the weights do not fit it exactly.
    """
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    cfg = get_cfg()
    if config.mask_head == "pointrend":
        importlib.import_module("detectron2.projects.point_rend").add_pointrend_config(cfg)
    settings = _settings(config, num_classes) | _mask_settings(config, num_classes)
    cfg.merge_from_list([item for pair in settings.items() for item in pair])
    model = build_model(cfg).eval()
    theirs = read_detectron2(weights)
    model.load_state_dict({key: theirs[key] for key in theirs if not IGNORED.search(key)})
    return model


def _settings(config: ModelConfig, num_classes: int) -> dict[str, Any]:
    cascade, levels = config.architecture == "cascade_rcnn", ["p2", "p3", "p4", "p5"]
    stages = ["res2", "res3", "res4", "res5"]
    return {
        "INPUT.FORMAT": MSRA.order,
        "MODEL.DEVICE": "cpu",
        "MODEL.WEIGHTS": "",
        "MODEL.MASK_ON": True,
        "MODEL.PIXEL_MEAN": list(MSRA.mean),
        "MODEL.PIXEL_STD": list(MSRA.std),
        "MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone",
        "MODEL.RESNETS.DEPTH": 50,
        "MODEL.RESNETS.STRIDE_IN_1X1": config.stride_in_1x1,
        "MODEL.RESNETS.OUT_FEATURES": stages,
        "MODEL.FPN.IN_FEATURES": stages,
        "MODEL.ANCHOR_GENERATOR.SIZES": [[size] for size in config.anchor_sizes],
        "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": [list(config.anchor_ratios)],
        "MODEL.RPN.IN_FEATURES": [*levels, "p6"],
        "MODEL.RPN.PRE_NMS_TOPK_TEST": config.pre_nms_test,
        "MODEL.RPN.POST_NMS_TOPK_TEST": config.post_nms_test,
        "MODEL.ROI_HEADS.NUM_CLASSES": num_classes,
        "MODEL.ROI_HEADS.IN_FEATURES": levels,
        "MODEL.ROI_HEADS.NAME": "CascadeROIHeads" if cascade else "StandardROIHeads",
        "MODEL.ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead",
        "MODEL.ROI_BOX_HEAD.NUM_CONV": 0,
        "MODEL.ROI_BOX_HEAD.NUM_FC": 2,
        "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
        "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG": cascade or config.class_agnostic_boxes,
    }


def _mask_settings(config: ModelConfig, num_classes: int) -> dict[str, Any]:
    head, point = "MODEL.ROI_MASK_HEAD", "MODEL.POINT_HEAD"
    if config.mask_head == "conv":
        return {
            f"{head}.NAME": "MaskRCNNConvUpsampleHead",
            f"{head}.NUM_CONV": config.mask_head_convs,
            f"{head}.POOLER_RESOLUTION": config.mask_size // 2,
        }
    return {
        f"{head}.NAME": "PointRendMaskHead",
        f"{head}.POOLER_TYPE": "",
        f"{head}.FC_DIM": config.coarse_dim,
        f"{head}.NUM_FC": 2,
        f"{head}.OUTPUT_SIDE_RESOLUTION": config.coarse_size,
        f"{head}.IN_FEATURES": ["p2"],
        f"{head}.POINT_HEAD_ON": True,
        f"{point}.NUM_CLASSES": num_classes,
        f"{point}.FC_DIM": config.point_dim,
        f"{point}.NUM_FC": 3,
        f"{point}.IN_FEATURES": ["p2"],
        f"{point}.SUBDIVISION_STEPS": config.subdivision_steps,
        f"{point}.SUBDIVISION_NUM_POINTS": config.subdivision_points,
    }


@torch.no_grad()
def reference_detections(model: nn.Module, image: Tensor) -> Detections:
    """What detectron2's model finds in an RGB picture (3, H, W), 0..255, not resized again.

    The model gets the channels in the order of its INPUT.FORMAT. Masks are box-relative
    probabilities, as ours are.
    """
    given = image.float() if model.input_format == "RGB" else image.float().flip(0)
    [found] = model.inference([{"image": given}], do_postprocess=False)
    # some versions leave the masks out where there is no box
    masks = found.pred_masks[:, 0] if found.has("pred_masks") else image.new_zeros(0, 1, 1).float()
    return Detections(
        found.pred_boxes.tensor, found.scores, found.pred_classes, tuple(image.shape[1:]), masks
    )
