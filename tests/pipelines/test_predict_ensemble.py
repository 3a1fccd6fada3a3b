"""Several models as one, from the command line and from Python."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from tiny_run import predict

import lesionseg
from lesionseg import cli
from lesionseg.inference import save_ensemble

ALL = ("save=[candidates,probability]", "score_threshold=0", "voxel_threshold=0.1")


@pytest.fixture
def copy(finished):
    """The folder of another model, a copy of one of the run."""

    def make(name, number=1):
        return shutil.copytree(finished / "models" / name, finished / f"{name}_{number}")

    return make


def everything(folder):
    """The voxels of every volume, and the text of every table, by name."""
    found = {p: np.asarray(nib.load(p).dataobj) for p in sorted(folder.rglob("*.nii.gz"))}
    found |= {p: p.read_text() for p in sorted(folder.rglob("*.csv"))}
    return {path.relative_to(folder).as_posix(): one for path, one in found.items()}


@pytest.mark.parametrize("name", ["unet", "maskrcnn"])
def test_a_model_and_its_copy_predict_what_the_model_predicts(finished, copy, name):
    assert predict(finished, f"output={finished / 'alone'}", "threads=1", *ALL, model=name) == 0
    expected = everything(finished / "alone")
    assert sum(one.any() for one in expected.values() if isinstance(one, np.ndarray)) > 4
    both = f"[{finished / 'models' / name},{copy(name)}]"
    words = (f"model={both}", "threads=1", f"output={finished / 'both'}", *ALL)
    assert predict(finished, *words) == 0
    found = everything(finished / "both")
    assert found.keys() == expected.keys()
    for place, one in expected.items():
        np.testing.assert_array_equal(found[place], one, err_msg=place)


def test_the_folder_of_an_ensemble_is_a_model_and_a_changed_member_is_noticed(finished, copy):
    members = [finished / "models/unet", copy("unet")]
    save_ensemble(finished / "models/both", members)
    listed = f"model=[{members[0]},{members[1]}]"
    assert predict(finished, model="both") == 0
    mask, record = (finished / f"out/phantom_test000.{end}" for end in ("nii.gz", "json"))
    time = mask.stat().st_mtime_ns
    assert len(json.loads(record.read_text())["members"]) == 2
    assert predict(finished, listed) == 0  # the same models
    assert mask.stat().st_mtime_ns == time
    path = members[1] / "model.json"
    content = json.loads(path.read_text())
    content["settings"]["scored_by"] = "peak"  # as it is
    content["operating_points"][0]["score_threshold"] = 0.25
    path.write_text(json.dumps(content))
    assert predict(finished, listed) == 0
    assert mask.stat().st_mtime_ns != time
    loaded = lesionseg.load_model(finished / "models/both", device="cpu")
    scan = sorted((finished / "phantom/imagesTs").iterdir())[:2]
    found = lesionseg.predict(loaded, scan)
    assert found.mask.shape == lesionseg.read_volume(scan[0]).array.shape


def test_members_that_do_not_fit_are_refused_in_a_line(finished, copy, capsys):
    unet, other = finished / "models/unet", finished / "models/maskrcnn"
    for words, said in (
        (f"model=[{unet},{other}]", "maskrcnn is a maskrcnn, model"),
        (f"model=[{unet},{unet}]", "is given twice"),
        (f"model=[{unet},{finished / 'models/none'}]", "none is not a model folder"),
        ("model=[]", "is not a model folder"),
    ):
        assert predict(finished, words) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (finished / "out").exists()


def test_thresholds_given_replace_those_of_an_ensemble(finished, copy):
    words = f"model=[{finished / 'models/unet'},{copy('unet')}]"
    assert predict(finished, words, "voxel_threshold=0.25", "score_threshold=0.125") == 0
    record = json.loads((finished / "out/phantom_test000.json").read_text())
    point = {"voxel_threshold": 0.25, "score_threshold": 0.125, "calibration": []}
    assert record["thresholds"] == [point]


def test_an_ensemble_has_no_losses_to_report(finished, copy, capsys):
    save_ensemble(finished / "both", [finished / "models/unet", copy("unet")])
    words = [
        "report",
        f"reference={finished / 'phantom/labelsTs'}",
        f"predictions.unet={finished / 'predictions/unet'}",
        f"models.unet={finished / 'both'}",
        f"cases={finished / 'preprocessed'}",
        f"output={finished / 'new'}",
    ]
    assert cli.main(words) == 2
    assert "model unet is an ensemble of 2; want one network" in capsys.readouterr().err
