"""What detectron2 and mmdet call each of our weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Rule = tuple[str, str | Callable[[re.Match[str]], str]]

OWN_ONLY = re.compile(r"^normalise\.|num_batches_tracked$")

_OLD_NAMES: tuple[Rule, ...] = (
    # PointRend's, before 2021
    (r"^roi_heads\.mask_coarse_head\.", "roi_heads.mask_head.coarse_head."),
    (r"^roi_heads\.mask_point_head\.", "roi_heads.mask_head.point_head."),
    (r"\.coarse_mask_fc(\d)\.", r".fc\1."),
    # SOLO's own repository, built on the first mmdet
    (r"^bbox_head\.cate_convs\.", "mask_head.cls_convs."),
    (r"^bbox_head\.kernel_convs\.", "mask_head.kernel_convs."),
    (r"^bbox_head\.solo_cate\.", "mask_head.conv_cls."),
    (r"^bbox_head\.solo_kernel\.", "mask_head.conv_kernel."),
    (r"^mask_feat_head\.conv_pred\.0\.", "mask_head.mask_feature_head.conv_pred."),
    (r"^mask_feat_head\.", "mask_head.mask_feature_head."),
    (r"^(backbone\.layer.*)\.conv2_offset\.", r"\1.conv2.conv_offset."),
)
_BLOCK = r"^backbone\.net\.layer(\d)\."
_PLAIN_STEM: tuple[Rule, ...] = (
    (r"^backbone\.net\.conv1\.", "backbone.bottom_up.stem.conv1."),
    (r"^backbone\.net\.bn1\.", "backbone.bottom_up.stem.conv1.norm."),
    (r"\.downsample\.0\.", ".shortcut."),
    (r"\.downsample\.1\.", ".shortcut.norm."),
)
_DEEP_STEM: tuple[Rule, ...] = (
    (r"^backbone\.net\.conv1\.0\.", "backbone.bottom_up.stem.conv1_1."),
    (r"^backbone\.net\.conv1\.1\.", "backbone.bottom_up.stem.conv1_1.norm."),
    (r"^backbone\.net\.conv1\.3\.", "backbone.bottom_up.stem.conv1_2."),
    (r"^backbone\.net\.conv1\.4\.", "backbone.bottom_up.stem.conv1_2.norm."),
    (r"^backbone\.net\.conv1\.6\.", "backbone.bottom_up.stem.conv1_3."),
    (r"^backbone\.net\.bn1\.", "backbone.bottom_up.stem.conv1_3.norm."),
    (r"\.downsample\.1\.", ".shortcut."),
    (r"\.downsample\.2\.", ".shortcut.norm."),
)
_REST: tuple[Rule, ...] = (
    (_BLOCK + r"(\d+)\.bn(\d)\.", r"backbone.net.layer\1.\2.conv\3.norm."),
    (_BLOCK + r"(\d+)\.conv2(\.conv)?\.offset\.", r"backbone.net.layer\1.\2.conv2_offset."),
    (_BLOCK, lambda m: f"backbone.bottom_up.res{int(m[1]) + 1}."),
    (r"^fpn\.(\w+)\.(\d)\.0\.", lambda m: f"backbone.fpn_{m[1]}{int(m[2]) + 2}."),
    (r"^fpn\.(\w+)\.(\d)\.1\.", lambda m: f"backbone.fpn_{m[1]}{int(m[2]) + 2}.norm."),
    (r"^rpn\.head\.objectness\.", "proposal_generator.rpn_head.objectness_logits."),
    (r"^rpn\.head\.deltas\.", "proposal_generator.rpn_head.anchor_deltas."),
    (r"^rpn\.head\.", "proposal_generator.rpn_head."),
    (r"^roi_heads\.box\.stages\.(\d)\.classes\.", r"roi_heads.box_predictor.\1.cls_score."),
    (r"^roi_heads\.box\.stages\.(\d)\.deltas\.", r"roi_heads.box_predictor.\1.bbox_pred."),
    (r"^roi_heads\.box\.stages\.(\d)\.features\.", r"roi_heads.box_head.\1."),
    (r"^roi_heads\.mask\.coarse\.", "roi_heads.mask_head.coarse_head."),
    (r"^roi_heads\.mask\.point\.", "roi_heads.mask_head.point_head."),
    (r"^roi_heads\.mask\.", "roi_heads.mask_head."),
    (r"^(.*\.mask_head)\.convs\.(\d)\.0\.", lambda m: _numbered(m, "mask_fcn")),
    (r"^(.*\.mask_head)\.convs\.(\d)\.1\.", lambda m: _numbered(m, "mask_fcn", "norm.")),
    (r"^(.*)\.convs\.(\d)\.0\.", lambda m: _numbered(m, "conv")),
    (r"^(.*)\.convs\.(\d)\.1\.", lambda m: _numbered(m, "conv", "norm.")),
    (r"^(.*)\.fcs\.(\d)\.", lambda m: _numbered(m, "fc")),
)
_ONE_STAGE: tuple[Rule, ...] = ((r"^roi_heads\.box_(head|predictor)\.0\.", r"roi_heads.box_\1."),)

_MMDET: tuple[Rule, ...] = (
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


def detectron2_keys(ours: Iterable[str]) -> dict[str, str]:
    """Our state dict's names -> detectron2's; what exists only here is left out."""
    names = [name for name in ours if not OWN_ONLY.search(name)]
    deep = "backbone.net.conv1.0.weight" in names
    cascade = any(name.startswith("roi_heads.box.stages.1.") for name in names)
    rules = (_DEEP_STEM if deep else _PLAIN_STEM) + _REST + (() if cascade else _ONE_STAGE)
    return {name: _renamed(rules, name) for name in names}


def mmdet_keys(ours: Iterable[str]) -> dict[str, str]:
    """Our SOLOv2 state dict's names -> mmdet's (2.25 and later); what is only ours is left out."""
    return {name: _renamed(_MMDET, name) for name in ours if not OWN_ONLY.search(name)}


def modern_name(key: str) -> str:
    """Today's name of a weight in either library, for names of older checkpoints and forks."""
    return _renamed(_OLD_NAMES, key)


def _renamed(rules: Iterable[Rule], name: str) -> str:
    """The name after every rule, a pattern and what to put in its place, in their order."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _numbered(match: re.Match[str], word: str, suffix: str = "") -> str:
    """`a.fcs.0.` -> `a.fc1.`: detectron2 counts layers from one."""
    return f"{match[1]}.{word}{int(match[2]) + 1}.{suffix}"
