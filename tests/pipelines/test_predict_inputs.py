"""Every form in which a scan may come is predicted to the same places in the world."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from scan_forms import FORMS, both, integer_scan, nifti
from tiny_run import predict

WORDS = ("voxel_threshold=0.7", "score_threshold=0", "threads=1")


@pytest.fixture(scope="module")
def scan(run_folder):
    images = run_folder / "phantom/imagesTs"
    return integer_scan([images / f"phantom_test000_000{number}.nii.gz" for number in (0, 1)])


@pytest.fixture(scope="module")
def models(run_folder, tmp_path_factory):
    """A folder with the models alone."""
    made = tmp_path_factory.mktemp("models")
    shutil.copytree(run_folder / "models", made / "models")
    return made


@pytest.fixture(scope="module")
def wanted(models, scan, tmp_path_factory):
    """The lesions of the scan as numbered files side by side."""
    images = both(scan, "p1_{number:04d}.nii.gz", tmp_path_factory.mktemp("flat"))
    output = tmp_path_factory.mktemp("wanted")
    assert predict(models, f"input={images}", f"output={output}", *WORDS) == 0
    return centroids(output / "lesions/p1.csv")


def centroids(path):
    """(N, 3) RAS mm, in order."""
    with path.open() as table:
        rows = list(csv.DictReader(table))
    return np.array(sorted([float(row[f"centroid_{axis}_mm"]) for axis in "ras"] for row in rows))


def words_of(given):
    paths = given if isinstance(given, list) else [given]
    joined = ",".join(map(str, paths))
    return f"input=[{joined}]" if len(paths) > 1 else f"input={joined}"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_of_a_scan_gives_the_same_lesions_in_the_world(
    models, scan, wanted, tmp_path, capsys, form
):
    root, output = tmp_path / "data", tmp_path / "out"
    root.mkdir()
    given = form(scan, root)
    assert predict(models, words_of(given), f"output={output}", *WORDS) == 0
    (mask,) = output.glob("*.nii.gz")
    assert "p1" in mask.name
    found = centroids(output / "lesions" / mask.name.replace(".nii.gz", ".csv"))
    assert len(wanted) > 1
    np.testing.assert_allclose(found, wanted, atol=0.01)
    said = capsys.readouterr().out
    assert f"predicted 1 scan, {len(wanted)} lesions kept" in said


def two_patients(scan, root, channels=(0, 1)):
    """p1 is whole, its channels in this order; p2 has no T1."""
    for name, number in zip(("FLAIR", "T1"), channels):
        nifti(scan, number, root / f"p1/{name}.nii.gz")
    nifti(scan, 0, root / "p2/FLAIR.nii.gz")
    return root


def test_a_patient_without_a_channel_is_rejected_by_name_and_has_no_mask_any_more(
    models, scan, tmp_path, capsys
):
    root, output = two_patients(scan, tmp_path / "data"), tmp_path / "out"
    nifti(scan, 1, root / "p2/T1.nii.gz")
    assert predict(models, f"input={root}", f"output={output}", *WORDS) == 0
    assert (output / "p2.nii.gz").is_file()
    (root / "p2/T1.nii.gz").unlink()
    first = (output / "p1.json").stat().st_mtime_ns
    capsys.readouterr()
    assert predict(models, f"input={root}", f"output={output}", *WORDS) == 5
    said = capsys.readouterr()
    assert "rejected: case p2: missing channel T1: got p2/FLAIR.nii.gz" in said.err
    assert "predicted 1 scan" in said.out
    assert "1 rejected, see rejected.csv" in said.out
    assert not list(output.rglob("p2*"))
    assert (output / "p1.json").stat().st_mtime_ns == first  # nothing is done twice
    (row,) = (output / "rejected.csv").read_text().splitlines()[1:]
    assert row.startswith('p2,"missing channel T1')


def test_swapped_channels_are_noted_in_log_record_and_table(models, scan, tmp_path, capsys):
    root, output = two_patients(scan, tmp_path / "data", channels=(1, 0)), tmp_path / "out"
    shutil.rmtree(root / "p2")
    assert predict(models, f"input={root}", f"output={output}", *WORDS) == 0
    said, note = capsys.readouterr(), "channels look swapped: FLAIR looks like T1 of training"
    assert f"note: case p1: {note}" in said.err
    assert "1 with notes, see scans.csv" in said.out
    assert any(
        one.startswith(note) for one in json.loads((output / "p1.json").read_text())["notes"]
    )
    with (output / "scans.csv").open() as table:
        (row,) = csv.DictReader(table)
    assert note in row["notes"]
    assert predict(models, f"input={root}", f"output={output}", *WORDS) == 0
    assert "1 with notes" in capsys.readouterr().out  # of what is there already, too


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["volume=0"], 2, "volume=0 is for models of one channel"),
        (["data.card=none"], 2, "no data card 'none'"),
        (["input=[{root}/p1/T1.nii.gz,{root}/p1/FLAIR.nii.gz]"], 2, "and its name says T1"),
        (["input={root}/p2"], 4, "missing channel T1"),
    ],
)
def test_an_input_that_does_not_fit_the_model_is_one_line(
    models, scan, tmp_path, capsys, words, code, said
):
    root = two_patients(scan, tmp_path / "data")
    given = [word.format(root=root) for word in words]
    assert predict(models, f"input={root}", f"output={tmp_path / 'out'}", *given) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert str(tmp_path) not in error
