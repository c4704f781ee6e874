"""Backbones: strides and channels, norm modes, freezing, strides in the 1x1, clear failures."""

import pytest
import torch
from torch import nn

from helpers.files import UserError
from helpers.models.backbones import Backbone, FrozenBatchNorm


def norms(module: nn.Module, kind: type) -> list[nn.Module]:
    return [child for child in module.modules() if isinstance(child, kind)]


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet18", [64, 128, 256, 512]),
        ("resnet50", [256, 512, 1024, 2048]),
        ("resnest14d", [256, 512, 1024, 2048]),
        ("convnext_atto", [40, 80, 160, 320]),
    ],
)
def test_maps_at_strides_4_to_32(name, channels):
    backbone = Backbone(name).eval()
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, 64, 96))
    assert backbone.channels == channels
    assert [tuple(m.shape[1:]) for m in maps] == [
        (c, 64 // s, 96 // s) for c, s in zip(channels, (4, 8, 16, 32), strict=True)
    ]


def test_a_frozen_norm_equals_an_evaluated_one_with_and_without_gradient():
    norm = nn.BatchNorm2d(5).eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        tensor.uniform_(0.5, 2)
    frozen, x = FrozenBatchNorm(norm), torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(frozen(x), norm(x))
    with torch.no_grad():
        torch.testing.assert_close(frozen(x), norm(x))
    assert list(frozen.state_dict()) == list(norm.state_dict())[:4]
    assert not list(frozen.parameters())


@pytest.mark.parametrize(
    ("norm", "moves", "trains"),
    [
        ("frozen", False, False),
        ("eval", False, True),
        ("bn", True, True),
        ("sync", True, True),
    ],
)
def test_norms_move_their_statistics_and_train_their_affine_terms_as_asked(norm, moves, trains):
    backbone = Backbone("resnet10t", norm=norm).train()
    first = backbone.net.bn1
    before = first.running_mean.clone()
    backbone(torch.randn(2, 3, 64, 64))[3].sum().backward()
    assert torch.equal(first.running_mean, before) != moves
    assert isinstance(first.weight, nn.Parameter) == trains
    assert not trains or first.weight.grad is not None


@pytest.mark.parametrize(("stages", "frozen"), [(0, []), (1, ["stem"]), (2, ["stem", "layer1"])])
def test_frozen_stages_have_no_gradient_and_frozen_norms(stages, frozen):
    backbone = Backbone("resnet18", norm="bn", frozen_stages=stages)
    parts = {"stem": nn.ModuleList([backbone.net.conv1, backbone.net.bn1])}
    parts |= {f"layer{i}": backbone.net[f"layer{i}"] for i in range(1, 5)}
    for name, part in parts.items():
        trained = any(p.requires_grad for p in part.parameters())
        assert trained == (name not in frozen)
        assert bool(norms(part, FrozenBatchNorm)) == (name in frozen)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet5", {}, "timm knows no backbone 'resnet5'"),
        ("vit_tiny_patch16_224", {}, "vit_tiny_patch16_224"),
        ("coat_lite_tiny", {}, "pictures of one size"),
        ("resnest14d", {"stride_in_1x1": True}, "stride_in_1x1 is for"),
        ("convnext_atto", {"deformable": (3,)}, "no 3x3 convolutions"),
        ("resnet18", {"deformable": (3,), "deform_groups": 3}, "does not divide"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, words):
    with pytest.raises(UserError, match=words):
        Backbone(name, **options)


def test_synchronised_norms_keep_their_activations():
    maps = {}
    for norm in ("bn", "sync"):
        torch.manual_seed(0)
        maps[norm] = Backbone("tf_efficientnet_lite0", norm=norm).eval()(torch.ones(1, 3, 64, 64))
    torch.testing.assert_close(maps["sync"], maps["bn"])
