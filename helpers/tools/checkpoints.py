"""Checkpoints of detectron2 and mmdet in, detectron2's out. Reading never runs code from a file."""

from __future__ import annotations

import logging
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers.files import UserError, replace_file
from helpers.models.deform import ungrouped_offsets
from helpers.models.images import IMAGENET_MEAN, IMAGENET_STD
from helpers.models.solov2 import SOLOv2
from helpers.tools.checkpoint_names import detectron2_keys, mmdet_keys, modern_name
from helpers.tools.safe_pickle import Unread, read_numbers

STEMS = ("backbone.net.conv1.weight", "backbone.net.conv1.0.weight")  # plain, deep
POINT_MLP = re.compile(r"roi_heads\.mask\.point\..*weight")  # there 1x1 convolutions
IGNORED = re.compile(r"pixel_(mean|std)$|cell_anchors|num_batches_tracked$")
WRAPPERS = ("model", "state_dict", "model_state", "model_state_dict", "module", "net", "weights")
PREFIXES = ("module.", "_orig_mod.")  # of a distributed or compiled model

logger = logging.getLogger(__name__)


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


def read_detectron2(path: str | Path) -> dict[str, Tensor]:
    """Name -> tensor of a .pkl or .pth of detectron2 or mmdet, in the file's channel order.

    Names are today's of that library. The weights may lie under one of `WRAPPERS`, beside anything
    else, which is passed over; the `module.` of DistributedDataParallel is left out.
    Raises UserError when the file is absent, damaged, would run code, or has no weights.
    """
    path = Path(path)
    content = read_numbers(path)
    weights = _weights(_unwrapped(content), path)
    if not weights:
        found = list(content)[:8] if isinstance(content, Mapping) else type(content).__name__
        raise UserError(
            f"{path} has no weights, only {found}: have them saved alone, "
            'torch.save({"model": model.state_dict()}, FILE)'
        )
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in weights):
            weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return {modern_name(key): value for key, value in weights.items()}


def _unwrapped(content: Any) -> Mapping[Any, Any]:
    """The innermost of the dictionaries that lie under `WRAPPERS`."""
    if not isinstance(content, Mapping):
        return {}
    inner = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)]
    return _unwrapped(inner[0]) if inner else content


