"""Names of weights there and here, for each kind of stem, block and head."""

import dataclasses

import pytest

from helpers.models.detectron2_names import detectron2_keys

BLOCK, THEIR_BLOCK = "backbone.net.layer2.0.", "backbone.bottom_up.res3.0."
STAGE = "roi_heads.box.stages."
PLAIN = {
    "backbone.net.conv1.weight": "backbone.bottom_up.stem.conv1.weight",
    "backbone.net.bn1.running_var": "backbone.bottom_up.stem.conv1.norm.running_var",
    BLOCK + "conv3.weight": THEIR_BLOCK + "conv3.weight",
    BLOCK + "bn3.bias": THEIR_BLOCK + "conv3.norm.bias",
    BLOCK + "downsample.0.weight": THEIR_BLOCK + "shortcut.weight",
    BLOCK + "downsample.1.weight": THEIR_BLOCK + "shortcut.norm.weight",
    BLOCK + "conv2.offset.bias": THEIR_BLOCK + "conv2_offset.bias",
    "fpn.lateral.0.0.weight": "backbone.fpn_lateral2.weight",
    "fpn.output.3.1.weight": "backbone.fpn_output5.norm.weight",
    "rpn.head.conv.bias": "proposal_generator.rpn_head.conv.bias",
    "rpn.head.objectness.bias": "proposal_generator.rpn_head.objectness_logits.bias",
    STAGE + "0.features.fcs.1.bias": "roi_heads.box_head.fc2.bias",
    STAGE + "0.classes.weight": "roi_heads.box_predictor.cls_score.weight",
    "roi_heads.mask.convs.3.0.weight": "roi_heads.mask_head.mask_fcn4.weight",
    "roi_heads.mask.deconv.weight": "roi_heads.mask_head.deconv.weight",
    "roi_heads.mask.coarse.fcs.0.weight": "roi_heads.mask_head.coarse_head.fc1.weight",
    "roi_heads.mask.point.fcs.2.weight": "roi_heads.mask_head.point_head.fc3.weight",
}
DEEP = {
    "backbone.net.conv1.0.weight": "backbone.bottom_up.stem.conv1_1.weight",
    "backbone.net.conv1.4.bias": "backbone.bottom_up.stem.conv1_2.norm.bias",
    "backbone.net.conv1.6.weight": "backbone.bottom_up.stem.conv1_3.weight",
    "backbone.net.bn1.weight": "backbone.bottom_up.stem.conv1_3.norm.weight",
    BLOCK + "conv2.bn0.weight": THEIR_BLOCK + "conv2.bn0.weight",
    BLOCK + "conv2.conv.weight": THEIR_BLOCK + "conv2.conv.weight",
    BLOCK + "conv2.conv.offset.weight": THEIR_BLOCK + "conv2_offset.weight",
    BLOCK + "downsample.1.weight": THEIR_BLOCK + "shortcut.weight",
    BLOCK + "downsample.2.weight": THEIR_BLOCK + "shortcut.norm.weight",
}
CASCADE = {
    STAGE + "0.features.convs.3.0.weight": "roi_heads.box_head.0.conv4.weight",
    STAGE + "1.features.convs.0.1.bias": "roi_heads.box_head.1.conv1.norm.bias",
    STAGE + "1.features.fcs.0.weight": "roi_heads.box_head.1.fc1.weight",
    STAGE + "2.deltas.weight": "roi_heads.box_predictor.2.bbox_pred.weight",
}


@pytest.mark.parametrize("names", [PLAIN, DEEP, CASCADE], ids=["plain", "deep", "cascade"])
def test_names_of_each_architecture(names):
    assert detectron2_keys(names) == names


def test_what_exists_only_here_has_no_name_there():
    assert detectron2_keys(["normalise.mean", "backbone.net.bn1.num_batches_tracked"]) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "cascade_rcnn", "box_head": "4conv1fc", "head_norm": "bn"},
        {"backbone": "resnest14d", "deform_stages": (4, 5), "mask_head": "pointrend"},
        {"mask_head": "pointrend", "point_levels": (2, 3, 4, 5, 6)},
    ],
)
def test_every_weight_has_a_name_of_its_own(tiny, make_model, changes):
    state = make_model(dataclasses.replace(tiny, **changes)).state_dict()
    keys = detectron2_keys(state)
    assert len(set(keys.values())) == len(keys) > 100
    prefixes = ("backbone.bottom_up.", "backbone.fpn_", "proposal_generator.", "roi_heads.")
    assert all(key.startswith(prefixes) for key in keys.values())
    assert not [key for key in keys.values() if ".fcs." in key or ".convs." in key]
