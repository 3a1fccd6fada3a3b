import json
from importlib import resources

import pytest
import torch
import yaml

from lesionseg.data.plan import ChannelPlan, Plan
from lesionseg.errors import UsageError
from lesionseg.inference import load_model, save_model
from lesionseg.inference.model_store import trained_key
from lesionseg.models.build import build_model
from lesionseg.structures import OperatingPoint

PLAN = Plan((ChannelPlan("FLAIR", "mri"),), 0.8, context_slices=1, context_distance_mm=2.0)


@pytest.fixture
def saved(tmp_path):
    text = resources.files("lesionseg.conf").joinpath("network/maskrcnn.yaml").read_text()
    narrow = {"widths": [8, 8, 8, 8], "pyramid_channels": 8, "box_width": 8, "mask_width": 8}
    settings = yaml.safe_load(text) | narrow
    torch.manual_seed(0)
    network = build_model("maskrcnn", settings, in_channels=3, num_classes=1)
    save_model(
        tmp_path / "model",
        network,
        name="maskrcnn",
        settings=settings,
        plan=PLAN,
        point=OperatingPoint(0.4, 0.7),
        edges_mm=(3, 5, 10),
        training={"key": "abc", "steps": 7},
    )
    return tmp_path / "model", network


def test_a_model_comes_back_as_it_was(saved):
    folder, network = saved
    loaded = load_model(folder)
    assert loaded.name == "maskrcnn"
    assert loaded.plan == PLAN
    assert loaded.point == OperatingPoint(0.4, 0.7)
    assert loaded.slab_rule.context_distance_mm == 2.0
    assert trained_key(folder) == "abc"
    assert not loaded.network.training
    theirs = loaded.network.state_dict()
    assert len(theirs) > 20
    for name, tensor in network.state_dict().items():
        assert torch.equal(theirs[name], tensor)


def test_no_file_of_a_model_is_a_pickle(saved):
    folder, _ = saved
    files = sorted(p.name for p in folder.iterdir())
    assert files == ["model.json", "weights.safetensors"]
    for path in folder.iterdir():
        start = path.read_bytes()[:2]
        assert start not in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05")


def test_weights_of_another_model_are_refused(saved):
    folder, _ = saved
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(UsageError, match="do not match"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 99}, "format 99"),
        ({"settings": {"widths": [8]}}, "missing"),
        ({"operating_point": {"voxel": 1}}, "not a model folder"),
        ({"name": "resnet"}, "resnet"),
    ],
)
def test_a_model_json_that_does_not_fit_is_one_line(saved, change, said):
    folder, _ = saved
    content = json.loads((folder / "model.json").read_text()) | change
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=said) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match="not a model folder"):
        load_model(tmp_path)
    assert trained_key(tmp_path) is None
