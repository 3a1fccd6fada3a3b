"""What one scan is given back: every file, whole or not at all, the sidecar last."""

from __future__ import annotations

import csv
import hashlib
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from exported_predictions import EXTRA, LESIONS, MODEL, PLAIN, a_prediction, files, write

from lesionseg import __version__
from lesionseg.inference.class_lesions import ScoredLesions
from lesionseg.inference.prediction import COLUMNS, Prediction, lesion_rows
from lesionseg.lesion_classes import ONE_CLASS
from lesionseg.lesion_kinds import of_one_class
from lesionseg.storage.csv_table import write_csv
from lesionseg.structures import Grid, Volume


def test_the_files_are_those_asked_for(scan, tmp_path):
    write(tmp_path / "plain", scan)
    assert files(tmp_path / "plain") == PLAIN
    write(tmp_path / "all", scan, extras=("candidates", "probability"))
    assert files(tmp_path / "all") == sorted([*PLAIN, *EXTRA])


@pytest.mark.parametrize("scan", ["isotropic", "thick", "oblique"], indirect=True)
def test_every_volume_is_on_the_grid_of_the_scan_with_its_codes_and_units(scan, tmp_path):
    out = tmp_path / "out"
    result = write(out, scan, extras=("candidates", "probability"))
    original = nib.load(scan[0])
    expected = {
        "s1.nii.gz": ((result.instances > 0), np.uint8),
        "instances/s1.nii.gz": (result.instances, np.uint16),
        "candidates/s1.nii.gz": (result.candidates.ids, np.uint16),
    }
    for name, (array, dtype) in expected.items():
        image = nib.load(out / name)
        assert image.get_data_dtype() == dtype
        np.testing.assert_array_equal(np.asarray(image.dataobj), array)
    image = nib.load(out / "probabilities/s1.nii.gz")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_allclose(np.asarray(image.dataobj), result.probability, atol=5e-4)
    for name in (*expected, "probabilities/s1.nii.gz"):
        image = nib.load(out / name)
        np.testing.assert_allclose(image.affine, original.affine, atol=1e-6)
        np.testing.assert_allclose(image.get_qform(), original.get_qform(), atol=1e-6)
        for field in ("qform_code", "sform_code", "xyzt_units"):
            assert image.header[field] == original.header[field], name


def test_more_lesions_than_fit_16_bits_are_stored_wider(tmp_path, scan):
    like = scan[1]
    ids = np.zeros(like.array.shape, np.int32)
    ids[0, 0, 0] = 65_536
    found = ScoredLesions(ids, {65_536: 1.0}, of_one_class(ids), frozenset({65_536}))
    grid = Grid(ids.shape, np.eye(4))
    result = Prediction(found, found, (ids.astype(np.float32),), grid)
    write(tmp_path / "out", scan, result)
    image = nib.load(tmp_path / "out/instances/s1.nii.gz")
    assert image.get_data_dtype() == np.int32
    assert int(np.asarray(image.dataobj).max()) == 65_536


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_row_a_lesion_measured_in_mm(scan, tmp_path):
    write(tmp_path, scan, extras=("candidates",))
    rows = table(tmp_path / "lesions/s1.csv")
    assert list(rows[0]) == list(COLUMNS)
    assert [row["id"] for row in rows] == ["1", "2"]
    affine = scan[1].affine
    voxel = abs(np.linalg.det(affine[:3, :3]))
    for row, (corner, side, score) in zip(rows, LESIONS):
        volume = side**3 * voxel
        centre = affine @ [*(np.array(corner) + (side - 1) / 2), 1]
        assert float(row["volume_mm3"]) == pytest.approx(volume, rel=1e-4)
        assert float(row["diameter_mm"]) == pytest.approx((6 * volume / np.pi) ** (1 / 3), rel=1e-4)
        found = [float(row[f"centroid_{axis}_mm"]) for axis in "ras"]
        np.testing.assert_allclose(found, centre[:3], rtol=1e-4, atol=1e-4)
        assert float(row["score"]) == pytest.approx(score, rel=1e-4)
    # 1.5 mm3 and 40.5 mm3, between 14.1 and 65.4: diameters of 3 and 5 mm
    assert [row["bucket"] for row in rows] == ["tiny", "small"]
    candidates = table(tmp_path / "candidates/s1.csv")
    assert [row["id"] for row in candidates] == ["1", "2", "3"]
    assert candidates[2]["score"] == "0.123456"


def test_without_lesions_the_files_are_there_and_empty(scan, tmp_path):
    write(tmp_path / "out", scan, a_prediction(scan[1].array.shape, ()), extras=("candidates",))
    assert table(tmp_path / "out/lesions/s1.csv") == []
    assert (tmp_path / "out/lesions/s1.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert not np.asarray(nib.load(tmp_path / "out/s1.nii.gz").dataobj).any()


def test_one_voxel_at_the_origin_of_a_plain_grid(tmp_path):
    ids = np.zeros((3, 3, 3), np.int32)
    ids[0, 0, 0] = 1
    like = Volume(ids, np.diag([2.0, 2.0, 2.0, 1.0]))
    found = ScoredLesions(ids, {1: 0.5}, of_one_class(ids), frozenset({1}))
    rows = lesion_rows(found, ONE_CLASS, like.affine, (3, 5, 10))
    write_csv(tmp_path / "s1.csv", COLUMNS, rows, float_format=".6g")
    header, row = (tmp_path / "s1.csv").read_text().splitlines()
    assert header == ",".join(COLUMNS)
    assert row == "1,8,2.4814,0,0,0,0.5,tiny,lesion"


def test_the_sidecar_says_what_made_the_masks(scan, tmp_path):
    write(tmp_path, scan)
    sidecar = json.loads((tmp_path / "s1.json").read_text())
    assert sidecar["case"] == "s1"
    assert sidecar["model"] == "unet"
    assert sidecar["weights_sha256"] == "w" * 64
    assert sidecar["plan_sha256"] == MODEL.plan.key
    assert sidecar["thresholds"] == [
        {"voxel_threshold": 0.4, "score_threshold": 0.6, "calibration": []}
    ]
    assert sidecar["lesion_classes"] == ONE_CLASS.as_data
    assert sidecar["input_sha256"] == [hashlib.sha256(scan[0].read_bytes()).hexdigest()]
    assert sidecar["lesionseg"] == __version__
    assert sidecar["torch"] == torch.__version__
    assert str(tmp_path) not in (tmp_path / "s1.json").read_text()
