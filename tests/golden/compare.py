"""Compare this project's models with the golden numbers of a reference implementation.

    python tests/golden/compare.py FILE.npz [FILE.npz ...]

prints each quantity's worst deviation beside its tolerance and exits with 1 beyond one. README.md
beside this file says what the quantities are.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import timm
import torch
import weights
from PIL import Image
from torch import Tensor

from helpers.config import LossConfig, ModelConfig, TestConfig, TtaConfig
from helpers.data.augment import resized_size
from helpers.inference.paste import paste_masks
from helpers.inference.tta import predict_augmented
from helpers.models.build import Detector, build_model
from helpers.structures import Detections, Targets
from helpers.tools.checkpoints import InputFormat, load_detectron2

Golden = dict[str, np.ndarray]
Sizes = Sequence[tuple[int, int]]

NO_SAMPLING = 100_000  # anchors an image: more than there are, so every one counts


@dataclass(frozen=True)
class Row:
    """One compared quantity: passes while `worst` is at most `tolerance` (both in `unit`)."""

    name: str
    worst: float
    tolerance: float
    unit: str

    @property
    def passed(self) -> bool:
        return self.worst <= self.tolerance  # False for NaN

    def __str__(self) -> str:
        verdict = "ok" if self.passed else "BEYOND"
        return f"{self.name:24} {self.worst:12.3e} {self.tolerance:12.3e} {self.unit:12} {verdict}"


def compare(path: Path) -> list[Row]:
    """Build the file's model, load its weights, and compare all that the file holds."""
    with np.load(path) as file:
        golden = dict(file)
    meta = json.loads(str(golden.pop("meta")))
    model = load_model(meta, golden)
    height, width = meta["size"]
    image = torch.from_numpy(weights.image_for(height, width, meta["salt"]))
    with torch.no_grad():
        batch = model.normalise([image])
        features = model.features(batch)
        rows = [*_feature_rows(features, golden)]
        rows += _prediction_rows(model, features, batch.sizes, golden)
        rows += _tta_rows(model, image, golden)
        return [*rows, *_loss_rows(model, features, batch.sizes, golden, meta)]


def load_model(meta: dict, golden: Golden) -> Detector:
    """The model that `meta` describes, with the weights that `weights.py` gives its names."""
    model = build_model(_config(meta, golden), LossConfig(), TestConfig(), meta["classes"])
    state = {key: weights.tensor_for(key, s, meta["salt"]) for key, s in meta["keys"].items()}
    inputs = InputFormat("BGR", tuple(meta["pixel_mean_bgr"]), tuple(meta["pixel_std_bgr"]))
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model.pkl"
        checkpoint.write_bytes(pickle.dumps({"model": state, "__author__": "golden"}))
        load_detectron2(model, checkpoint, inputs=inputs)
    return model.eval()


def _config(meta: dict, golden: Golden) -> ModelConfig:
    config = ModelConfig(
        backbone=_backbone(meta),
        pretrained=False,
        stride_in_1x1=meta["stride_in_1x1"],
        anchor_sizes=tuple(float(size) for size in meta["anchors"].split(",")),
        rpn_batch=NO_SAMPLING,
        rpn_positive=1.0,
        roi_batch=10_000,
        roi_positive=1.0,
    )
    if meta["variant"] not in ("maskrcnn", "pointrend", "cascade"):
        raise ValueError(f"variant {meta['variant']!r} is not maskrcnn, pointrend or cascade")
    if meta["variant"] == "cascade":
        config = replace(config, architecture="cascade_rcnn", post_nms_train=2000)
    if not any(".point_head." in key for key in meta["keys"]):
        return config
    masks = golden["mask_probs"]
    side = masks.shape[-1] if len(masks) else 224  # unknown where nothing is found
    return replace(
        config,
        mask_head="pointrend",
        mask_train_boxes="proposals" if meta["variant"] == "cascade" else "predicted",
        subdivision_steps=round(np.log2(side / config.coarse_size)),
        subdivision_points=meta["subdivision_points"],
    )


