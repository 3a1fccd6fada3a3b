"""What the settings of `predict` make of an input, by trees of empty files."""

from __future__ import annotations

from layout_trees import tree

from lesionseg.settings.predict import NewScanSettings, PredictSettings
from lesionseg.settings.reading import DicomSettings
from lesionseg.stages.new_scans import scans_to_predict


def settings(tmp_path, **changes):
    plain = {"model": "m", "input": str(tmp_path), "output": str(tmp_path / "out")}
    groups = {"data": NewScanSettings(fix_grid=True), "dicom": DicomSettings(series="7")}
    return PredictSettings(**{**plain, **groups, **changes})


def test_scans_are_read_by_the_rule_and_volume_that_were_asked_for(tmp_path):
    tree(tmp_path, "a.nii.gz")
    (scan,) = scans_to_predict(settings(tmp_path, volume=1), ("T2",)).scans
    assert (scan.rule.volume, scan.rule.fix_grid, scan.rule.dicom_series) == (1, True, "7")
    assert scan.channels == ("T2",)


def test_what_is_not_predicted_is_named_once_and_earlier_masks_are_not(tmp_path, capsys):
    slices = [f"p1/{name}/{number}.dcm" for name in ("T2", "ADC") for number in (1, 2)]
    tree(tmp_path, *slices, "p1/lesion_mask.nii.gz", "out/p1.nii.gz", "p1/old.mnc")
    (scan,) = scans_to_predict(settings(tmp_path), ("T2",)).scans
    assert scan.paths == (tmp_path / "p1/T2",)
    said = capsys.readouterr().err
    assert said.startswith("not used: 3 files; ")
    assert "image whose name does not say that it is T2: 1 (p1/ADC)" in said
    assert "mask by its name: 1 (p1/lesion_mask.nii.gz)" in said
    assert "out/" not in said


def test_images_of_bids_that_are_predicted_are_not_named_as_unused(tmp_path, capsys):
    anat = "study/sub-1/anat/sub-1"
    tree(tmp_path, f"{anat}_T2w.nii.gz", f"{anat}_acq-fast_T2w.nii.gz", f"{anat}_PDw.nii.gz")
    (scan,) = scans_to_predict(settings(tmp_path, input=str(tmp_path / "study")), ("T2w",)).scans
    assert [path.name for path in scan.images] == ["sub-1_T2w.nii.gz"]
    said = capsys.readouterr().err
    assert said.startswith("not used: 2 files; ")
    assert "sub-1_T2w.nii.gz" not in said
    assert "beside a plainer one of its suffix: 1 (sub-1/anat/sub-1_acq-fast_T2w.nii.gz)" in said