def _weights(state: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    """Those of its values that are arrays of real numbers. Others that may be weights are named."""
    weights, unread = {}, []
    for key, value in state.items():
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
            value = torch.as_tensor(np.asarray(value))
        if isinstance(value, Tensor) and not value.is_complex():
            weights[str(key)] = value
        elif isinstance(value, Unread | np.ndarray | Tensor):
            unread.append(f"{key} ({getattr(value, 'asked', None) or value.dtype})")
    if unread:
        places = ", ".join(unread[:3])
        logger.warning("%s: not read among the weights (%d): %s", path, len(unread), places)
    return weights


def load_detectron2(model: nn.Module, path: str | Path, *, inputs: InputFormat = MSRA) -> None:
    """Fill every weight of `model` from a detectron2 .pkl or .pth.

    `inputs` is the file's format: MSRA, RESNEXT (detectron2's X101), RESNEST (the ResNeSt fork's).
    The model keeps taking RGB: the stem's channels are flipped and the deviations folded into it,
    the means go to `model.normalise`. Absent norm statistics are 0 and 1. Weights that stride in
    the 1x1 convolution (MSRA) need a model built with `stride_in_1x1`: nothing in the file tells.
    Grouped convolutions for offsets, as the ResNeSt fork has them, become plain ones.
    Raises UserError when the file cannot be read, or does not fit the model.
    """
    theirs, state = read_detectron2(path), model.state_dict()
    names = detectron2_keys(state)
    for name, key in names.items():
        if key not in theirs and name.endswith(("running_mean", "running_var")):
            theirs[key] = torch.full_like(state[name], float(name.endswith("var")))
        elif key in theirs and POINT_MLP.match(name):
            theirs[key] = theirs[key].flatten(1)
        elif key in theirs and name.endswith(".offset.weight"):
            theirs[key] = ungrouped_offsets(theirs[key], like=state[name])
    ours = _fitted(theirs, state, names, path)
    for stem in STEMS:
        if stem in ours:
            ours[stem] = _to_rgb(ours[stem], inputs)
    ours["normalise.mean"] = inputs.rgb(inputs.mean).view(3, 1, 1)
    ours["normalise.std"] = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    model.load_state_dict(ours, strict=False)


def load_mmdet(model: SOLOv2, path: str | Path) -> None:
    """Fill every weight of a SOLOv2 from an mmdet .pth, or one of SOLO's own repository.

    These weights take RGB with ImageNet's statistics, and so does the model then. Raises UserError
    when the file cannot be read, or does not hold exactly the weights of the model in its shapes.
    """
    state = model.state_dict()
    ours = _fitted(read_detectron2(path), state, mmdet_keys(state), path)
    ours["normalise.mean"] = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    ours["normalise.std"] = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    model.load_state_dict(ours, strict=False)


def _fitted(
    theirs: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    names: Mapping[str, str],
    path: str | Path,
) -> dict[str, Tensor]:
    """Weights by our names, in the types of `state`. theirs: by their names; names: ours -> theirs.

    Raises UserError that lists what is missing, has no place, or another shape.
    """
    problems = [f"{key} is missing" for key in names.values() if key not in theirs]
    surplus = sorted(set(theirs) - set(names.values()))
    problems += [f"{key} has no place" for key in surplus if not IGNORED.search(key)]
    problems += [
        f"{key} is {tuple(theirs[key].shape)}, not {tuple(state[name].shape)}"
        for name, key in names.items()
        if key in theirs and theirs[key].shape != state[name].shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" * (len(problems) > 5))
        raise UserError(
            f"{path} does not fit the model ({shown}): build it with the checkpoint's backbone, "
            "heads and number of classes"
        )
    return {name: theirs[key].to(state[name].dtype) for name, key in names.items()}


def export_detectron2(model: nn.Module, path: str | Path, *, inputs: InputFormat = MSRA) -> None:
    """Write `model` as a .pkl that detectron2 loads into the same architecture.

    Release 0.6 and later do, beside any numpy; before, PointRend's heads had other names.
    `inputs` is the format to write for: set INPUT.FORMAT, MODEL.PIXEL_MEAN and PIXEL_STD to it.
    Raises UserError when `model` normalises by other means or is a SOLOv2, or the file exists.
    """
    path, state = Path(path), model.state_dict()
    if isinstance(model, SOLOv2):
        raise UserError("detectron2 has no SOLOv2: choose a Mask R-CNN or Cascade R-CNN")
    if path.exists():
        raise UserError(f"{path} exists: choose another name or remove it")
    if not torch.allclose(state["normalise.mean"].flatten().cpu(), inputs.rgb(inputs.mean)):
        raise UserError(f"the model's pixel means are not those of {inputs}: name its own")
    weights = {}
    for ours, theirs in detectron2_keys(state).items():
        value = state[ours].cpu()
        if ours in STEMS:
            value = _from_rgb(value, inputs)
        weights[theirs] = (value[..., None] if POINT_MLP.match(ours) else value).numpy()
    content = {"model": weights, "__author__": "spr-net-notebooks"}
    replace_file(path, lambda file: _ArrayPickler(file, protocol=4).dump(content))


class _ArrayPickler(pickle.Pickler):
    """Arrays as calls of `numpy.ndarray`: numpy 2 names its own helpers as numpy 1 does not."""

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, np.ndarray):
            return np.ndarray, (value.shape, value.dtype.str, value.tobytes())
        return NotImplemented


def _to_rgb(weight: Tensor, inputs: InputFormat) -> Tensor:
    weight = weight if inputs.order == "RGB" else weight.flip(1)
    return weight * (torch.tensor(IMAGENET_STD) / inputs.rgb(inputs.std)).view(1, 3, 1, 1)


def _from_rgb(weight: Tensor, inputs: InputFormat) -> Tensor:
    weight = weight * (inputs.rgb(inputs.std) / torch.tensor(IMAGENET_STD)).view(1, 3, 1, 1)
    return weight if inputs.order == "RGB" else weight.flip(1)