def _backbone(meta: dict) -> str:
    """timm's name of the backbone; a ResNeXt that timm has no name for is made known to it."""
    depth = meta["depth"]
    if not meta["resnext"]:
        return f"resnet{depth}"
    outputs, width = meta["keys"]["backbone.bottom_up.res2.0.conv2.weight"][:2]
    groups = outputs // width
    name = f"resnext{depth}_{groups}x{width}d"
    if not timm.is_model(name):
        plain = getattr(timm.models, f"resnet{depth}")

        def grouped(pretrained: bool = False, **options: object) -> torch.nn.Module:
            return plain(pretrained, cardinality=groups, base_width=width, **options)

        grouped.__name__ = name
        timm.models.register_model(grouped)
    return name


def _prediction_rows(
    model: Detector, features: list[Tensor], sizes: Sizes, golden: Golden
) -> Iterator[Row]:
    proposals = model.rpn.propose(features, sizes)
    boxes, logits = proposals[0].boxes, proposals[0].logits
    order = _partners(boxes, logits, golden["proposals"], golden["proposal_logits"], 1e-3)
    yield _difference("proposals", boxes[order], golden, 1e-2, "px")
    yield _difference("proposal_logits", logits[order], golden, 1e-3, "")
    (found,) = model.roi_heads.detect(features, sizes, proposals)
    found = found[_partners(found.boxes, found.scores, golden["boxes"], golden["scores"], 1e-4)]
    yield _difference("boxes", found.boxes, golden, 1e-2, "px")
    yield _difference("scores", found.scores, golden, 1e-4, "")
    yield _difference("classes", found.labels, golden, 0, "")
    if len(found) == len(golden["boxes"]):
        found = _in_boxes(found, golden["boxes"])
        yield from _mask_rows(model.roi_heads.add_masks(features, [found])[0], golden)


def _in_boxes(found: Detections, boxes: np.ndarray) -> Detections:
    """The same in the golden boxes. How far ours are off has a row of its own; in a box that is
    half a pixel high even a ten-thousandth of a pixel moves many cells of a mask."""
    return replace(found, boxes=torch.from_numpy(boxes).float())


def _partners(
    boxes: Tensor, scores: Tensor, wanted: np.ndarray, wanted_scores: np.ndarray, tolerance: float
) -> Tensor:
    """For each golden box the nearest of ours with the same score: equal scores may swap places.

    All of ours in their own order when the counts differ, so that the comparison shows it.
    """
    if len(boxes) != len(wanted) or not len(wanted):
        return torch.arange(len(boxes))
    distance = (torch.from_numpy(wanted)[:, None] - boxes).abs().amax(dim=2)
    other = (torch.from_numpy(wanted_scores)[:, None] - scores).abs() > tolerance
    return distance.masked_fill(other, float("inf")).argmin(dim=1)


def _feature_rows(features: list[Tensor], golden: Golden) -> Iterator[Row]:
    for level, feature in enumerate(features, start=2):
        map_ = feature[0]
        given = {"mean": map_.mean(), "std": map_.std(), "corner": map_[:8, :4, :4]}
        for name, value in given.items():
            key = f"feat_p{level}_{name}"
            yield _difference(key, value, golden, 1e-4, "relative", relative=True)


def _mask_rows(found: Detections, golden: Golden) -> Iterator[Row]:
    wanted = golden["mask_probs"].astype(np.float32)
    if not len(wanted):
        return
    off = np.abs(found.masks[: len(wanted)].numpy() - wanted) > 2e-3
    yield Row("mask_probs off by 2e-3", float(off.mean()), 1e-3, "of cells")
    yield from _pasted_rows(found, golden, "")


