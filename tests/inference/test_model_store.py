"""A model's folder: it comes back as it was saved, and no other is taken."""

import copy
import hashlib
import json

import numpy as np
import pytest
import torch
from odd_files import KINDS, make_odd_file

from lesionseg.errors import UsageError
from lesionseg.inference import load_model
from lesionseg.inference.model_store import trained_parts
from lesionseg.models.folding import fold_normalisations
from lesionseg.structures import OperatingPoint


def test_a_model_comes_back_as_it_was(saved, plan):
    folder, network = saved
    loaded = load_model(folder)
    assert loaded.name == "maskrcnn"
    assert loaded.plan == plan
    assert loaded.points == (OperatingPoint(0.4, 0.7),)
    assert loaded.slab_rule.context_distance_mm == 2.0
    assert trained_parts(folder) == {"plan": "abc"}
    assert not loaded.network.training
    theirs = fold_normalisations(copy.deepcopy(network)).state_dict()
    assert len(theirs) > 20
    for name, tensor in loaded.network.state_dict().items():
        assert torch.equal(theirs[name], tensor)


def test_no_file_of_a_model_is_a_pickle(saved):
    folder, _ = saved
    files = sorted(p.name for p in folder.iterdir())
    assert files == ["model.json", "weights.safetensors"]
    for path in folder.iterdir():
        start = path.read_bytes()[:2]
        assert start not in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05")


def with_knots(knots):
    point = {"voxel_threshold": 0.5, "score_threshold": 0.5, "calibration": knots}
    return {"operating_points": [point]}


def test_a_calibration_comes_back_as_it_was_saved(saved):
    folder, _ = saved
    knots = [[0, 0], [0.25, 0.1], [0.75, 0.9], [1, 0.95]]
    content = json.loads((folder / "model.json").read_text()) | with_knots(knots)
    (folder / "model.json").write_text(json.dumps(content))
    (point,) = load_model(folder).points
    assert point == OperatingPoint(0.5, 0.5, ((0, 0), (0.25, 0.1), (0.75, 0.9), (1, 0.95)))
    assert point.as_data == content["operating_points"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 99}, "format 99"),
        ({"settings": {"backbone": "nano"}}, "missing"),
        ({"operating_points": [{"voxel": 1}]}, "not a model folder"),
        ({"name": "resnet"}, "resnet"),
        (with_knots([[0, 0], [0.5, 0.6], [0.5, 0.7], [1, 1]]), "does not rise"),
        (with_knots([[0, 0], [0.5, 0.6], [0.7, 0.4], [1, 1]]), "does not rise"),
        (with_knots([[0, 0], [0.5, 0.6]]), "0 at 0 to a score of 1"),
        (with_knots([[0.1, 0], [1, 0.6]]), "0 at 0 to a score of 1"),
        (with_knots([[0, 0], [0.5, float("nan")], [1, 1]]), "calibration"),
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
    assert trained_parts(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", '"x"', "\x00", "{}"),
        *('{"format": 6}', '{"format": 6, "plan": 3}'),
        '{"format": 6, "plan": {"channels": [3], "lesions": {}}}',
    ],
)
def test_a_garbled_model_json_is_one_line(saved, text):
    folder, _ = saved
    (folder / "model.json").write_text(text)
    with pytest.raises(UsageError, match="not a model folder") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    assert trained_parts(folder) is None


@pytest.mark.parametrize("missing", ["model.json", "weights.safetensors"])
def test_half_a_folder_is_no_model(saved, missing):
    folder, _ = saved
    (folder / missing).unlink()
    with pytest.raises(UsageError, match="not a model folder"):
        load_model(folder)


def test_a_loaded_model_says_what_the_saved_one_said(saved):
    folder, network = saved
    images = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    loaded = load_model(folder)
    for one, other in zip(network.eval().predict(images), loaded.network.predict(images)):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
    weights = (folder / "weights.safetensors").read_bytes()
    assert loaded.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert loaded.edges_mm == (3.0, 5.0, 10.0)
    assert loaded.training["steps"] == 7


def test_settings_of_a_model_are_checked_when_it_is_loaded(saved):
    folder, _ = saved
    content = json.loads((folder / "model.json").read_text())
    content["settings"]["roi_rule"]["nms_iou"] = 7
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"maskrcnn\.roi_rule\.nms_iou is 7; want a number from"):
        load_model(folder)


def changed(content, place, value):
    """The content of model.json with one value replaced; place: its keys."""
    *way, last = place.split(".")
    inside = content
    for key in way:
        inside = inside[int(key) if key.isdigit() and isinstance(inside, list) else key]
    inside[last] = value
    return content


THRESHOLDS = ("operating_points.0.voxel_threshold", "operating_points.0.score_threshold")
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("place", "values"),
    [
        *((place, (NAN, -1, INF, 1.5, "0.5", None, True)) for place in THRESHOLDS),
        ("edges_mm", ([], [5, 3], [3, 3], [NAN], [0, 3], ["3"], None, 3)),
        ("plan.in_plane_spacing_mm", (0, NAN, 1e-6, 1e6, "1", None)),
        ("plan.margin_mm", (-1e9, NAN, "2")),
        ("plan.context_slices", (-1, 1.5, 10**7, None)),
        ("plan.context_distance_mm", (0, NAN, -2)),
        ("plan.channels", ([], 3, [3], [{"name": "FLAIR"}])),
        ("plan.scans.in_plane_mm", ([0], [NAN, 1], "x", None)),
        ("plan.scans.looks", (3, [4])),
        ("plan.detector.mask_bins", (0, 10**7)),
        ("plan.detector.finest_stride", (0, 7)),
        ("plan.detector.anchors", ({"2": [[[0, 1, 1]]]}, {"2": [[]]}, 3)),
        ("settings.box_width", (0, 10**7)),
        ("settings.mask_convs", (-1, 10**7)),
        ("settings.pyramid_channels", (10**9,)),
        ("weights_sha256", ("", None)),
        ("training", (None, 3)),
        ("more", (1,)),
    ],
)
def test_no_value_of_a_model_json_is_taken_that_does_not_fit(saved, place, values):
    folder, _ = saved
    whole = (folder / "model.json").read_text()
    for value in values:
        content = changed(json.loads(whole), place, value)
        (folder / "model.json").write_text(json.dumps(content))
        with pytest.raises(UsageError, match="model is not a model folder: ") as caught:
            load_model(folder)
        assert place.split(".")[-1] in str(caught.value), value
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1e999", "NaN", "-Infinity", "9" * 5000])
def test_numbers_that_json_has_not_are_one_line(saved, text):
    folder, _ = saved
    content = (folder / "model.json").read_text()
    assert '"score_threshold": 0.7' in content
    content = content.replace('"score_threshold": 0.7', f'"score_threshold": {text}')
    (folder / "model.json").write_text(content)
    with pytest.raises(UsageError, match="model is not a model folder: ") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, " " * 70_000_000])
def test_a_model_json_that_is_too_deep_or_too_long_is_one_line(saved, text):
    folder, _ = saved
    (folder / "model.json").write_text(text)
    with pytest.raises(UsageError, match=r"nested deeper|at most 67,108,864"):
        load_model(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_model_of_odd_files_is_one_line(saved, kind, name):
    folder, _ = saved
    (folder / name).unlink()
    make_odd_file(kind, folder / name)
    with pytest.raises(UsageError, match="model is not a model folder"):
        load_model(folder)
    assert trained_parts(folder) is None
