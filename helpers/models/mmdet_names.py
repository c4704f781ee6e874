"""Read SOLOv2 weights by mmdet's names for them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from helpers.models.checkpoints import fitted, read_detectron2
from helpers.models.detectron2_names import OWN_ONLY, Rule, renamed
from helpers.models.images import IMAGENET_MEAN, IMAGENET_STD

_RULES: tuple[Rule, ...] = (
    (r"^backbone\.net\.", "backbone."),
    (r"^fpn\.lateral\.(\d)\.", r"neck.lateral_convs.\1."),
    (r"^fpn\.output\.(\d)\.", r"neck.fpn_convs.\1."),
    (r"^(neck\.\w+\.\d)\.0\.", r"\1.conv."),
    (r"^(neck\.\w+\.\d)\.1\.", r"\1.bn."),
    (r"^instances\.kernel_tower\.", "mask_head.kernel_convs."),
    (r"^instances\.class_tower\.", "mask_head.cls_convs."),
    (r"^instances\.kernels\.", "mask_head.conv_kernel."),
    (r"^instances\.classes\.", "mask_head.conv_cls."),
    (
        r"^masks\.levels\.(\d)\.(\d)\.",
        r"mask_head.mask_feature_head.convs_all_levels.\1.conv\2.",
    ),
    (r"^masks\.merge\.", "mask_head.mask_feature_head.conv_pred."),
    (r"^(mask_head\..*\.(?:\d|conv\d|conv_pred))\.0\.", r"\1.conv."),
    (r"^(mask_head\..*\.(?:\d|conv\d|conv_pred))\.1\.", r"\1.gn."),
    (r"\.offset\.", ".conv_offset."),
)
# SOLO's own repository, built on the first mmdet
_OLD_NAMES: tuple[Rule, ...] = (
    (r"^bbox_head\.cate_convs\.", "mask_head.cls_convs."),
    (r"^bbox_head\.kernel_convs\.", "mask_head.kernel_convs."),
    (r"^bbox_head\.solo_cate\.", "mask_head.conv_cls."),
    (r"^bbox_head\.solo_kernel\.", "mask_head.conv_kernel."),
    (r"^mask_feat_head\.conv_pred\.0\.", "mask_head.mask_feature_head.conv_pred."),
    (r"^mask_feat_head\.", "mask_head.mask_feature_head."),
    (r"\.conv2_offset\.", ".conv2.conv_offset."),
)


def mmdet_keys(ours: Iterable[str]) -> dict[str, str]:
    """Our SOLOv2 state dict's names -> mmdet's (2.25 and later); what is only ours is left out."""
    return {name: renamed(_RULES, name) for name in ours if not OWN_ONLY.search(name)}


def modern_name(key: str) -> str:
    """The name that mmdet uses today for a weight of SOLO's own repository."""
    return renamed(_OLD_NAMES, key)


def load_mmdet(model: nn.Module, path: str | Path) -> None:
    """Fill every weight of a SOLOv2 `model` from an mmdet .pth, old or new names.

    These weights take RGB with ImageNet's statistics, and so does the model then. Reading never
    runs code from the file. Raises UserError when it cannot be read, or does not hold exactly the
    weights of the model in its shapes.
    """
    theirs = {modern_name(key): value for key, value in read_detectron2(path).items()}
    state = model.state_dict()
    ours = fitted(theirs, state, mmdet_keys(state), path)
    ours["normalise.mean"] = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    ours["normalise.std"] = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    model.load_state_dict(ours, strict=False)
