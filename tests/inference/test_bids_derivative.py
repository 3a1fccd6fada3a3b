"""A prediction as a BIDS derivative."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from exported_predictions import MODEL, PLAIN, a_prediction, files, write
from oriented_grids import GRIDS, SHAPE, centres, lesion_ids

from lesionseg.datasets.layouts.bids_names import parse_name
from lesionseg.errors import UsageError
from lesionseg.inference.bids import write_bids, write_description
from lesionseg.inference.bids_files import bids_files, bids_start, refuse_shared_names
from lesionseg.inference.class_lesions import ScoredLesions
from lesionseg.inference.export_record import made_by
from lesionseg.inference.prediction import Prediction
from lesionseg.io import read_volume, write_mask
from lesionseg.lesion_kinds import of_one_class
from lesionseg.structures import Grid, Volume


@pytest.mark.parametrize(
    ("case", "start"),
    [
        ("sub-01", "sub-01/anat/sub-01"),
        ("sub-01_FLAIR", "sub-01/anat/sub-01"),
        ("sub-01_ses-02_acq-3D_run-1_FLAIR", "sub-01/ses-02/anat/sub-01_ses-02_acq-3D_run-1"),
        ("sub-01_space-T1w_desc-preproc_FLAIR", "sub-01/anat/sub-01"),
        ("patient_7-b", "sub-patient7b/anat/sub-patient7b"),
        ("Müller é", "sub-Mullere/anat/sub-Mullere"),
        ("Mu\u0308ller e\u0301", "sub-Mullere/anat/sub-Mullere"),  # as macOS spells it
    ],
)
def test_names_are_those_of_the_scan_or_of_its_case(case, start):
    assert bids_start(case) == start
    *_, volume = bids_files(case, "mask_rcnn")[0].split("/")
    assert volume == f"{start.rpartition('/')[2]}_desc-maskrcnn_dseg.nii.gz"


def test_two_scans_that_would_share_a_name_are_refused():
    refuse_shared_names(["a_1", "a_2"])
    with pytest.raises(UsageError, match=r"cases a_1 and a1 would both be sub-a1 in BIDS"):
        refuse_shared_names(["a_1", "b", "a1"])
    with pytest.raises(UsageError, match="no letter or digit"):
        refuse_shared_names(["__"])


def test_the_files_are_written_and_go_with_the_case(scan, tmp_path):
    out = tmp_path / "out"
    write(out, scan, extras=("bids",))
    start = "bids/sub-s1/anat/sub-s1_desc-unet_dseg"
    assert files(out) == sorted(
        [*PLAIN, *(f"{start}{end}" for end in (".nii.gz", ".tsv", ".json"))]
    )
    assert parse_name(out / f"{start}.nii.gz").value("desc") == "unet"
    image, ids = nib.load(out / f"{start}.nii.gz"), nib.load(out / "instances/s1.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), np.asarray(ids.dataobj))
    with (out / f"{start}.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["index"], row["name"]) for row in rows] == [("1", "lesion 1"), ("2", "lesion 2")]
    assert all(row["color"].startswith("#") and len(row["color"]) == 7 for row in rows)
    assert list(rows[0])[:3] == ["index", "name", "color"]
    sidecar = json.loads((out / f"{start}.json").read_text())
    assert sidecar["SpatialReference"] == "orig"
    assert set(rows[0]) <= set(sidecar)
    write(out, scan)
    assert files(out) == PLAIN


def test_the_folder_says_what_it_is(tmp_path):
    write_description(tmp_path)
    content = json.loads((tmp_path / "bids/dataset_description.json").read_text())
    assert content["DatasetType"] == "derivative"
    assert content["GeneratedBy"][0]["Name"] == "lesionseg"
    assert {"Name", "BIDSVersion"} <= set(content)


@pytest.mark.parametrize("name", GRIDS)
def test_lesions_lie_where_they_lay_in_every_orientation(tmp_path, name):
    """In the volume, read by nibabel and by SimpleITK, and in the table."""
    ids, affine = lesion_ids(), GRIDS[name]
    write_mask(tmp_path / "scan.nii.gz", ids > 0, Volume(ids, affine))
    like = read_volume(tmp_path / "scan.nii.gz")
    found = ScoredLesions(ids, {1: 0.9, 2: 0.8, 3: 0.7}, of_one_class(ids), frozenset({1, 2, 3}))
    probability = a_prediction(SHAPE, ()).probability
    result = Prediction(found, found, (probability,), Grid(SHAPE, affine))
    write_bids(tmp_path, "a", result, like, made_by(MODEL))
    volume, table, _ = (tmp_path / place for place in bids_files("a", "unet"))
    image, other = nib.load(volume), sitk.ReadImage(str(volume))
    voxels = np.asarray(image.dataobj)
    with table.open(newline="") as file:
        rows = {int(row["index"]): row for row in csv.DictReader(file, delimiter="\t")}
    for lesion, centre in centres(affine).items():
        places = nib.affines.apply_affine(image.affine, np.argwhere(voxels == lesion))
        np.testing.assert_allclose(places.mean(axis=0), centre, atol=0.01)
        array = sitk.GetArrayFromImage(other).T
        by_sitk = [
            other.TransformIndexToPhysicalPoint(tuple(map(int, index)))
            for index in np.argwhere(array == lesion)
        ]
        np.testing.assert_allclose(np.mean(by_sitk, axis=0) * (-1, -1, 1), centre, atol=0.01)
        told = [float(rows[lesion][f"centroid_{axis}_mm"]) for axis in "ras"]
        np.testing.assert_allclose(told, centre, atol=0.01)
