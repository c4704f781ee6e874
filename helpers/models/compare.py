"""Our models beside detectron2: against its stored numbers, and against the library itself.

detectron2 is optional. Without it the golden files of the tests stand in: what it once answered
for weights and a picture that are a pure function of a name.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.data.index import InstanceIndex
from helpers.inference.paste import paste_masks
from helpers.models.build import Detector, build_model
from helpers.models.checkpoints import (
    MSRA,
    InputFormat,
    export_detectron2,
    load_detectron2,
    read_detectron2,
)
from helpers.models.errors import CheckpointError, ModelError
from helpers.paths import ROOT
from helpers.structures import Detections

GOLDEN = ROOT / "tests" / "golden"
SAME_IOU = 0.5  # boxes of one class that overlap so much are taken for one detection


def has_detectron2() -> bool:
    """Whether detectron2 is installed; it is not imported."""
    return importlib.util.find_spec("detectron2") is not None


def golden_table(name: str) -> pd.DataFrame:
    """Each compared quantity of a golden file ("maskrcnn_r50"): worst deviation, tolerance, unit,
    passed. Raises ModelError naming the files there are when there is none such."""
    with _golden_script() as script:
        rows = script.compare(_golden_file(name))
    columns = {key: [getattr(row, key) for row in rows] for key in ("worst", "tolerance", "unit")}
    index = pd.Index([row.name for row in rows], name="quantity")
    return pd.DataFrame(columns | {"passed": [row.passed for row in rows]}, index=index)


def golden_model(name: str) -> Detector:
    """The model of a golden file, on its made-up weights. ModelError as `golden_table`."""
    with _golden_script() as script, np.load(_golden_file(name)) as file:
        golden = dict(file)
        return script.load_model(json.loads(str(golden["meta"])), golden)


@dataclass(frozen=True)
class Pair:
    """One set of weights in two implementations, both on the CPU and in evaluation mode."""

    ours: Detector
    theirs: nn.Module

    def detect(self, image: Tensor) -> dict[str, Detections]:
        """What each finds in an RGB picture (3, H, W), 0..255: "detectron2" and "here"."""
        [found] = self.ours.predict([image])
        return {"detectron2": reference_detections(self.theirs, image), "here": found}

    def seconds(self, image: Tensor, *, repeats: int = 3) -> dict[str, float]:
        """Median time each takes for a picture, masks on their grids included, pasting not."""
        return {
            "detectron2": seconds(lambda: reference_detections(self.theirs, image), repeats),
            "here": seconds(lambda: self.ours.predict([image]), repeats),
        }


def golden_pair(name: str) -> Pair:
    """Both on the made-up weights of a golden file, handed over as a detectron2 checkpoint."""
    ours = golden_model(name)
    with tempfile.TemporaryDirectory() as folder:
        export_detectron2(ours, Path(folder) / "model.pkl")
        theirs = reference_model(
            Path(folder) / "model.pkl", ours.roi_heads.config, num_classes=ours.num_classes
        )
    return Pair(ours, theirs)


def checkpoint_pair(
    path: str | Path, *, mask_head: Literal["conv", "pointrend"], num_classes: int
) -> Pair:
    """Both on a checkpoint of detectron2's Mask R-CNN or PointRend R50-FPN (its MSRA weights).

    Raises CheckpointError when the file does not hold exactly these weights.
    """
    config = ModelConfig(
        pretrained=False,
        stride_in_1x1=True,
        anchor_sizes=(32.0, 64.0, 128.0, 256.0, 512.0),
        mask_head=mask_head,
        subdivision_points=784,
    )
    ours = build_model(config, LossConfig(), TestConfig(), num_classes)
    load_detectron2(ours, path)
    return Pair(ours.eval(), reference_model(path, config, num_classes=num_classes))


def reference_model(
    weights: str | Path, config: ModelConfig, *, num_classes: int, inputs: InputFormat = MSRA
) -> nn.Module:
    """detectron2's model of the same architecture, on the CPU, on the weights of a .pkl or .pth.

    config: a ResNet-50 or -101 with FPN, one box stage, either mask head. Other settings than
    those of `ModelConfig` are detectron2's defaults, as are those of `TestConfig`. Raises
    ModelError for an architecture that is not one of these, CheckpointError for weights that do
    not fit it.
    """
    from detectron2.modeling import build_model

    model = build_model(_reference_config(config, num_classes, inputs)).eval()
    missing, _ = model.load_state_dict(read_detectron2(weights), strict=False)
    if missing:
        raise CheckpointError(
            f"{weights} has no {', '.join(missing[:5])} ({len(missing)} missing): it is a "
            "checkpoint of another architecture, or of before detectron2 0.6"
        )
    return model


def _reference_config(config: ModelConfig, num_classes: int, inputs: InputFormat) -> Any:
    from detectron2.config import get_cfg

    depths = {"resnet50": 50, "resnet101": 101}
    if config.backbone not in depths or config.architecture != "mask_rcnn":
        raise ModelError(
            f"{config.architecture} on {config.backbone} is not compared with detectron2: "
            f"choose mask_rcnn on {' or '.join(depths)}"
        )
    cfg, levels = get_cfg(), ["res2", "res3", "res4", "res5"]
    if config.mask_head == "pointrend":
        from detectron2.projects.point_rend import add_pointrend_config

        add_pointrend_config(cfg)
    settings = {
        "MODEL.DEVICE": "cpu",
        "MODEL.WEIGHTS": "",
        "MODEL.MASK_ON": True,
        "MODEL.PIXEL_MEAN": list(inputs.mean),
        "MODEL.PIXEL_STD": list(inputs.std),
        "MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone",
        "MODEL.RESNETS.DEPTH": depths[config.backbone],
        "MODEL.RESNETS.STRIDE_IN_1X1": config.stride_in_1x1,
        "MODEL.RESNETS.OUT_FEATURES": levels,
        "MODEL.FPN.IN_FEATURES": levels,
        "MODEL.ANCHOR_GENERATOR.SIZES": [[size] for size in config.anchor_sizes],
        "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": [list(config.anchor_ratios)],
        "MODEL.RPN.IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"],
        "MODEL.RPN.PRE_NMS_TOPK_TEST": config.pre_nms_test,
        "MODEL.RPN.POST_NMS_TOPK_TEST": config.post_nms_test,
        "MODEL.ROI_HEADS.NAME": "StandardROIHeads",
        "MODEL.ROI_HEADS.NUM_CLASSES": num_classes,
        "MODEL.ROI_HEADS.IN_FEATURES": ["p2", "p3", "p4", "p5"],
        "MODEL.ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead",
        "MODEL.ROI_BOX_HEAD.NUM_FC": 2,
        "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
        **_mask_settings(config, num_classes),
    }
    cfg.merge_from_list([item for pair in settings.items() for item in pair])
    return cfg


def _mask_settings(config: ModelConfig, num_classes: int) -> dict[str, Any]:
    head = "MODEL.ROI_MASK_HEAD"
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
        "MODEL.POINT_HEAD.NUM_CLASSES": num_classes,
        "MODEL.POINT_HEAD.FC_DIM": config.point_dim,
        "MODEL.POINT_HEAD.NUM_FC": 3,
        "MODEL.POINT_HEAD.IN_FEATURES": ["p2"],
        "MODEL.POINT_HEAD.SUBDIVISION_STEPS": config.subdivision_steps,
        "MODEL.POINT_HEAD.SUBDIVISION_NUM_POINTS": config.subdivision_points,
    }


@torch.no_grad()
def reference_detections(
    model: nn.Module, image: Tensor, *, order: Literal["BGR", "RGB"] = "BGR"
) -> Detections:
    """What detectron2's model finds in an RGB picture (3, H, W), 0..255, not resized again.

    order: of the channels it expects. Masks are box-relative probabilities, as ours are.
    """
    given = image.float() if order == "RGB" else image.float().flip(0)
    [found] = model.inference([{"image": given}], do_postprocess=False)
    return Detections(
        found.pred_boxes.tensor,
        found.scores,
        found.pred_classes,
        tuple(image.shape[1:]),
        found.pred_masks[:, 0],
    )


def register_split(name: str, index: InstanceIndex, annotations: Path) -> list[dict[str, Any]]:
    """Make a data set known to detectron2 by `name`, and return its records as it reads them.

    annotations: where the index is written as plain COCO. The pictures of the index have to lie in
    one folder. Registering a name again changes nothing.
    """
    from detectron2.data import DatasetCatalog
    from detectron2.data.datasets import register_coco_instances

    annotations.write_text(json.dumps(index.to_coco()))
    if name not in DatasetCatalog.list():
        register_coco_instances(name, {}, str(annotations), str(index.image_path(0).parent))
    return DatasetCatalog.get(name)


def agreement(ours: Detections, theirs: Detections) -> dict[str, float]:
    """How far two sets of detections of one picture are apart.

    ours, theirs: numbers of detections; paired: those of one class and box (each of theirs with
    the best of ours); box (px) and score: worst differences of the pairs; mask_iou: their lowest,
    as full-size masks, 1 where both are empty. NaN where nothing is paired.
    """
    overlap = box_iou(theirs.boxes, ours.boxes)
    overlap = overlap * (theirs.labels[:, None] == ours.labels)
    pairs = overlap.max(dim=1) if len(ours) and len(theirs) else None
    rows = torch.zeros(0, dtype=torch.int64) if pairs is None else _above(pairs.values)
    result = {"ours": len(ours), "theirs": len(theirs), "paired": len(rows)}
    if not len(rows):
        return result | dict.fromkeys(("box", "score", "mask_iou"), float("nan"))
    mine, other = ours[pairs.indices[rows]], theirs[rows]
    a, b = paste_masks(mine), paste_masks(other)
    union = (a | b).sum(dim=(1, 2))
    ious = torch.where(union > 0, (a & b).sum(dim=(1, 2)) / union, torch.ones(()))
    return result | {
        "box": float((mine.boxes - other.boxes).abs().max()),
        "score": float((mine.scores - other.scores).abs().max()),
        "mask_iou": float(ious.min()),
    }


def _above(overlap: Tensor) -> Tensor:
    return (overlap >= SAME_IOU).nonzero().squeeze(1)


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call after one that does not count."""
    call()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _golden_file(name: str) -> Path:
    path = GOLDEN / f"{name}.npz"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in GOLDEN.glob("*.npz"))) or "none at all"
        raise ModelError(f"no golden file {name!r} in {GOLDEN}: there are {known}")
    return path


@contextlib.contextmanager
def _golden_script() -> Iterator[ModuleType]:
    """The script beside the golden files; its folder is on the path while it is in use."""
    sys.path.insert(0, str(GOLDEN))
    try:
        yield importlib.import_module("compare")
    finally:
        sys.path.remove(str(GOLDEN))