def _pasted_rows(found: Detections, golden: Golden, prefix: str) -> Iterator[Row]:
    planes, wanted = paste_masks(found).numpy(), golden[f"{prefix}mask_areas"]
    areas = planes.sum(axis=(1, 2))
    worst = np.max(np.abs(areas - wanted) / np.maximum(0.005 * wanted, 3))
    yield Row(f"{prefix}mask_areas", float(worst), 1.0, "of allowed")
    packed = golden[f"{prefix}masks_first12"]
    first = np.unpackbits(packed, axis=-1)[..., : planes.shape[-1]].astype(bool)
    differs = (planes[: len(first)] != first).mean(axis=(1, 2)).max()
    yield Row(f"{prefix}masks_first12", float(differs), 1e-3, "of pixels")


def _tta_rows(model: Detector, image: Tensor, golden: Golden) -> Iterator[Row]:
    if "tta_sizes" not in golden:
        return
    test = TestConfig(tta=TtaConfig(sizes=tuple(golden["tta_sizes"].tolist()), merge="max"))
    found = predict_augmented(model, _tta_images(image, test.tta), tuple(image.shape[1:]), test)
    wanted, scores = golden["tta_boxes"], golden["tta_scores"]
    found = found[_partners(found.boxes, found.scores, wanted, scores, 1e-4)]
    yield _difference("tta_boxes", found.boxes, golden, 1e-2, "px")
    yield _difference("tta_scores", found.scores, golden, 1e-4, "")
    yield _difference("tta_classes", found.labels, golden, 0, "")
    if len(found) == len(wanted) > 0:
        yield from _pasted_rows(_in_boxes(found, wanted), golden, "tta_")


def _tta_images(image: Tensor, tta: TtaConfig) -> list[Tensor]:
    """The picture at each size, resized by Pillow as the reference did.

    The project's own resizing rounds one value in some ten thousand the other way, and on random
    weights that is enough to find other boxes.
    """
    picture = Image.fromarray(image.permute(1, 2, 0).to(torch.uint8).numpy())
    size = (picture.height, picture.width)
    sizes = [resized_size(size, side, tta.max_side) for side in tta.sizes]
    resized = [picture.resize((w, h), Image.Resampling.BILINEAR) for h, w in sizes]
    return [torch.from_numpy(np.array(one)).permute(2, 0, 1) for one in resized]


def _loss_rows(
    model: Detector, features: list[Tensor], sizes: Sizes, golden: Golden, meta: dict
) -> Iterator[Row]:
    wanted = {key.removeprefix("loss_loss_"): key for key in golden if key.startswith("loss_")}
    if not wanted:
        return
    targets = [_targets(meta)]
    proposals, given = model.train().rpn.losses(features, sizes, targets)
    given |= model.roi_heads.losses(features, sizes, proposals, targets)
    for name, key in wanted.items():
        yield _difference(key, given[name], golden, 1e-3, "relative", relative=True)


def _targets(meta: dict) -> Targets:
    masks, labels = weights.scene_masks(*meta["size"], meta["salt"], meta["classes"])
    boxes = []
    for mask in masks:
        y, x = np.nonzero(mask)
        boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
    return Targets(
        torch.tensor(boxes, dtype=torch.float32),
        torch.from_numpy(labels),
        torch.from_numpy(masks),
        torch.zeros(0, 4),
    )


def _difference(
    key: str,
    value: Tensor,
    golden: Golden,
    tolerance: float,
    unit: str,
    *,
    relative: bool = False,
) -> Row:
    given, wanted = value.detach().double().numpy(), golden[key].astype(np.float64)
    if given.shape != wanted.shape:
        return Row(f"{key} {given.shape}", float("inf"), tolerance, unit)
    worst = np.abs(given - wanted).max(initial=0)
    scale = np.abs(wanted).max(initial=0) if relative else 1.0
    return Row(key, float(worst / (scale or 1.0)), tolerance, unit)  # to 0, what it is off by


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.npz")
    passed = True
    for path in parser.parse_args().files:
        print(f"{path.name:24} {'worst':>12} {'tolerance':>12}")
        for row in compare(path):
            print(row)
            passed &= row.passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
