"""Backbones by timm, with the norm and freezing recipes of detection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import timm
import torch.nn.functional as F
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn

from helpers.files import UserError
from helpers.models.deform import deform_stages
from helpers.models.pretrained import load_imagenet

REDUCTIONS = [4, 8, 16, 32]  # strides of c2..c5, by timm's word for them
CONVS = ("conv1", "conv2", "conv3")  # of a ResNet's bottleneck block
Norm = Literal["frozen", "eval", "bn", "sync"]


class FrozenBatchNorm(nn.Module):
    """Batch norm whose statistics and affine terms are constants; same keys as BatchNorm2d.

    timm's norms that carry their activation keep it.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.eps = norm.eps
        self.act = getattr(norm, "act", nn.Identity())
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, getattr(norm, name).detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:  # in prediction, and in training up to the last frozen stage
            mean, var = self.running_mean, self.running_var
            return self.act(F.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps))
        # Multiply and add keeps nothing for the backward pass; F.batch_norm would keep x.
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        scale, shift = (t.to(x.dtype).view(1, -1, 1, 1) for t in (scale, shift))
        return self.act(x * scale + shift)


class Backbone(nn.Module):
    """c2..c5 of a timm model: maps at strides 4, 8, 16, 32.

    norm: "frozen" (constant statistics and affine terms), "eval" (constant statistics, trained
    affine terms), "bn" or "sync" (batch statistics, over all processes). frozen_stages: the first
    of stem, c2, c3, ... that get no gradient and frozen norms. stride_in_1x1: the first block of
    layer2..4 strides in its 1x1 convolution, as the Caffe-style ResNets do. deformable: those of
    stages c2..c5 whose 3x3 convolutions become deformable.

    `mean` and `std`, of RGB in 0..255, are the input scale its ImageNet weights were trained with.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = False,
        norm: Norm = "frozen",
        frozen_stages: int = 0,
        stride_in_1x1: bool = False,
        checkpointing: bool = False,
        deformable: Sequence[int] = (),
        deform_groups: int = 1,
    ) -> None:
        """Raises UserError for a model unknown to timm, of one input size, or one that lacks the
        four strides, the layers that `stride_in_1x1` or `deformable` change, or pretrained weights,
        and for deformable stages among the frozen ones."""
        super().__init__()
        self.net = _create(name)
        if pretrained:
            load_imagenet(self.net, name)
        self.mean, self.std = _input_scale(name)
        self.channels: list[int] = self.net.feature_info.channels()
        self.norm_mode = norm
        if any(stage <= frozen_stages for stage in deformable):
            raise UserError(
                f"deformable stages {tuple(deformable)} would not learn: frozen_stages "
                f"{frozen_stages} freezes up to c{frozen_stages}"
            )
        if stride_in_1x1:
            _move_stride_to_1x1(self.net)
        deform_stages(self.net, deformable, groups=deform_groups)
        if norm == "sync":
            self.net = convert_sync_batchnorm(self.net)  # torch's would drop activations in norms
        if norm == "frozen":
            _freeze_norm(self, "net", self.net)
        for parent, own, child, stage in _units(self.net):
            if stage < frozen_stages:
                child.requires_grad_(False)
                _freeze_norm(parent, own, child)
        if checkpointing:
            self.net.set_grad_checkpointing(True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised, sides divisible by 32 -> c2..c5, finest first."""
        return self.net(images)

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        if self.norm_mode == "eval":
            for module in self.net.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def _units(net: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module, int]]:
    """(parent, name, module, stage) in order: stage 0 is the stem, 1 what follows up to c2, ...

    A child of the network belongs to one stage (a ResNet's `layer1`), or holds several (`blocks` of
    an EfficientNet): then its own children are given.
    """
    ends = [end.replace(".", "_") for end in net.feature_info.module_name()]  # of c2..c5
    stage = 0
    for name, child in list(net.named_children()):
        inside = name not in ends and any(end.startswith(f"{name}_") for end in ends)
        for own, module in list(child.named_children()) if inside else [(name, child)]:
            path = f"{name}_{own}" if inside else name
            stage = max(stage, int(path == ends[0]))
            yield (child if inside else net), own, module, stage
            stage += path in ends


def _freeze_norm(parent: nn.Module, name: str, child: nn.Module) -> None:
    """Replace a batch norm, or all below a module, by a `FrozenBatchNorm` of the same numbers."""
    if isinstance(child, nn.BatchNorm2d | nn.SyncBatchNorm):
        setattr(parent, name, FrozenBatchNorm(child))
    for own, below in list(child.named_children()):
        _freeze_norm(child, own, below)


def _create(name: str) -> nn.Module:
    if not timm.is_model(name):
        close = ", ".join(timm.list_models(f"*{name.split('.')[0]}*")[:5]) or "resnet50"
        raise UserError(f"timm knows no backbone {name!r}: try for example {close}")
    try:
        net = timm.create_model(
            name, pretrained=False, features_only=True, out_indices=(-4, -3, -2, -1)
        )
    except Exception as error:  # timm's errors share no base class
        raise UserError(f"timm cannot make features of {name!r}: {error}") from error
    if net.feature_info.reduction() != REDUCTIONS:
        wanted = f"features at strides {REDUCTIONS}"
        raise UserError(f"backbone {name!r} has no {wanted}: choose a ResNet")
    if getattr(timm.models.get_pretrained_cfg(name), "fixed_input_size", False):
        raise UserError(f"backbone {name!r} takes pictures of one size alone: choose a ResNet")
    return net


def _input_scale(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the RGB values, 0..255, that timm's weights of `name` expect."""
    cfg = timm.models.get_pretrained_cfg(name)
    mean = IMAGENET_DEFAULT_MEAN if cfg is None else cfg.mean  # of 0..1, as timm counts
    std = IMAGENET_DEFAULT_STD if cfg is None else cfg.std
    return tuple(255 * x for x in mean), tuple(255 * x for x in std)


def _move_stride_to_1x1(net: nn.Module) -> None:
    """As in the Caffe weights of bottleneck ResNets; a basic block, of ResNet-18 and -34, has no
    1x1 convolution and stays, as it does in detectron2."""
    for stage in ("layer2", "layer3", "layer4"):
        block = net[stage][0] if stage in net else None
        strides = [getattr(getattr(block, name, None), "stride", None) for name in CONVS]
        if strides == [(2, 2), (1, 1), None]:
            continue
        if strides != [(1, 1), (2, 2), (1, 1)]:
            raise UserError(
                "stride_in_1x1 is for ResNets and ResNeXts: leave it False for this backbone"
            )
        block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)
