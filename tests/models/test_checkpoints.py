"""Foreign checkpoints: names, colours, missing parts, and files that want to run code."""

import argparse
import dataclasses
import json
import os
import pickle
import pickletools
import re
from collections import OrderedDict, deque

import numpy as np
import pytest
import torch

from helpers.config import LossConfig, ModelConfig, Solov2Config, TestConfig
from helpers.files import ROOT, UserError
from helpers.models.build import build_model
from helpers.models.deform import DeformConv
from helpers.tools.checkpoint_names import detectron2_keys, mmdet_keys
from helpers.tools.checkpoints import (
    MSRA,
    RESNEXT,
    TIMM,
    export_detectron2,
    load_detectron2,
    load_mmdet,
    read_detectron2,
)
from tests.models.conftest import SMALL

GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture
def model(tiny, make_model):
    return make_model(tiny).eval()


def write(path, content, *, protocol=None):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def exported(model) -> dict[str, np.ndarray]:
    state = model.state_dict()
    return {theirs: state[ours].numpy() for ours, theirs in detectron2_keys(state).items()}


WRITERS = {
    "torch": lambda content, path: torch.save(content, path),
    "old torch": lambda content, path: torch.save(
        content, path, _use_new_zipfile_serialization=False
    ),
    **{
        f"protocol {n}": lambda content, path, n=n: write(path, content, protocol=n)
        for n in range(6)
    },
}
FEW = ("torch", "old torch", "protocol 4")


class Buffer:
    """As the history buffers of a training's message hub: numbers inside an object of a library."""

    def __init__(self):
        self.history = np.arange(3)


class Settings(dict):
    """As the configs of several libraries: a dictionary that knows more."""


class Rows(list): ...


def beside() -> dict:
    """What trainings leave beside the weights."""
    return {
        "message_hub": {"loss": Buffer()},
        "best": np.float32(0.5),
        "classes": np.array(["chair", None], dtype=object),
        "config": Settings(lr=0.1),
        "arguments": argparse.Namespace(epochs=3),
        "recent": deque([1, 2]),
        "rows": Rows([1, 2]),
        "seen": {1, 2},
        "optimizer": {"state": {0: {"momentum": torch.ones(2)}}, "type": torch.complex64},
        "spectra": [torch.ones(2, dtype=torch.complex64)],
    }


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("wrapper", ["state_dict", None])
def test_numbers_are_read_whatever_lies_beside_them(tmp_path, monkeypatch, writer, wrapper):
    weights = OrderedDict(
        turned=torch.arange(6.0).view(2, 3).T,
        parameter=torch.nn.Parameter(torch.ones(2).bfloat16()),
        count=torch.tensor(5),
        empty=torch.zeros(0),
        array=np.arange(6.0).reshape(2, 3),
        scalar=np.float32(2),
    )
    content = {**weights, **beside()} if wrapper is None else {wrapper: weights, **beside()}
    WRITERS[writer](content, tmp_path / "m.pth")

    def forbidden(*_: object) -> None:
        raise AssertionError("something of the file was made")

    for kind in (Buffer, Settings, Rows):
        monkeypatch.setattr(kind, "__new__", forbidden)
    read = read_detectron2(tmp_path / "m.pth")
    for key, value in weights.items():
        assert torch.equal(read[key], torch.as_tensor(value))
        assert read[key].dtype == torch.as_tensor(value).dtype


def test_objects_among_the_weights_are_named_once(tmp_path, caplog):
    torch.save({"model": {"w": torch.ones(1), "sparse": torch.eye(3).to_sparse()}}, tmp_path / "m")
    assert set(read_detectron2(tmp_path / "m")) == {"w"}
    assert re.search(r"sparse \(torch\S*_rebuild_sparse_tensor\)", caplog.text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"model": {}, "epoch": 3}, r"only \['model', 'epoch'\]"),
        ({"model": torch.nn.Linear(2, 2)}, r"only \['model'\]"),
        ([1, 2], "only list"),
    ],
)
def test_a_file_without_usable_weights_says_what_it_has(tmp_path, content, words):
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(UserError, match=rf"m\.pth has no weights, {words}"):
        read_detectron2(tmp_path / "m.pth")


