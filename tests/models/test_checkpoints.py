"""Foreign checkpoints: names, colours, missing parts, and files that want to run code."""

import dataclasses
import json
import os
import pickle
import pickletools
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch

from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.files import UserError
from helpers.models.build import build_model
from helpers.models.checkpoints import (
    MSRA,
    RESNEST,
    RESNEXT,
    TIMM,
    export_detectron2,
    load_detectron2,
    read_detectron2,
)
from helpers.models.deform import DeformConv
from helpers.models.detectron2_names import detectron2_keys, modern_name
from helpers.tools.compare import GOLDEN


@pytest.fixture
def model(tiny, make_model):
    return make_model(tiny).eval()


def write(path, content, *, protocol=None):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("inputs", [MSRA, RESNEXT, TIMM])
def test_a_written_checkpoint_comes_back_with_the_same_answers(
    model, tiny, make_model, tmp_path, inputs
):
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    path = tmp_path / "model.pkl"
    export_detectron2(model, path, inputs=inputs)
    other = make_model(tiny).eval()
    for parameter in other.parameters():
        parameter.data.zero_()
    load_detectron2(other, path, inputs=inputs)
    (first,), (second,) = model.predict([image]), other.predict([image])
    torch.testing.assert_close(first.boxes, second.boxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(first.masks, second.masks, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["maskrcnn", "pointrend", "cascade"])
def test_written_names_and_shapes_are_those_of_detectron2_s_own_models(tmp_path, name):
    """detectron2 wrote its own names and shapes into the golden files."""
    with np.load(GOLDEN / f"{name}_r50.npz") as file:
        theirs = json.loads(str(file["meta"]))["keys"]
    cascade = name == "cascade"
    config = ModelConfig(
        pretrained=False,
        architecture="cascade_rcnn" if cascade else "mask_rcnn",
        mask_head="conv" if name == "maskrcnn" else "pointrend",
    )
    export_detectron2(build_model(config, LossConfig(), TestConfig(), 34), tmp_path / "m.pkl")
    written = read_detectron2(tmp_path / "m.pkl")
    assert {key: list(value.shape) for key, value in written.items()} == theirs


def test_a_written_file_names_nothing_that_only_one_numpy_has(model, tmp_path):
    """numpy 2 calls `numpy.core` `numpy._core`, which older ones lack, and so detectron2 there."""
    export_detectron2(model, tmp_path / "m.pkl")
    content = (tmp_path / "m.pkl").read_bytes()
    texts = [
        argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)
    ]
    assert "ndarray" in texts
    assert [text for text in texts if text.startswith("numpy.")] == []
    plain = pickle.loads(content, encoding="latin1")["model"]  # as detectron2 reads it
    read = read_detectron2(tmp_path / "m.pkl")
    assert all(np.array_equal(plain[key], value) for key, value in read.items())


def test_solov2_is_refused_both_ways(tiny, tmp_path, make_model):
    model = make_model(dataclasses.replace(tiny, architecture="solov2"))
    with pytest.raises(UserError, match=r"detectron2 has no SOLOv2: .*load_mmdet"):
        export_detectron2(model, tmp_path / "m.pkl")
    assert not (tmp_path / "m.pkl").exists()
    with pytest.raises(UserError, match="detectron2 has no SOLOv2"):
        load_detectron2(model, write(tmp_path / "n.pkl", {"model": {"w": np.zeros(1)}}))


def test_bgr_weights_see_the_reversed_channels(tmp_path, make_model, tiny):
    """The exported stem, fed as detectron2 feeds it, gives what our stem gives on RGB."""
    plain = make_model(dataclasses.replace(tiny, backbone="resnet18")).eval()
    export_detectron2(plain, tmp_path / "m.pkl", inputs=RESNEXT)
    theirs = read_detectron2(tmp_path / "m.pkl")["backbone.bottom_up.stem.conv1.weight"]
    image = torch.rand(3, 32, 32) * 255
    mean, std = (torch.tensor(t).view(3, 1, 1) for t in (RESNEXT.mean, RESNEXT.std))
    bgr = (image.flip(0) - mean) / std
    ours = plain.backbone.net.conv1(plain.normalise([image]).tensor)
    their_answer = torch.conv2d(bgr[None], theirs, stride=2, padding=3)
    torch.testing.assert_close(their_answer, ours, rtol=1e-4, atol=1e-4)


