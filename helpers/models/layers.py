"""The convolution block of neck and heads, and how layers start."""

from __future__ import annotations

from typing import Literal

from torch import nn

HeadNorm = Literal["none", "bn", "sync"]


def conv_block(
    inputs: int, outputs: int, kernel: int, *, norm: HeadNorm = "none", relu: bool = True
) -> nn.Sequential:
    """Convolution that keeps the map's size, then norm and ReLU if wanted; MSRA (He) weights.

    With a norm the convolution has no bias.
    """
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=norm == "none")
    init_msra(conv)
    layers: list[nn.Module] = [conv]
    if norm != "none":
        layers.append((nn.SyncBatchNorm if norm == "sync" else nn.BatchNorm2d)(outputs))
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def init_msra(layer: nn.Module) -> None:
    """He initialisation (fan out, ReLU), zero bias."""
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    _zero_bias(layer)


def init_xavier(layer: nn.Module) -> None:
    """Uniform with bound sqrt(3 / fan in), zero bias: what the FPN and FC layers start from."""
    nn.init.kaiming_uniform_(layer.weight, a=1)
    _zero_bias(layer)


def init_normal(layer: nn.Module, deviation: float) -> None:
    """N(0, deviation) weights, zero bias."""
    nn.init.normal_(layer.weight, std=deviation)
    _zero_bias(layer)


def _zero_bias(layer: nn.Module) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
