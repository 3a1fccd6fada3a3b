"""A prediction repeated: what is used again, what is made again, what is never replaced."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from tiny_run import change, cut, predict

from lesionseg.inference import export
from lesionseg.stages import prediction

CASE = "phantom_test000"
OWN = (f"{CASE}.nii.gz", f"{CASE}.json", f"instances/{CASE}.nii.gz", f"lesions/{CASE}.csv")


def test_a_scan_that_became_unreadable_has_no_outputs_any_more(finished, capsys):
    out = finished / "out"
    assert predict(finished) == 0
    assert all((out / name).is_file() for name in OWN)
    cut(finished / "phantom/imagesTs")
    assert predict(finished) == 5
    assert not any((out / name).exists() for name in OWN)
    assert (out / "phantom_test001.nii.gz").is_file()


def test_masks_of_scans_that_are_gone_are_named(finished, capsys):
    assert predict(finished) == 0
    for path in (finished / "phantom/imagesTs").glob(f"{CASE}*"):
        path.unlink()
    capsys.readouterr()
    assert predict(finished) == 0
    said = capsys.readouterr().err
    assert "out also holds 1 mask of scans that were not asked for" in said
    assert CASE in said


def test_an_edited_mask_is_kept_and_a_damaged_one_made_again(finished, capsys):
    out = finished / "out"
    assert predict(finished) == 0
    mask = out / f"{CASE}.nii.gz"
    made = mask.read_bytes()
    change(mask, lambda array: np.ones_like(array))
    edited = mask.read_bytes()
    capsys.readouterr()
    assert predict(finished) == 0
    assert mask.read_bytes() == edited
    said = capsys.readouterr().err
    assert f"note: case {CASE}: its mask was changed after it was written" in said
    mask.write_bytes(made[:-40])
    assert predict(finished) == 0
    assert mask.read_bytes() == made


@pytest.mark.parametrize("sidecar", [False, True])
def test_masks_that_no_prediction_wrote_are_not_replaced(finished, capsys, sidecar):
    """Reference masks have the names of the scans; BIDS puts a JSON of its own beside each."""
    out = finished / "out"
    out.mkdir()
    path = out / f"{CASE}.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), path)
    if sidecar:
        (out / f"{CASE}.json").write_text(json.dumps({"Manufacturer": "none"}))
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert predict(finished) == 2
    error = capsys.readouterr().err
    assert f"out/{CASE}.nii.gz was not written by lesionseg" in error
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_other_buckets_and_reading_options_are_another_prediction(finished):
    out = finished / "out"
    assert predict(finished) == 0
    first = (out / f"{CASE}.json").stat().st_mtime_ns
    assert predict(finished, "data.fix_grid=true") == 0
    second = (out / f"{CASE}.json").stat().st_mtime_ns
    assert second > first
    assert predict(finished, "data.fix_grid=true") == 0
    assert (out / f"{CASE}.json").stat().st_mtime_ns == second


def test_an_edited_mask_is_never_replaced(finished, capsys):
    """Whatever else changed since: what is saved beside it, a threshold, the scan."""
    out = finished / "out"
    assert predict(finished) == 0
    mask = out / f"{CASE}.nii.gz"
    change(mask, lambda array: np.ones_like(array))
    edited = mask.read_bytes()
    for words in (["save=[probability]"], ["voxel_threshold=0.3"]):
        capsys.readouterr()
        assert predict(finished, *words) == 2
        said = capsys.readouterr().err
        assert f"out/{CASE}.nii.gz was changed after it was written" in said.splitlines()[-1]
        assert mask.read_bytes() == edited


def test_settings_that_shape_masks_and_no_weights_make_another_prediction(finished):
    """As the number of detections of a slice: another model of the very same weights."""
    out, folder = finished / "out", finished / "models/maskrcnn"
    words = ("voxel_threshold=0.05", "score_threshold=0.01", "threads=1")
    assert predict(finished, *words, model="maskrcnn") == 0
    before = (out / f"{CASE}.json").read_text()
    content = json.loads((folder / "model.json").read_text())
    content["settings"]["roi_rule"]["num_detections"] = 1
    (folder / "model.json").write_text(json.dumps(content))
    assert predict(finished, *words, model="maskrcnn") == 0
    assert (out / f"{CASE}.json").read_text() != before


@pytest.mark.parametrize("place", ["predict_case", "export_case"])
def test_a_prediction_that_was_stopped_goes_on_and_does_nothing_twice(
    finished, monkeypatch, capsys, place
):
    """Stopped while the second scan is predicted, or while its files are written."""
    out, calls = finished / "out", []
    step = prediction.predict_case if place == "predict_case" else export.write_record

    def stopped(*arguments, **options):
        calls.append(place)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return step(*arguments, **options)

    module = prediction if place == "predict_case" else export
    monkeypatch.setattr(module, step.__name__, stopped)
    assert predict(finished) == 75
    assert "the same command goes on from here" in capsys.readouterr().err
    assert [path.name for path in out.glob("*.json")] == [f"{CASE}.json"]
    assert not (out / "scans.csv").exists()
    first = (out / f"{CASE}.json").stat().st_mtime_ns
    assert predict(finished) == 0
    assert len(calls) == 3  # the first scan is there
    assert (out / f"{CASE}.json").stat().st_mtime_ns == first
    assert len(list(out.glob("phantom_*.json"))) == 2
    assert len((out / "scans.csv").read_text().splitlines()) == 3
    assert not list(out.rglob(".partial*"))


def test_the_tables_of_all_scans_are_whole_after_a_second_run_and_of_scans_added_later(finished):
    out, images = finished / "out", finished / "phantom/imagesTs"
    late = finished / "late"
    late.mkdir()
    for path in images.glob("phantom_test001*"):
        path.rename(late / path.name)
    low = "score_threshold=0"  # after six steps nothing scores much
    assert predict(finished, low) == 0
    assert cases(out / "scans.csv") == [CASE]
    assert predict(finished, low, f"input={late}") == 0
    assert cases(out / "scans.csv") == [CASE, "phantom_test001"]
    first = (out / "lesions.csv").read_bytes()
    assert set(cases(out / "lesions.csv")) <= {CASE, "phantom_test001"}
    assert len(cases(out / "lesions.csv")) == sum(
        len(path.read_text().splitlines()) - 1 for path in (out / "lesions").glob("*.csv")
    )
    assert predict(finished, low) == 0
    assert (out / "lesions.csv").read_bytes() == first
    cut_again = images / f"{CASE}_0001.nii.gz"
    cut_again.write_bytes(cut_again.read_bytes()[:-100])
    assert predict(finished, low) == 4
    assert cases(out / "scans.csv") == [CASE, "phantom_test001"]
    assert f"{CASE},,," in (out / "scans.csv").read_text()
    assert set(cases(out / "lesions.csv")) <= {"phantom_test001"}


def cases(path):
    return [line.partition(",")[0] for line in path.read_text().splitlines()[1:]]