def test_other_means_move_into_the_model(model, tmp_path, make_model, tiny):
    path = write(tmp_path / "m.pkl", {"model": exported(model)})
    load_detectron2(model, path, inputs=RESNEST)
    assert model.normalise.mean.flatten().tolist() == pytest.approx(list(RESNEST.mean))
    with pytest.raises(UserError, match="pixel means"):
        export_detectron2(model, tmp_path / "n.pkl", inputs=MSRA)


def exported(model) -> dict[str, np.ndarray]:
    state = model.state_dict()
    return {theirs: state[ours].numpy() for ours, theirs in detectron2_keys(state).items()}


def test_a_pth_is_read_too(model, tmp_path):
    state = {key: torch.from_numpy(value) for key, value in exported(model).items()}
    state["pixel_mean"] = torch.zeros(3, 1, 1)
    torch.save({"model": state, "iteration": 5}, tmp_path / "m.pth")
    load_detectron2(model, tmp_path / "m.pth")


@pytest.mark.parametrize("backbone", ["resnet10t", "resnest14d"])
def test_grouped_convolutions_for_offsets_become_plain_ones(tiny, make_model, tmp_path, backbone):
    """The ResNeSt fork computes the offsets of each half of the channels from that half alone."""
    config = dataclasses.replace(tiny, backbone=backbone, deform_stages=(3,), deform_groups=2)
    model = make_model(config).eval()
    state = exported(model)
    (key,) = [key for key in state if key.endswith("conv2_offset.weight")]
    rows, channels = state[key].shape[:2]
    grouped = torch.nn.Conv2d(channels, rows, 3, padding=1, groups=2)
    state[key] = grouped.weight.detach().numpy()
    state[key.replace("weight", "bias")] = grouped.bias.detach().numpy()
    load_detectron2(model, write(tmp_path / "m.pkl", {"model": state}))
    (ours,) = [module for module in model.modules() if isinstance(module, DeformConv)]
    x = torch.randn(2, channels, 8, 8)
    torch.testing.assert_close(
        torch.conv2d(x, ours.offset.weight, ours.offset.bias, padding=1), grouped(x)
    )
    state[key] = state[key][:, :-1]
    with pytest.raises(UserError, match=re.escape(f"{key} is ({rows}, {channels // 2 - 1}")):
        load_detectron2(model, write(tmp_path / "m.pkl", {"model": state}))


def test_names_of_a_distributed_training(model, tmp_path):
    state = {f"module.{key}": value for key, value in exported(model).items()}
    load_detectron2(model, write(tmp_path / "m.pkl", {"model": state}))
    state["odd"] = np.zeros(1)
    assert set(read_detectron2(write(tmp_path / "n.pkl", {"model": state}))) == set(state)


def test_a_suffix_in_capitals_is_a_pickle_too(tmp_path):
    path = write(tmp_path / "M.PKL", {"model": {"w": np.ones(3)}})
    assert read_detectron2(path)["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"model": {"w": np.ones(1)}}}, r"no arrays under the key model, .*\['model'\]"),
        ({"state_dict": {"w": np.ones(1)}}, r"no arrays, .*\['state_dict'\]"),
        ({"model": {}}, r"no arrays under the key model"),
        ({"model": {"w": np.ones(1, complex)}}, r"w is not a dense array of real numbers"),
    ],
)
def test_a_file_without_usable_weights_says_what_it_has(tmp_path, content, message):
    with pytest.raises(UserError, match=rf"m\.pkl .*{message}"):
        read_detectron2(write(tmp_path / "m.pkl", content))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_sparse_weights_are_refused_in_words(tmp_path):
    torch.save({"model": {"fc.weight": torch.eye(3).to_sparse()}}, tmp_path / "m.pth")
    with pytest.raises(UserError, match=r"m\.pth .*fc\.weight is not a dense array"):
        read_detectron2(tmp_path / "m.pth")


