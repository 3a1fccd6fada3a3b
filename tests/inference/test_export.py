"""What one scan is given back: every file, whole or not at all, the sidecar last."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json

import nibabel as nib
import numpy as np
import pytest
import torch

from lesionseg import __version__
from lesionseg.datasets.phantom.cohort import scan_grid
from lesionseg.errors import CaseError, OutputError
from lesionseg.inference import export
from lesionseg.inference import export_record as record_file
from lesionseg.inference.export import COLUMNS, export_case, lesion_rows
from lesionseg.inference.export_record import State, export_record, exported_state
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.original_grid import Prediction
from lesionseg.io import read_volume
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.storage.csv_table import write_csv
from lesionseg.structures import Grid, OperatingPoint, Volume

MODEL = LoadedModel(
    name="unet",
    network=torch.nn.Identity(),
    plan=Plan((ChannelPlan("FLAIR", "mri", "zscore"),), 1.0),
    point=OperatingPoint(0.4, 0.6),
    edges_mm=(3.0, 5.0, 10.0),
    weights_sha256="w" * 64,
    training={},
)


def a_prediction(shape, lesions):
    """lesions: (corner, side, score) of cubes, best first; those below 0.6 are candidates only."""
    ids, scores = np.zeros(shape, np.int32), {}
    for number, (corner, side, score) in enumerate(lesions, 1):
        ids[tuple(slice(c, c + side) for c in corner)] = number
        scores[number] = score
    kept = {i: s for i, s in scores.items() if s >= 0.6}
    return Prediction(
        instances=np.where(np.isin(ids, list(kept)), ids, 0),
        scores=kept,
        candidate_instances=ids,
        candidate_scores=scores,
        probability=np.select([ids == i for i in scores], list(scores.values()), 0.0).astype(
            np.float32
        )
        if scores
        else np.zeros(shape, np.float32),
        grid=Grid(shape, np.eye(4)),
    )


LESIONS = (((2, 3, 0), 1, 0.9), ((8, 8, 2), 3, 0.75), ((14, 4, 3), 2, 0.123456))


@pytest.fixture
def scan(tmp_path, request):
    """A scan's file on a phantom grid, with codes and units of its own, and the volume read."""
    grid = scan_grid(getattr(request, "param", "oblique"), np.random.default_rng(1), 0.25)
    image = nib.Nifti1Image(np.zeros(grid.shape, np.int16), grid.affine)
    image.set_qform(grid.affine, code=1)
    image.set_sform(grid.affine, code=4)
    image.header.set_xyzt_units("mm", "sec")
    path = tmp_path / "in" / "scan.nii.gz"
    path.parent.mkdir()
    nib.save(image, path)
    return path, read_volume(path)


def write(folder, scan, result=None, model=MODEL, extras=()):
    path, like = scan
    result = result or a_prediction(like.array.shape, LESIONS)
    export_case(folder, "s1", result, like, export_record("s1", model, [path]), extras=extras)
    return result


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


PLAIN = ["instances/s1.nii.gz", "lesions/s1.csv", "s1.json", "s1.nii.gz"]
EXTRA = ["candidates/s1.csv", "candidates/s1.nii.gz", "probabilities/s1.nii.gz"]


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
        "candidates/s1.nii.gz": (result.candidate_instances, np.uint16),
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
    result = Prediction(
        ids, {65_536: 1.0}, ids, {65_536: 1.0}, ids.astype(np.float32), Grid(ids.shape, np.eye(4))
    )
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
    rows = lesion_rows(ids, {1: 0.5}, like.affine, (3, 5, 10))
    write_csv(tmp_path / "s1.csv", COLUMNS, rows, float_format=".6g")
    header, row = (tmp_path / "s1.csv").read_text().splitlines()
    assert header == ",".join(COLUMNS)
    assert row == "1,8,2.48140,0,0,0,0.5,tiny".replace("2.48140", "2.4814")


def test_the_sidecar_says_what_made_the_masks(scan, tmp_path):
    write(tmp_path, scan)
    sidecar = json.loads((tmp_path / "s1.json").read_text())
    assert sidecar["case"] == "s1"
    assert sidecar["model"] == "unet"
    assert sidecar["weights_sha256"] == "w" * 64
    assert sidecar["plan_sha256"] == MODEL.plan.key
    assert (sidecar["voxel_threshold"], sidecar["score_threshold"]) == (0.4, 0.6)
    assert sidecar["input_sha256"] == [hashlib.sha256(scan[0].read_bytes()).hexdigest()]
    assert sidecar["lesionseg"] == __version__
    assert sidecar["torch"] == torch.__version__
    assert str(tmp_path) not in (tmp_path / "s1.json").read_text()


