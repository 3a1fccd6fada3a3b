"""An exported fusion answers as its model folder does, and tells of nothing but itself."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_networks import same_detections

from lesionseg import cli
from lesionseg.datasets.phantom.cohort import scan_grid
from lesionseg.errors import UsageError
from lesionseg.inference import predict_case
from lesionseg.inference.onnx.exported import load_exported
from lesionseg.structures import Volume

pytestmark = pytest.mark.slow
FILES = [
    "maskrcnn/backbone_and_proposals.onnx",
    "maskrcnn/box_codes.onnx",
    "maskrcnn/box_head.onnx",
    "maskrcnn/mask_head.onnx",
    "unet/network.onnx",
]


@pytest.fixture
def broken(exported, tmp_path):
    """A copy of the export that a test may break."""
    return shutil.copytree(exported, tmp_path / "broken")


@pytest.mark.parametrize("shape", [(1, 32, 48), (3, 41, 30)])
def test_members_answer_as_torch_does_to_a_ten_thousandth(exported, fusion_model, shape):
    images = torch.randn(shape[0], 3, *shape[1:], generator=torch.Generator().manual_seed(5))
    members, own = load_exported(exported).network.members, fusion_model.network.members
    wanted, found = own["maskrcnn"].predict(images), members["maskrcnn"].predict(images)
    assert sum(len(one.boxes) for one in wanted) > 10
    same_detections(found, wanted, 1e-4)
    wanted, found = own["unet"].predict(images), members["unet"].predict(images)
    assert torch.stack(wanted).std() > 1e-3
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_a_whole_scan_has_the_same_lesions(exported, fusion_model):
    grid = scan_grid("thick", np.random.default_rng(0), 0.3)
    scan = Volume(
        np.random.default_rng(2).normal(50, 9, grid.shape).astype(np.float32), grid.affine
    )
    wanted = predict_case(fusion_model, scan)
    found = predict_case(load_exported(exported), scan)
    assert len(wanted.candidates.scores) > 0
    np.testing.assert_allclose(found.probability, wanted.probability, atol=1e-4)
    np.testing.assert_array_equal(found.candidates.ids, wanted.candidates.ids)
    assert found.candidates.scores == pytest.approx(wanted.candidates.scores, abs=1e-4)


def test_export_json_says_what_joins_the_files(exported, fusion_folder):
    content = json.loads((exported / "export.json").read_text())
    assert sorted(content["files"]) == FILES
    for name, file in content["files"].items():
        assert file["sha256"] == hashlib.sha256((exported / name).read_bytes()).hexdigest()
        assert 0 <= file["difference_from_torch"] < 1e-4
    head = content["files"]["maskrcnn/box_head.onnx"]
    assert head["inputs"] == {"pooled": {"dtype": "float32", "shape": ["R", 8, 5, 5]}}
    assert head["outputs"]["class_logits"] == {"dtype": "float32", "shape": ["R", 2]}
    assert content["joining"]["outline_mm"] == 3.0
    detector = content["joining"]["members"]["maskrcnn"]
    assert detector["strides"] == [detector["strides"][0] * 2**k for k in range(4)]
    assert len(detector["anchors"]) == 4
    assert detector["rois"]["score_floor"] == 0.05
    stored = json.loads((fusion_folder / "model.json").read_text())
    assert content["model"] == stored
    weights = (fusion_folder / "weights.safetensors").read_bytes()
    assert content["model"]["weights_sha256"] == hashlib.sha256(weights).hexdigest()


def test_files_say_nothing_of_the_machine(exported):
    words = [
        socket.gethostname(),
        getpass.getuser(),
        sys.prefix,
        str(Path.cwd()),
        ".py",
        "lesionseg/",
    ]
    files = [exported / name for name in (*FILES, "export.json")]
    for path in files:
        content = path.read_bytes()
        found = [word for word in words if len(word) > 4 and word.encode() in content]
        assert found == [], path.name
        # a path of two folders or more
        assert re.findall(rb"/[A-Za-z_.]{2,}/[A-Za-z_.]{2,}", content) == []


def test_sizes_in_the_files_are_those_of_export_json(exported):
    onnx = pytest.importorskip("onnx")
    content = json.loads((exported / "export.json").read_text())
    for name, file in content["files"].items():
        model = onnx.load(exported / name)
        onnx.checker.check_model(model, full_check=True)
        for values, described in (
            (model.graph.input, file["inputs"]),
            (model.graph.output, file["outputs"]),
        ):
            shapes = {
                one.name: [dim.dim_param or dim.dim_value for dim in one.type.tensor_type.shape.dim]
                for one in values
            }
            assert shapes == {key: one["shape"] for key, one in described.items()}


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / FILES[0]).unlink(), "it has no backbone_and_proposals.onnx"),
        (lambda folder: (folder / FILES[2]).write_bytes(b"x"), "box_head.onnx does not match"),
        (lambda folder: (folder / "export.json").write_text("{}"), "export.json"),
        (lambda folder: (folder / "export.json").unlink(), "it has no export.json"),
    ],
)
def test_a_broken_folder_is_one_line(broken, harm, said):
    harm(broken)
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        load_exported(broken)
    assert "\n" not in str(caught.value)


def test_a_file_of_somebody_else_is_not_replaced(fusion_folder, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    (tmp_path / "unet").mkdir()
    (tmp_path / FILES[-1]).write_bytes(b"mine")
    assert cli.main(["export", f"model={fusion_folder}", f"output={tmp_path}"]) == 2
    assert "unet/network.onnx was not written by lesionseg export" in capsys.readouterr().err
    assert (tmp_path / FILES[-1]).read_bytes() == b"mine"


def test_an_ensemble_is_exported_by_its_members(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    (tmp_path / "folds").mkdir()
    (tmp_path / "folds/ensemble.json").write_text("{}")
    assert cli.main(["export", f"model={tmp_path / 'folds'}", f"output={tmp_path / 'out'}"]) == 2
    assert "is an ensemble; export its members one by one" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_model_folder_itself_is_no_output(fusion_folder, capsys):
    before = sorted(path.name for path in fusion_folder.iterdir())
    assert cli.main(["export", f"model={fusion_folder}", f"output={fusion_folder}"]) == 2
    assert "output is the model folder itself" in capsys.readouterr().err
    assert sorted(path.name for path in fusion_folder.iterdir()) == before
