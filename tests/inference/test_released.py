"""A stored model: read back equal up to 16 bits, small, refused when damaged."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from helpers.config import change, preset
from helpers.data.taxonomy import FUTURE3D
from helpers.files import UserError
from helpers.inference.predictor import Predictor
from helpers.inference.released import Released, store
from helpers.models.build import build_model


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    config = change(preset("quick"), model__pretrained=False, model__backbone="resnet10t")
    model = build_model(config.model, config.loss, config.test, FUTURE3D.num_classes).eval()
    file = tmp_path_factory.mktemp("models") / "toy.safetensors"
    store(file, model=model, config=config, taxonomy=FUTURE3D)
    return file, model, config


def test_comes_back_with_config_classes_and_weights_of_16_bits(kept):
    file, model, config = kept
    released = Released(file)
    assert released.config == config and released.taxonomy == FUTURE3D
    again = released.model().state_dict()
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(again[key], tensor, rtol=1e-3, atol=1e-6)
        assert again[key].dtype == tensor.dtype


def test_a_predictor_is_made_of_it(kept):
    found = Predictor(Released(kept[0]))(torch.zeros(64, 96, 3, dtype=torch.uint8).numpy())
    assert found.image.shape == (64, 96, 3)


def test_absent_damaged_or_foreign_files_are_refused(kept, tmp_path):
    with pytest.raises(UserError, match=r"missing.*git checkout"):
        Released(tmp_path / "none.safetensors").model()
    file = tmp_path / "cut.safetensors"
    file.write_bytes(kept[0].read_bytes()[:-1000])
    with pytest.raises(UserError, match="damaged"):
        Released(file).model()
    save_file({"a": torch.ones(2)}, file)
    with pytest.raises(UserError, match="no config"):
        Released(file).model()
    with safe_open(kept[0], "pt") as content:
        save_file({"a": torch.ones(2)}, file, metadata=content.metadata())
    with pytest.raises(UserError, match="does not fit"):
        Released(file).model()


def test_weights_that_16_bits_cannot_hold_are_not_stored(kept, tmp_path):
    _, model, config = kept
    name, weight = next(iter(model.named_parameters()))
    before = weight.detach().clone()
    weight.data[(0,) * weight.ndim] = 1e6
    with pytest.raises(UserError, match=rf"{name}.*16 bits"):
        store(tmp_path / "x.safetensors", model=model, config=config, taxonomy=FUTURE3D)
    weight.data.copy_(before)
    assert not (tmp_path / "x.safetensors").exists()
