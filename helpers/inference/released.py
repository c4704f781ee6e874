"""The released model: one safetensors file in 16 bits, its config and classes in the file's header.

It was trained on generated scenes; data/models/README.md is its card. Any program that reads
safetensors can open it: the tensors have the names of `build_model(...).state_dict()`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from helpers.config import ExperimentConfig, TestConfig, from_dict
from helpers.data.taxonomy import Taxonomy
from helpers.files import UserError, replace_file
from helpers.models.build import trained_model
from helpers.models.pretrained import RELEASED, RESTORE, header_of, opened


@dataclass(frozen=True)
class Released:
    """A stored model with all that `Predictor` needs: config, classes, weights.

    Raises UserError when the file is absent, damaged, or of another kind.
    """

    file: Path = RELEASED
    name: str = "released"

    @property
    def config(self) -> ExperimentConfig:
        """What it was trained with."""
        return from_dict(json.loads(self._header["config"]))

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes it knows."""
        return Taxonomy.from_dict(json.loads(self._header["taxonomy"]))

    def model(self, test: TestConfig | None = None) -> nn.Module:
        """The detector in evaluation mode, float32, on the CPU; test: other limits than its own."""
        with opened(self.file) as content:
            weights = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
        try:
            return trained_model(self.config, self.taxonomy.num_classes, weights, test)
        except RuntimeError as error:
            raise UserError(f"{self.file} does not fit its own config: {RESTORE}") from error

    @cached_property
    def _header(self) -> dict[str, str]:
        """Config and classes as JSON; the weights stay on the disk."""
        with opened(self.file) as content:
            return header_of(content, self.file)


def store(file: Path, *, model: nn.Module, config: ExperimentConfig, taxonomy: Taxonomy) -> None:
    """Write a model, its floating-point tensors as float16; the file is whole or absent.

    Raises UserError when a weight is not finite in 16 bits.
    """
    halves = {
        key: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in model.state_dict().items()
    }
    lost = [key for key, tensor in halves.items() if not torch.isfinite(tensor).all()]
    if lost:
        raise UserError(f"{lost[0]} and {len(lost) - 1} more are not finite in 16 bits")
    header = {
        "config": json.dumps(config.to_dict()),
        "taxonomy": json.dumps(taxonomy.to_dict()),
        "format": "pt",
    }
    replace_file(file, lambda out: out.write(save(halves, header)))
