"""SOLOv2's weights by mmdet's names, in the shapes the specification lists."""

import dataclasses

import pytest
import torch

from helpers.config import LossConfig, Solov2Config, TestConfig
from helpers.files import UserError
from helpers.models.build import build_model
from helpers.models.mmdet_names import load_mmdet, mmdet_keys, modern_name
from tests.models.test_solov2 import SMALL

LEVELS = "mask_head.mask_feature_head.convs_all_levels."
MERGE = "mask_head.mask_feature_head.conv_pred."
EXPECTED = {  # released channels, 34 classes; K x C x 3 x 3 unless it says otherwise
    "mask_head.kernel_convs.0.conv.weight": (512, 258, 3, 3),
    "mask_head.kernel_convs.3.conv.weight": (512, 512, 3, 3),
    "mask_head.kernel_convs.3.conv.conv_offset.weight": (27, 512, 3, 3),
    "mask_head.kernel_convs.0.gn.weight": (512,),
    "mask_head.cls_convs.0.conv.weight": (512, 256, 3, 3),
    "mask_head.cls_convs.2.gn.bias": (512,),
    "mask_head.conv_cls.weight": (34, 512, 3, 3),
    "mask_head.conv_cls.bias": (34,),
    "mask_head.conv_kernel.weight": (256, 512, 3, 3),
    LEVELS + "0.conv0.conv.weight": (128, 256, 3, 3),
    LEVELS + "1.conv0.gn.weight": (128,),
    LEVELS + "2.conv1.conv.weight": (128, 128, 3, 3),
    LEVELS + "3.conv0.conv.weight": (128, 258, 3, 3),
    LEVELS + "3.conv2.conv.conv_offset.bias": (27,),
    MERGE + "conv.weight": (256, 128, 1, 1),
    MERGE + "conv.conv_offset.weight": (3, 128, 1, 1),
    MERGE + "gn.weight": (256,),
    "neck.lateral_convs.0.conv.weight": (256, 256, 1, 1),
    "neck.lateral_convs.3.conv.weight": (256, 2048, 1, 1),
    "neck.fpn_convs.2.conv.bias": (256,),
    "backbone.conv1.weight": (64, 3, 7, 7),
    "backbone.bn1.running_mean": (64,),
    "backbone.layer2.0.conv2.conv_offset.weight": (27, 128, 3, 3),
    "backbone.layer2.0.downsample.0.weight": (512, 256, 1, 1),
    "backbone.layer4.2.bn3.running_var": (2048,),
}
OLD = {
    "bbox_head.cate_convs.0.conv.weight": "mask_head.cls_convs.0.conv.weight",
    "bbox_head.kernel_convs.1.gn.bias": "mask_head.kernel_convs.1.gn.bias",
    "bbox_head.solo_cate.bias": "mask_head.conv_cls.bias",
    "bbox_head.solo_kernel.weight": "mask_head.conv_kernel.weight",
    "mask_feat_head.convs_all_levels.2.conv1.conv.weight": LEVELS + "2.conv1.conv.weight",
    "mask_feat_head.conv_pred.0.gn.weight": MERGE + "gn.weight",
    "backbone.layer2.0.conv2_offset.bias": "backbone.layer2.0.conv2.conv_offset.bias",
}


def build(tiny, **changes):
    torch.manual_seed(0)
    config = dataclasses.replace(tiny, architecture="solov2", **{"solov2": SMALL, **changes})
    return build_model(config, LossConfig(), TestConfig(), 34)


def mmdet_state(model) -> dict[str, torch.Tensor]:
    state = model.state_dict()
    return {key: state[name].clone() for name, key in mmdet_keys(state).items()}


def test_names_and_shapes_of_the_released_architecture(tiny):
    with torch.device("meta"):
        model = build(
            tiny,
            backbone="resnet50",
            deform_stages=(3, 4, 5),
            fpn_channels=256,
            solov2=Solov2Config(deformable=True),
        )
    shapes = {key: tuple(value.shape) for key, value in mmdet_state(model).items()}
    assert {key: shapes.get(key) for key in EXPECTED} == EXPECTED
    heads = ("backbone.", "neck.", "mask_head.")
    assert len(set(shapes)) == len(mmdet_keys(model.state_dict()))
    assert all(key.startswith(heads) for key in shapes)


@pytest.mark.parametrize("old", OLD)
def test_names_of_the_first_repository(old):
    assert modern_name(old) == OLD[old]
    assert modern_name(OLD[old]) == OLD[old]


def test_a_checkpoint_fills_every_weight(tiny, tmp_path):
    source, target = build(tiny), build(tiny)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(torch.rand_like(parameter))
    content = {"meta": {"epoch": 36}, "state_dict": mmdet_state(source)}
    torch.save(content, tmp_path / "solov2.pth")
    load_mmdet(target, tmp_path / "solov2.pth")
    assert all(
        torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True)
    )


def test_what_does_not_fit_is_named_and_changes_nothing(tiny, tmp_path):
    model = build(tiny)
    content = mmdet_state(model)
    content["mask_head.conv_cls.bias"] = torch.zeros(80)
    del content["mask_head.conv_kernel.bias"]
    content["bbox_head.fc.weight"] = torch.zeros(1)
    torch.save(content, tmp_path / "other.pth")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_mmdet(model, tmp_path / "other.pth")
    for words in (
        "mask_head.conv_kernel.bias is missing",
        "bbox_head.fc.weight has no place",
        "mask_head.conv_cls.bias is (80,), not (34,)",
        "number of classes",
    ):
        assert words in str(caught.value)
    assert all(torch.equal(before[n], v) for n, v in model.state_dict().items())


def test_a_file_that_is_no_checkpoint(tiny, tmp_path):
    (tmp_path / "text.pth").write_text("no")
    with pytest.raises(UserError, match=r"text\.pth cannot be read"):
        load_mmdet(build(tiny), tmp_path / "text.pth")
