"""Read and write detectron2 checkpoints.

A checkpoint is a file from somewhere else, so reading one never runs code: a .pth goes through
`torch.load(weights_only=True)`, a .pkl through an unpickler that makes numpy arrays and nothing
else.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers.files import UserError
from helpers.models.deform import ungrouped_offsets
from helpers.models.detectron2_names import detectron2_keys, modern_name
from helpers.models.images import IMAGENET_MEAN, IMAGENET_STD
from helpers.models.safe_pickle import load_arrays, load_tensors
from helpers.models.solov2 import SOLOv2

STEMS = ("backbone.net.conv1.weight", "backbone.net.conv1.0.weight")  # plain, deep
POINT_MLP = re.compile(r"roi_heads\.mask\.point\..*weight")  # there 1x1 convolutions
IGNORED = re.compile(r"pixel_(mean|std)$|cell_anchors|num_batches_tracked$")


@dataclass(frozen=True)
class InputFormat:
    """What the weights expect: channel order, and the statistics in that order (0..255)."""

    order: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def rgb(self, values: tuple[float, float, float]) -> Tensor:
        """Statistics of this format, in the order R, G, B."""
        return torch.tensor(values if self.order == "RGB" else values[::-1])


MSRA = InputFormat("BGR", (103.53, 116.28, 123.675), (1.0, 1.0, 1.0))  # detectron2's R50 and R101
RESNEXT = InputFormat("BGR", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
RESNEST = InputFormat("RGB", (123.68, 116.779, 103.939), (58.393, 57.12, 57.375))
TIMM = InputFormat("RGB", IMAGENET_MEAN, IMAGENET_STD)


def load_detectron2(model: nn.Module, path: str | Path, *, inputs: InputFormat = MSRA) -> None:
    """Fill every weight of `model` from a detectron2 .pkl or .pth (specification section 5.8).

    The model keeps taking RGB: the stem's channels are flipped and the deviations folded into it,
    the means go to `model.normalise`. Absent norm statistics are 0 and 1, as in files whose norms
    were merged. Weights that stride in the 1x1 convolution (MSRA) need a model built with
    `stride_in_1x1`: nothing in the file tells. Grouped convolutions for offsets, as the ResNeSt
    fork has them, become plain ones (section 2).
    Raises UserError when the file cannot be read, or does not hold exactly the weights of
    the model in its shapes, and for a SOLOv2.
    """
    _check_known(model)
    theirs = {modern_name(key): value for key, value in read_detectron2(path).items()}
    ours = _matched(model, theirs, path)
    for stem in STEMS:
        if stem in ours:
            ours[stem] = _to_rgb(ours[stem], inputs)
    ours["normalise.mean"] = inputs.rgb(inputs.mean).view(3, 1, 1)
    ours["normalise.std"] = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    model.load_state_dict(ours, strict=False)


def read_detectron2(path: str | Path) -> dict[str, Tensor]:
    """Name -> tensor of a .pkl or .pth, in the file's own names and channel order.

    The `module.` that DistributedDataParallel puts before every name is left out.
    Raises UserError when the file is absent, broken, holds what could run code, or no
    weights, or weights that are sparse, quantized, complex or without content.
    """
    path = Path(path)
    try:
        return _weights(_content(path))
    except Exception as error:  # broken pickles raise almost anything, and arrays hold it
        raise UserError(
            f"{path} cannot be read as a detectron2 checkpoint (.pkl or .pth): "
            f"{str(error) or type(error).__name__}"
        ) from error


def export_detectron2(model: nn.Module, path: str | Path, *, inputs: InputFormat = MSRA) -> None:
    """Write `model` as a .pkl that detectron2 loads into the same architecture.

    Release 0.6 and later do, beside any numpy; before, PointRend's heads had other names.
    `inputs` is the format to write for: set INPUT.FORMAT, MODEL.PIXEL_MEAN and PIXEL_STD to it.
    Raises UserError when `model` normalises by other means or is a SOLOv2, or the file
    exists.
    """
    _check_known(model)
    path, state = Path(path), model.state_dict()
    if not torch.allclose(state["normalise.mean"].flatten().cpu(), inputs.rgb(inputs.mean)):
        raise UserError(f"the model's pixel means are not those of {inputs}: name its own")
    weights = {}
    for ours, theirs in detectron2_keys(state).items():
        value = state[ours].cpu()
        if ours in STEMS:
            value = _from_rgb(value, inputs)
        weights[theirs] = (value[..., None] if POINT_MLP.match(ours) else value).numpy()
    try:
        with path.open("xb") as file:
            _ArrayPickler(file, protocol=4).dump(
                {"model": weights, "__author__": "spr-net-notebooks"}
            )
    except FileExistsError as error:
        raise UserError(f"{path} exists: choose another name or remove it") from error


def _check_known(model: nn.Module) -> None:
    if isinstance(model, SOLOv2):
        raise UserError(
            "detectron2 has no SOLOv2: take a Mask R-CNN or Cascade R-CNN, or read mmdet's SOLOv2 "
            "weights with helpers.models.mmdet_names.load_mmdet"
        )


def _content(path: Path) -> Any:
    if path.suffix.lower() != ".pkl":
        return load_tensors(path)
    with path.open("rb") as file:
        return load_arrays(file)


def _weights(content: Any) -> dict[str, Tensor]:
    nested = isinstance(content, Mapping) and "model" in content
    state = content["model"] if nested else content
    if not isinstance(state, Mapping):
        raise UserError("it holds no dictionary of weights: is it a checkpoint at all?")
    arrays = {str(k): v for k, v in state.items() if isinstance(v, Tensor | np.ndarray)}
    if not arrays:
        raise UserError(
            f"it holds no arrays{' under the key model' * nested}, only the keys "
            f"{[str(key) for key in state][:5]}: have its weights saved alone, "
            'torch.save({"model": model.state_dict()}, FILE)'
        )
    prefix = "module." if all(key.startswith("module.") for key in arrays) else ""
    return {key.removeprefix(prefix): _dense(key, value) for key, value in arrays.items()}


def _dense(name: str, value: Tensor | np.ndarray) -> Tensor:
    tensor = torch.as_tensor(value)
    odd = tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta
    if odd or tensor.is_complex():
        raise UserError(
            f"{name} is not a dense array of real numbers on the CPU: have it saved as one"
        )
    return tensor.clone()


class _ArrayPickler(pickle.Pickler):
    """Arrays as calls of `numpy.ndarray`: numpy 2 names its own helpers as numpy 1 does not."""

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, np.ndarray):
            return np.ndarray, (value.shape, value.dtype.str, value.tobytes())
        return NotImplemented


def _matched(model: nn.Module, theirs: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Our names -> their tensors, or a UserError that lists what does not fit."""
    state, ours, problems = model.state_dict(), {}, []
    names = detectron2_keys(state)
    for name, key in names.items():
        value = theirs.get(key, _absent_statistic(name, state[name]))
        if POINT_MLP.match(name) and value is not None:
            value = value.flatten(1)
        if name.endswith(".offset.weight") and value is not None:
            value = ungrouped_offsets(value, like=state[name])
        if value is None:
            problems.append(f"{key} is missing")
        elif value.shape != state[name].shape:
            problems.append(f"{key} is {tuple(value.shape)}, not {tuple(state[name].shape)}")
        else:
            ours[name] = value.to(state[name].dtype)
    surplus = set(theirs) - set(names.values())
    problems += [f"{key} has no place" for key in sorted(surplus) if not IGNORED.search(key)]
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" * (len(problems) > 5))
        raise UserError(
            f"{path} does not fit the model ({shown}): build it with the checkpoint's backbone, "
            "heads and number of classes"
        )
    return ours


def _absent_statistic(name: str, like: Tensor) -> Tensor | None:
    """Files whose norms are merged into scale and shift leave the statistics out."""
    if name.endswith("running_mean"):
        return torch.zeros_like(like)
    return torch.ones_like(like) if name.endswith("running_var") else None


def _to_rgb(weight: Tensor, inputs: InputFormat) -> Tensor:
    weight = weight if inputs.order == "RGB" else weight.flip(1)
    return weight * (torch.tensor(IMAGENET_STD) / inputs.rgb(inputs.std)).view(1, 3, 1, 1)


def _from_rgb(weight: Tensor, inputs: InputFormat) -> Tensor:
    weight = weight * (inputs.rgb(inputs.std) / torch.tensor(IMAGENET_STD)).view(1, 3, 1, 1)
    return weight if inputs.order == "RGB" else weight.flip(1)
