"""The preprocess stage from the command line's side."""

from __future__ import annotations

import json
import shutil

import pytest

from lesionseg.cli import main
from lesionseg.io.case_store import list_cases

SMALL = [
    "data.phantom.num_train=4",
    "data.phantom.num_test=1",
    "data.phantom.size=0.3",
    "workers=0",
]


def test_without_a_root_the_phantom_is_made_and_preprocessed(tmp_path, capsys):
    words = ["preprocess", f"output={tmp_path}", *SMALL]
    assert main(words) == 0
    assert len(list_cases(tmp_path / "preprocessed")) == 4
    assert json.loads((tmp_path / "phantom/dataset.json").read_text())["numTraining"] == 4
    for name in ("plan.yaml", "fingerprint.json", "splits.json"):
        assert (tmp_path / "preprocessed" / name).is_file()
    assert "4 made, 0 there already, 0 rejected" in capsys.readouterr().out
    assert main(words) == 0
    assert "0 made, 4 there already, 0 rejected" in capsys.readouterr().out


def test_bad_cases_and_bad_folders_have_their_exit_codes(run_folder, tmp_path, capsys):
    shutil.copytree(run_folder / "phantom", tmp_path / "phantom")
    shutil.copytree(run_folder / "preprocessed", tmp_path / "preprocessed")
    raw = tmp_path / "phantom"
    again = ["preprocess", "data=nnunet", f"data.root={raw}", f"output={tmp_path}", "workers=0"]
    inside = [f"output={raw}/run" if word.startswith("output") else word for word in again]
    before = sorted(raw.rglob("*"))
    assert main(inside) == 2
    assert main(["run", *inside[1:], "train.steps=1"]) == 2
    assert "output run lies among the scans of data.root phantom" in capsys.readouterr().err
    assert sorted(raw.rglob("*")) == before
    (raw / "imagesTr/phantom_train002_0000.nii.gz").write_bytes(b"")
    assert main(again) == 5
    assert "rejected: case phantom_train002: " in capsys.readouterr().err
    for path in raw.glob("imagesTr/*"):
        path.write_bytes(b"")
    assert main(again) == 4
    (raw / "dataset.json").unlink()
    assert main(again) == 3
    assert "no dataset.json" in capsys.readouterr().err
    assert main([*again, "data.card=none"]) == 2


@pytest.mark.parametrize("name", ["phantom", "nnunet", "open_ms"])
def test_every_data_group_composes(name):
    from lesionseg.cli import compose

    config = compose("preprocess", [f"data={name}", "data.root=x", "output=y"])
    assert config.data.card == name
    assert config.plan.context_slices == 1


def test_a_table_keeps_output_out_of_the_folders_of_its_scans_alone(dataset, capsys, monkeypatch):
    rows = ["case,FLAIR,mask"]
    for path in sorted((dataset / "imagesTr").glob("*_0000.nii.gz")):
        case = path.name.removesuffix("_0000.nii.gz")
        rows.append(f"{case},imagesTr/{path.name},labelsTr/{case}.nii.gz")
    (dataset / "scans.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(dataset)
    words = ["preprocess", "data=auto", "data.root=scans.csv", "workers=0"]
    for among in (".", "imagesTr", "labelsTr"):
        assert main([*words, f"output={among}"]) == 2
        assert "lies among the scans of data.root scans.csv" in capsys.readouterr().err
    assert main([*words, "output=run"]) == 0