def test_what_another_model_left_beside_does_not_stay(scan, tmp_path):
    write(tmp_path, scan, extras=("candidates", "probability"))
    other = dataclasses.replace(MODEL, weights_sha256="v" * 64)
    write(tmp_path, scan, model=other)
    assert not done(tmp_path, scan, model=other, extras=("candidates",))
    assert [name for name in files(tmp_path) if name in EXTRA] == []


# Is it there already?


def done(folder, scan, model=MODEL, extras=()):
    record = export_record("s1", model, [scan[0]])
    return exported_state(folder, "s1", record, extras) is State.WHOLE


def test_what_was_written_is_known_and_what_was_not_is_not(scan, tmp_path):
    assert not done(tmp_path, scan)
    write(tmp_path, scan)
    assert done(tmp_path, scan)
    assert not done(tmp_path, scan, extras=("probability",))
    write(tmp_path, scan, extras=("probability",))
    assert done(tmp_path, scan, extras=("probability",))
    assert done(tmp_path, scan)


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "v" * 64},
        {"point": OperatingPoint(0.5, 0.6)},
        {"point": OperatingPoint(0.4, 0.7)},
        {"plan": Plan((ChannelPlan("FLAIR", "mri", "zscore"),), 0.9)},
    ],
)
def test_another_model_is_another_result(scan, tmp_path, change):
    write(tmp_path, scan)
    assert not done(tmp_path, scan, model=dataclasses.replace(MODEL, **change))


def test_another_scan_is_another_result(scan, tmp_path):
    write(tmp_path, scan)
    scan[0].write_bytes(scan[0].read_bytes() + b"\0")
    assert not done(tmp_path, scan)


@pytest.mark.parametrize("name", [*PLAIN, *EXTRA])
def test_a_file_that_is_gone_is_missed(scan, tmp_path, name):
    extras = ("candidates", "probability")
    write(tmp_path, scan, extras=extras)
    assert done(tmp_path, scan, extras=extras)
    (tmp_path / name).unlink()
    assert not done(tmp_path, scan, extras=extras)


def test_a_damaged_sidecar_is_none(scan, tmp_path):
    write(tmp_path, scan)
    for text in ("", "{", "[]", '"x"', "\xff"):
        (tmp_path / "s1.json").write_text(text, encoding="latin-1")
        assert not done(tmp_path, scan)


def test_a_scan_that_cannot_be_read_is_a_case_error(scan, tmp_path):
    write(tmp_path / "out", scan)
    scan[0].unlink()
    with pytest.raises(CaseError, match=r"case s1: scan\.nii\.gz cannot be read"):
        done(tmp_path / "out", scan)


# What goes wrong.


@pytest.mark.parametrize("number", range(7))
def test_a_failure_leaves_no_half_written_file_and_no_sidecar(scan, tmp_path, monkeypatch, number):
    """The disk is full at the n-th of the seven files; the case of a run before was whole."""
    out, extras = tmp_path / "out", ("candidates", "probability")
    write(out, scan, extras=extras)
    calls = []

    def failing(real):
        def call(path, *more, **options):
            calls.append(path)
            if len(calls) > number:
                raise OutputError(f"cannot write {path.name}: No space left on device")
            return real(path, *more, **options)

        return call

    for name in ("write_mask", "write_probability", "write_csv"):
        monkeypatch.setattr(export, name, failing(getattr(export, name)))
    monkeypatch.setattr(record_file, "write_text", failing(record_file.write_text))
    other = dataclasses.replace(MODEL, weights_sha256="v" * 64)
    with pytest.raises(OutputError, match="No space left"):
        write(out, scan, model=other, extras=extras)
    monkeypatch.undo()
    assert len(calls) == number + 1
    assert not list(out.rglob(".partial*"))
    assert not done(out, scan, model=MODEL, extras=extras)  # its files may be the other's by now
    assert not done(out, scan, model=other, extras=extras)
    write(out, scan, extras=extras)
    assert done(out, scan, extras=extras)


def test_masks_of_another_grid_are_our_own_mistake(scan, tmp_path):
    with pytest.raises(ValueError, match="shape"):
        write(tmp_path / "out", scan, a_prediction((5, 5, 5), ()))
    assert files(tmp_path / "out") == []
