"""Every form in which a scan may come is predicted to the same places in the world."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from scan_forms import FORMS, both, integer_scan
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