class Hostile:
    """Runs a command when unpickled the usual way."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("writer", FEW)
@pytest.mark.parametrize("place", ["weights", "beside"])
def test_a_hostile_file_runs_nothing_and_is_refused(tmp_path, writer, place):
    marker = tmp_path / "marker"
    content = {"model": {"w": torch.ones(1)}}
    (content["model"] if place == "weights" else content)["made by"] = Hostile(marker)
    WRITERS[writer](content, tmp_path / "m.pth")
    with pytest.raises(UserError, match=r"m\.pth is not read: it calls \w+\.system"):
        read_detectron2(tmp_path / "m.pth")
    assert not marker.exists()
    pickle.loads(pickle.dumps(content))  # it does run under a plain unpickler
    assert marker.exists()


# A type of records that hold an object, and says of itself that it holds none.
OBJECT = b"cnumpy\ndtype\n(S'O'\ntR"
RECORD = b"cnumpy\ndtype\n(S'V8'\ntR(I3\nS'|'\nN(S'a'\nt(dS'a'\n(" + OBJECT
RECORD += b"I0\ntsI8\nI1\nI0\ntb"


@pytest.mark.parametrize(
    "pickled",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"cnumpy\ndtype\n(S'O'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"cnumpy\nndarray\n((I1\ntS'O'\nS'AAAAAAAA'\ntR.",
        b"cnumpy\nndarray\n((I1\nt" + RECORD + b"S'AAAAAAAA'\ntR.",
        b"cnumpy.f2py\ncompile\n(S'x'\ntR.",
        b"(dS'model'\nccollections\nOrderedDict\n)R}S'items'\nI1\nsbs.",
        b"}S'w'\ncnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'V3000'\ntRtRs.",
    ],
)
def test_only_numbers_are_made_of_a_pickle(tmp_path, pickled):
    (tmp_path / "evil.pkl").write_bytes(pickled)
    with pytest.raises(UserError):
        read_detectron2(tmp_path / "evil.pkl")


def test_a_file_cannot_alter_what_reads_it(tmp_path):
    change = b"ctorch._utils\n_rebuild_tensor_v2\nN}S'__doc__'\nS'x'\ns\x86b."
    (tmp_path / "evil.pkl").write_bytes(change)
    with pytest.raises(UserError):
        read_detectron2(tmp_path / "evil.pkl")
    assert torch._utils._rebuild_tensor_v2.__doc__ != "x"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_is_no_checkpoint(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "m.pth")
    with pytest.raises(UserError, match=r"m\.pth is damaged, or no checkpoint"):
        read_detectron2(tmp_path / "m.pth")


@pytest.mark.parametrize("writer", FEW)
@pytest.mark.parametrize("kept", [0, 9, -20])
def test_a_damaged_file_says_how_to_fix_it(tmp_path, writer, kept):
    path = tmp_path / "model.pth"
    WRITERS[writer]({"model": {"w": torch.ones(9)}}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"model\.pth is damaged.*fetch it again"):
        read_detectron2(path)


@pytest.mark.parametrize("inputs", [MSRA, TIMM])
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
    with pytest.raises(UserError, match="exists"):
        export_detectron2(model, path)


@pytest.mark.parametrize("name", ["maskrcnn", "pointrend", "cascade"])
def test_names_and_shapes_are_those_of_detectron2_s_own_models(name):
    """detectron2 wrote its own names and shapes into the golden files."""
    with np.load(GOLDEN / f"{name}_r50.npz") as file:
        theirs = json.loads(str(file["meta"]))["keys"]
    config = ModelConfig(
        pretrained=False,
        architecture="cascade_rcnn" if name == "cascade" else "mask_rcnn",
        mask_head="conv" if name == "maskrcnn" else "pointrend",
    )
    with torch.device("meta"):
        state = build_model(config, LossConfig(), TestConfig(), 34).state_dict()
    for ours, key in detectron2_keys(state).items():
        assert [*state[ours].shape] + [1] * (
            "point_head" in key and key.endswith("weight")
        ) == theirs.pop(key)
    assert not theirs


def test_a_written_file_names_nothing_that_only_one_numpy_has(model, tmp_path):
    """numpy 2 calls `numpy.core` `numpy._core`, which older ones lack, and so detectron2 there."""
    export_detectron2(model, tmp_path / "m.pkl")
    content = (tmp_path / "m.pkl").read_bytes()
    texts = [text for _, text, _ in pickletools.genops(content) if isinstance(text, str)]
    assert "ndarray" in texts
    assert [text for text in texts if text.startswith("numpy.")] == []


def test_bgr_weights_see_the_reversed_channels(tmp_path, make_model, tiny):
    """The exported stem, fed as detectron2 feeds it, gives what our stem gives on RGB."""
    plain = make_model(dataclasses.replace(tiny, backbone="resnet18")).eval()
    export_detectron2(plain, tmp_path / "m.pkl", inputs=RESNEXT)
    theirs = read_detectron2(tmp_path / "m.pkl")["backbone.bottom_up.stem.conv1.weight"]
    image = torch.rand(3, 32, 32) * 255
    mean, std = (torch.tensor(t).view(3, 1, 1) for t in (RESNEXT.mean, RESNEXT.std))
    ours = plain.backbone.net.conv1(plain.normalise([image]).tensor)
    their_answer = torch.conv2d(((image.flip(0) - mean) / std)[None], theirs, stride=2, padding=3)
    torch.testing.assert_close(their_answer, ours, rtol=1e-4, atol=1e-4)


def test_grouped_convolutions_for_offsets_become_plain_ones(tiny, make_model, tmp_path):
    """The ResNeSt fork computes the offsets of each half of the channels from that half alone."""
    config = dataclasses.replace(tiny, backbone="resnest14d", deform_stages=(3,), deform_groups=2)
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
    answer = torch.conv2d(x, ours.offset.weight, ours.offset.bias, padding=1)
    torch.testing.assert_close(answer, grouped(x))


def test_names_of_a_distributed_training_and_absent_norm_statistics(model, tmp_path):
    state = {f"module.{k}": v for k, v in exported(model).items() if "running_" not in k}
    load_detectron2(model, write(tmp_path / "m.pkl", {"model": state}))
    assert (model.backbone.net.layer1[0].bn1.running_mean == 0).all()
    assert (model.backbone.net.layer1[0].bn1.running_var == 1).all()


@pytest.mark.parametrize("change", ["missing", "shape", "surplus"])
def test_what_does_not_fit_is_listed_and_changes_nothing(model, tmp_path, change):
    state, key = exported(model), "roi_heads.box_predictor.cls_score.weight"
    if change == "missing":
        del state[key]
    elif change == "shape":
        state[key] = state[key][:-1]
    else:
        key = "roi_heads.keypoint_head.weight"
        state[key] = np.zeros(3, np.float32)
    state["pixel_mean"] = np.zeros(3)  # nobody misses that
    before = model.rpn.head.conv.weight.clone()
    with pytest.raises(UserError, match=rf"\({key} [^;]*\): build it with"):
        load_detectron2(model, write(tmp_path / "m.pkl", {"model": state}))
    assert torch.equal(model.rpn.head.conv.weight, before)


def test_every_weight_of_a_resnest_has_a_name_of_its_own_there(tiny, make_model):
    changes = {"architecture": "cascade_rcnn", "box_head": "4conv1fc", "head_norm": "bn"}
    changes |= {"backbone": "resnest14d", "deform_stages": (4,)}
    keys = detectron2_keys(make_model(dataclasses.replace(tiny, **changes)).state_dict())
    assert len(set(keys.values())) == len(keys) > 100
    prefixes = ("backbone.bottom_up.", "backbone.fpn_", "proposal_generator.", "roi_heads.")
    assert all(key.startswith(prefixes) for key in keys.values())
    for ours, theirs in {
        "conv1.4.bias": "stem.conv1_2.norm.bias",
        "bn1.weight": "stem.conv1_3.norm.weight",
        "layer3.0.conv2.conv.offset.weight": "res4.0.conv2_offset.weight",
        "layer2.0.downsample.2.weight": "res3.0.shortcut.norm.weight",
    }.items():
        assert keys[f"backbone.net.{ours}"] == f"backbone.bottom_up.{theirs}"


LEVELS = "mask_head.mask_feature_head.convs_all_levels."
MERGE = "mask_head.mask_feature_head.conv_pred."
RELEASED = {  # channels of the released SOLOv2 with DCN, 34 classes
    "mask_head.kernel_convs.0.conv.weight": (512, 258, 3, 3),
    "mask_head.kernel_convs.3.conv.conv_offset.weight": (27, 512, 3, 3),
    "mask_head.cls_convs.2.gn.bias": (512,),
    "mask_head.conv_kernel.weight": (256, 512, 3, 3),
    LEVELS + "3.conv0.conv.weight": (128, 258, 3, 3),
    MERGE + "conv.conv_offset.weight": (3, 128, 1, 1),
    "neck.lateral_convs.3.conv.weight": (256, 2048, 1, 1),
    "backbone.layer2.0.conv2.conv_offset.weight": (27, 128, 3, 3),
}
OLD = {
    "mask_head.cls_convs.": "bbox_head.cate_convs.",
    "mask_head.kernel_convs.": "bbox_head.kernel_convs.",
    "mask_head.conv_cls.": "bbox_head.solo_cate.",
    "mask_head.conv_kernel.": "bbox_head.solo_kernel.",
    "mask_head.mask_feature_head.conv_pred.": "mask_feat_head.conv_pred.0.",
    "mask_head.mask_feature_head.": "mask_feat_head.",
    ".conv2.conv_offset.": ".conv2_offset.",
}


def solov2(tiny, **changes):
    torch.manual_seed(0)
    config = dataclasses.replace(tiny, architecture="solov2", **{"solov2": SMALL, **changes})
    return build_model(config, LossConfig(), TestConfig(), 34)


def mmdet_state(model) -> dict[str, torch.Tensor]:
    state = model.state_dict()
    return {key: state[name].clone() for name, key in mmdet_keys(state).items()}


def test_names_and_shapes_of_mmdet_s_released_architecture(tiny):
    released = {"backbone": "resnet50", "deform_stages": (3, 4, 5), "fpn_channels": 256}
    with torch.device("meta"):
        model = solov2(tiny, **released, solov2=Solov2Config(deformable=True))
    shapes = {key: tuple(value.shape) for key, value in mmdet_state(model).items()}
    assert {key: shapes.get(key) for key in RELEASED} == RELEASED
    assert len(shapes) == len(mmdet_keys(model.state_dict()))
    assert all(key.startswith(("backbone.", "neck.", "mask_head.")) for key in shapes)


@pytest.mark.parametrize("old", [False, True])
def test_an_mmdet_checkpoint_fills_every_weight(tiny, tmp_path, old):
    source, target = (solov2(tiny, deform_stages=(4,)) for _ in range(2))
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(torch.rand_like(parameter))
    weights = mmdet_state(source)
    for new, name in OLD.items() if old else ():
        weights = {key.replace(new, name): value for key, value in weights.items()}
    torch.save({"meta": {"epoch": 36}, "state_dict": weights} | beside(), tmp_path / "m.pth")
    load_mmdet(target, tmp_path / "m.pth")
    pairs = zip(source.parameters(), target.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_detectron2_has_no_solov2(tiny, tmp_path):
    with pytest.raises(UserError, match="detectron2 has no SOLOv2"):
        export_detectron2(solov2(tiny), tmp_path / "m.pkl")
