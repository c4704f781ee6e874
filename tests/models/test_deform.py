"""Deformable convolution against plain convolution and torchvision's operator."""

import pytest
import torch
from torch import nn

from helpers.models.backbones import Backbone
from helpers.models.deform import DeformConv, deform_stages

# channels in, out, groups, stride, dilation, deform groups
GEOMETRIES = [
    (8, 8, 1, 1, 1, 1),
    (8, 16, 2, 1, 1, 1),
    (8, 8, 1, 2, 1, 2),
    (8, 4, 4, 1, 1, 1),
    (8, 8, 8, 1, 2, 4),
    (64, 64, 32, 2, 1, 1),
]


def make(geometry: tuple[int, ...], *, bias: bool = False) -> tuple[nn.Conv2d, DeformConv]:
    torch.manual_seed(0)
    inputs, outputs, groups, stride, dilation, deform_groups = geometry
    conv = nn.Conv2d(
        inputs, outputs, 3, stride, padding=dilation, dilation=dilation, groups=groups, bias=bias
    )
    return conv, DeformConv(conv, groups=deform_groups)


def moved(deform: DeformConv) -> DeformConv:
    """With offsets of some cells and uneven tap weights."""
    nn.init.normal_(deform.offset.weight, std=0.2)
    nn.init.normal_(deform.offset.bias, std=1.0)
    return deform


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_our_path_and_its_gradients_equal_torchvisions(geometry):
    deform = moved(make(geometry, bias=True)[1])
    x = torch.randn(2, geometry[0], 9, 11, requires_grad=True)
    offset, mask = deform.offset(x).split((18 * deform.groups, 9 * deform.groups), dim=1)
    assert offset.abs().max() > 2
    inputs = [x, *(t.detach().requires_grad_() for t in (offset, mask.sigmoid()))]
    weights = [deform.weight, deform.bias]
    answers, gradients = [], []
    for path in (deform._on_cpu, deform._by_torchvision):
        answer = path(*inputs)
        answers.append(answer)
        gradients.append(torch.autograd.grad(answer.square().sum(), inputs + weights))
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "count"), [("resnet50", 13), ("resnest14d", 3), ("resnet10t", 3)])
@torch.no_grad()
def test_surgery_on_c3_to_c5_keeps_what_the_network_computes(name, count):
    torch.manual_seed(0)
    plain, deformed = Backbone(name).eval(), Backbone(name).eval()
    for key, buffer in plain.named_buffers():  # timm starts the residual branches at zero
        if key.endswith("bn3.weight") or (name.startswith("resnet1") and "bn2.weight" in key):
            buffer.fill_(1.0)
    deformed.load_state_dict(plain.state_dict())
    deform_stages(deformed.net, (3, 4, 5), groups=2)
    image = torch.randn(1, 3, 64, 64)
    for before, after in zip(plain(image), deformed(image), strict=True):
        torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-3 * before.abs().max().item())
    made = [m for m in deformed.modules() if isinstance(m, DeformConv)]
    assert len(made) == count
    assert made[0].offset.out_channels == 54
