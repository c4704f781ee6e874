"""`build_model`: our detector behind the real model's interface and names of weights."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances
from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.models import build
from helpers.models.checkpoints import InputFormat, load_detectron2
from helpers.tools.compare import GOLDEN

IncompatibleKeys = namedtuple("IncompatibleKeys", ("missing_keys", "unexpected_keys"))


def build_model(cfg: CfgNode) -> nn.Module:
    assert cfg["MODEL.DEVICE"] == "cpu", "the stand-in has no other device"
    return GeneralizedRCNN(cfg)


class GeneralizedRCNN(nn.Module):
    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.input_format = cfg["INPUT.FORMAT"]
        mean, std = tuple(cfg["MODEL.PIXEL_MEAN"]), tuple(cfg["MODEL.PIXEL_STD"])
        self.inputs = InputFormat(self.input_format, mean, std)
        self.shapes = _recorded_shapes(cfg)
        self.config, self.classes = _our_config(cfg), cfg["MODEL.ROI_HEADS.NUM_CLASSES"]

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        for key, value in state_dict.items():
            if list(value.shape) != self.shapes.get(key, list(value.shape)):
                raise RuntimeError(f"size mismatch for {key}: {tuple(value.shape)}")
        merged = ("norm.running_mean", "norm.running_var")  # FrozenBatchNorm2d does without
        missing = [k for k in self.shapes if k not in state_dict and not k.endswith(merged)]
        surplus = [k for k in state_dict if k not in self.shapes]
        assert not strict or not (missing or surplus)
        if not missing:
            self._fill({k: state_dict[k].numpy() for k in self.shapes if k in state_dict})
        return IncompatibleKeys(missing, surplus)

    def _fill(self, weights: dict[str, np.ndarray]) -> None:
        detector = build.build_model(self.config, LossConfig(), TestConfig(), self.classes)
        self.detector = detector.train(self.training)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.pkl"
            path.write_bytes(pickle.dumps({"model": weights}))
            load_detectron2(self.detector, path, inputs=self.inputs)

    def inference(
        self,
        batched_inputs: list[dict[str, Any]],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list[Instances]:
        assert not self.training
        assert detected_instances is None and not do_postprocess, "not imitated"
        images = [given["image"] for given in batched_inputs]
        assert all(image.ndim == 3 and image.shape[0] == 3 for image in images)
        rgb = images if self.input_format == "RGB" else [image.flip(0) for image in images]
        return [
            Instances(
                found.image_size,
                pred_boxes=Boxes(found.boxes),
                scores=found.scores,
                pred_classes=found.labels,
                pred_masks=found.masks[:, None],
            )
            for found in self.detector.predict(rgb)
        ]


def _recorded_shapes(cfg: CfgNode) -> dict[str, list[int]]:
    """What detectron2's own model of this kind called its weights when it made the golden file."""
    pointrend = cfg["MODEL.ROI_MASK_HEAD.NAME"] == "PointRendMaskHead"
    cascade = cfg["MODEL.ROI_HEADS.NAME"] == "CascadeROIHeads"
    assert cfg["MODEL.ROI_HEADS.NAME"] in ("CascadeROIHeads", "StandardROIHeads")
    name = "cascade" if cascade else "pointrend" if pointrend else "maskrcnn"
    with np.load(GOLDEN / f"{name}_r50.npz") as file:
        return json.loads(str(file["meta"]))["keys"]


def _our_config(cfg: CfgNode) -> ModelConfig:
    pointrend = cfg["MODEL.ROI_MASK_HEAD.NAME"] == "PointRendMaskHead"
    cascade = cfg["MODEL.ROI_HEADS.NAME"] == "CascadeROIHeads"
    assert cfg["MODEL.BACKBONE.NAME"] == "build_resnet_fpn_backbone" and cfg["MODEL.MASK_ON"]
    assert cfg["MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG"] == cascade
    assert (cfg["MODEL.ROI_MASK_HEAD.POOLER_TYPE"] == "") == pointrend
    points = {"subdivision_points": cfg.get("MODEL.POINT_HEAD.SUBDIVISION_NUM_POINTS")}
    return ModelConfig(
        architecture="cascade_rcnn" if cascade else "mask_rcnn",
        backbone=f"resnet{cfg['MODEL.RESNETS.DEPTH']}",
        pretrained=False,
        stride_in_1x1=cfg["MODEL.RESNETS.STRIDE_IN_1X1"],
        anchor_sizes=tuple(size for [size] in cfg["MODEL.ANCHOR_GENERATOR.SIZES"]),
        anchor_ratios=tuple(cfg["MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS"][0]),
        pre_nms_test=cfg["MODEL.RPN.PRE_NMS_TOPK_TEST"],
        post_nms_test=cfg["MODEL.RPN.POST_NMS_TOPK_TEST"],
        mask_head="pointrend" if pointrend else "conv",
        **(points if pointrend else {}),
    )
