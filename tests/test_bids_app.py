"""Participants of a BIDS dataset one by one, then all joined, against one prediction over all."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest
from tiny_run import predict

from lesionseg import bids_app
from lesionseg.storage.lock import locked

SETTINGS = ("device=cpu", "threads=1", "score_threshold=0", "voxel_threshold=0.7")
TABLES = ("lesions.csv", "scans.csv", "rejected.csv")


@pytest.fixture(scope="module")
def bids(run_folder, tmp_path_factory):
    """Two participants who are whole, one who lacks a channel, and one whose file is cut."""
    root = tmp_path_factory.mktemp("bids") / "study"
    images = run_folder / "phantom/imagesTs"
    for label, number in (("01", 0), ("02", 1), ("03", 0), ("04", 1)):
        anat = root / f"sub-{label}/anat"
        anat.mkdir(parents=True)
        for channel, suffix in enumerate(("FLAIR", "T1w")):
            name = f"phantom_test00{number}_000{channel}.nii.gz"
            shutil.copy(images / name, anat / f"sub-{label}_{suffix}.nii.gz")
    (root / "sub-03/anat/sub-03_T1w.nii.gz").unlink()
    cut = root / "sub-04/anat/sub-04_T1w.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-100])
    description = {"Name": "study", "BIDSVersion": "1.10.0"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    return root


@pytest.fixture
def app(run_folder, bids, tmp_path):
    """Runs a level; words come after it."""

    def run(level, *words, root=bids, output=tmp_path / "out"):
        model = run_folder / "models/unet"
        return bids_app.main(
            [str(root), str(output), level, "--model", str(model), *words, "--settings", *SETTINGS]
        )

    return run


def page_without_pictures(path):
    return re.sub(r"data:image/png;base64,[^\"']*", "", path.read_text())


def test_one_by_one_and_joined_is_as_all_at_once(app, bids, run_folder, tmp_path, capsys):
    out, wanted = tmp_path / "out", tmp_path / "wanted"
    assert app("participant", "--participant-label", "02") == 0
    assert not (out / "scans.csv").exists()
    assert app("participant", "--participant_label", "sub-01", "03", "--skip_bids_validator") == 5
    assert app("participant", "--participant-label", "04") == 4
    assert app("group") == 0
    words = (f"input={bids}", f"output={wanted}", "formats=[bids,overview]", *SETTINGS)
    assert predict(run_folder, *words) == 5
    for name in TABLES:
        assert (out / name).read_bytes() == (wanted / name).read_bytes(), name
    scans = (out / "scans.csv").read_text()
    assert [line.partition(",")[0] for line in scans.splitlines()[1:]] == [
        *("sub-01", "sub-02", "sub-03", "sub-04")
    ]
    assert (out / "lesions.csv").read_text().count("\n") > 3
    pages = [page_without_pictures(folder / "overview.html") for folder in (out, wanted)]
    assert pages[0] == pages[1]
    derivative = sorted(p.relative_to(wanted) for p in (wanted / "bids").rglob("*.*"))
    assert len(derivative) == 1 + 2 * 3
    assert derivative == sorted(p.relative_to(out) for p in (out / "bids").rglob("*.*"))
    assert "joined 4 participants" in capsys.readouterr().out


def test_all_participants_are_predicted_where_none_is_named(app, tmp_path, capsys):
    assert app("participant") == 5
    assert "predicted 2 scans, 2 rejected" in capsys.readouterr().out
    left = sorted(path.name for path in (tmp_path / "out/participants").iterdir())
    assert left == ["sub-01", "sub-02", "sub-03", "sub-04"]
    assert (tmp_path / "out/bids/dataset_description.json").is_file()


def test_a_participant_anew_withdraws_the_tables_of_all(app, tmp_path):
    assert app("participant", "--participant-label", "01") == 0
    assert app("group") == 0
    assert (tmp_path / "out/overview.html").is_file()
    assert app("participant", "--participant-label", "02") == 0
    assert not any((tmp_path / "out" / name).exists() for name in (*TABLES, "overview.html"))


def test_two_runs_may_predict_different_participants(app, tmp_path, capsys):
    with locked(tmp_path / "out/participants/sub-01"):
        from lesionseg.storage import lock

        (folder,) = lock._held
        held = lock._held.pop(folder)  # as another process would hold it
        try:
            assert app("participant", "--participant-label", "02") == 0
            assert app("participant", "--participant-label", "01") == 7
        finally:
            lock._held[folder] = held
    assert "another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["participant", "--participant-label", "9"], 2, "no scans of sub-9; it has sub-01, sub-"),
        (["group"], 3, "holds no participant that this model predicted"),
        (["group", "--participant-label", "01"], 2, "takes all participants"),
        (["both"], 2, "invalid choice: 'both'"),
        (["participant", "--participant-lable", "01"], 2, "unrecognized arguments"),
    ],
)
def test_what_does_not_fit_is_one_line(app, words, code, said, capsys):
    assert app(*words) == code
    error = capsys.readouterr().err
    (line,) = (line for line in error.splitlines() if not line.startswith("not used: 1 file"))
    assert said in line


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_folder_without_subjects_is_refused(app, tmp_path, place, capsys):
    assert app("participant", root=tmp_path / place) == 2
    assert "no folder sub-LABEL" in capsys.readouterr().err


def test_help_and_version_come_before_torch():
    code = (
        "import sys; from lesionseg import bids_app; "
        "assert bids_app.main(['--version']) == bids_app.main(['--help']) == 0; "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lesionseg 0")
    assert "--participant-label" in done.stdout