def test_absent_norm_statistics_are_zero_and_one(model, tmp_path):
    state = {k: v for k, v in exported(model).items() if "running_" not in k}
    load_detectron2(model, write(tmp_path / "m.pkl", {"model": state}))
    assert (model.backbone.net.layer1[0].bn1.running_mean == 0).all()
    assert (model.backbone.net.layer1[0].bn1.running_var == 1).all()


@pytest.mark.parametrize("change", ["missing", "shape", "surplus"])
def test_what_does_not_fit_is_listed(model, tmp_path, change):
    state, key = exported(model), "roi_heads.box_predictor.cls_score.weight"
    if change == "missing":
        del state[key]
    elif change == "shape":
        state[key] = state[key][:-1]
    else:
        key = "roi_heads.keypoint_head.weight"
        state[key] = np.zeros(3, np.float32)
    before = model.rpn.head.conv.weight.clone()
    with pytest.raises(UserError, match=key):
        load_detectron2(model, write(tmp_path / "m.pkl", {"model": state}))
    assert torch.equal(model.rpn.head.conv.weight, before)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "roi_heads.mask_coarse_head.coarse_mask_fc1.bias",
            "roi_heads.mask_head.coarse_head.fc1.bias",
        ),
        ("roi_heads.mask_point_head.fc2.weight", "roi_heads.mask_head.point_head.fc2.weight"),
        ("roi_heads.mask_head.deconv.bias", "roi_heads.mask_head.deconv.bias"),
    ],
)
def test_old_pointrend_names(old, new):
    assert modern_name(old) == new


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_pickle_protocol(tmp_path, protocol):
    values = OrderedDict(a=np.arange(6.0, dtype=np.float32).reshape(2, 3), b=np.int64(4).reshape(1))
    read = read_detectron2(write(tmp_path / "a.pkl", {"model": values}, protocol=protocol))
    assert read["a"].tolist() == [[0, 1, 2], [3, 4, 5]]


class Hostile:
    """Runs a command when unpickled the usual way."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_a_hostile_pickle_runs_nothing(tmp_path, suffix):
    marker = tmp_path / "marker"
    path = write(tmp_path / f"evil{suffix}", {"model": {"w": Hostile(marker)}})
    with pytest.raises(UserError, match="cannot be read"):
        read_detectron2(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # the same file does run under a plain unpickler
    assert marker.exists()


@pytest.mark.parametrize("new_format", [True, False])
def test_a_refused_pth_is_told_without_advice_to_trust_it(tmp_path, new_format):
    path, marker = tmp_path / "model.pth", tmp_path / "marker"
    content = {"model": {"w": torch.ones(1), "made by": Hostile(marker)}}
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(pickle.UnpicklingError, match="with `weights_only` set to `False`"):
        torch.load(path, weights_only=True)
    with pytest.raises(UserError, match=r"model\.pth .* save the weights alone") as caught:
        read_detectron2(path)
    assert "weights_only" not in f"{caught.value} {caught.value.__cause__}"
    assert caught.value.__cause__.__suppress_context__  # no part of what is shown
    assert not marker.exists()


@pytest.mark.parametrize("kept", [0, 9, -200, None])
def test_a_damaged_pth_says_how_to_mend_it(tmp_path, kept):
    path = tmp_path / "model.pth"
    torch.save({"model": {"w": torch.ones(9)}}, path)
    path.write_bytes(b"text" if kept is None else path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"model\.pth .* is damaged, .* Fetch it again"):
        read_detectron2(path)


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps([1, 2])])
def test_a_broken_file_says_which(tmp_path, content):
    path = tmp_path / "broken.pkl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.pkl .*(damaged|no dictionary)"):
        read_detectron2(path)


def test_an_absent_file_and_an_existing_target(model, tmp_path):
    with pytest.raises(UserError, match=r"none\.pkl"):
        read_detectron2(tmp_path / "none.pkl")
    export_detectron2(model, tmp_path / "m.pkl")
    with pytest.raises(UserError, match="exists"):
        export_detectron2(model, tmp_path / "m.pkl")
