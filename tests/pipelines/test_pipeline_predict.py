"""The predict stage and what it cannot read, with models of a tiny run."""

import json
import shutil
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from dicom_slices import write_series
from lesionseg.pipelines import predict as pipeline
from odd_files import make_odd_file
from tiny_run import MODELS, change, cut, predict

from lesionseg.settings.predict import NewScanSettings, PredictSettings
from lesionseg.settings.reading import DicomSettings


def other_grid(images):
    path = images / "phantom_test000_0001.nii.gz"
    change(path, lambda array: array[1:])


def flat(images):
    change(images / "phantom_test000_0000.nii.gz", lambda array: array * 0 + 7)


def foreign(images):
    (images / "phantom_test000_0000.nii.gz").write_bytes(b"<html>no scan</html>")


def third_channel(images):
    path = images / "phantom_test000_0001.nii.gz"
    shutil.copy(path, images / "phantom_test000_0002.nii.gz")


def wrong_number(images):
    path = images / "phantom_test000_0001.nii.gz"
    path.rename(images / "phantom_test000_0002.nii.gz")


def put_odd_file(kind):
    def damage(images):
        path = images / "phantom_test000_0000.nii.gz"
        path.unlink()
        make_odd_file(kind, path)

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (other_grid, "channel T1 grid differs: got"),
        (flat, "channel FLAIR is 7 everywhere; want an image"),
        (cut, "phantom_test000_0001.nii.gz ends inside its gzip stream"),
        (foreign, "phantom_test000_0000.nii.gz"),
        (third_channel, "got 3 channels, want 2: FLAIR, T1"),
        (put_odd_file("dangling link"), "phantom_test000_0000.nii.gz cannot be read"),
        (put_odd_file("pipe"), "phantom_test000_0000.nii.gz cannot be read"),
        (put_odd_file("socket"), "phantom_test000_0000.nii.gz cannot be read"),
        (wrong_number, "got 1 channels, want 2: FLAIR, T1"),
    ],
)
def test_a_scan_that_cannot_be_predicted_is_one_line_and_the_others_go_on(
    finished, capsys, damage, said
):
    damage(finished / "phantom/imagesTs")
    assert predict(finished) == 5
    error = capsys.readouterr().err
    assert error.startswith("rejected: case phantom_test000: ")
    assert said in error
    assert error.count("\n") == 1
    assert str(finished) not in error
    out = finished / "out"
    written = {p.name for p in out.rglob("*") if p.is_file()}
    of_all = {"lesions.csv", "scans.csv", "rejected.csv", "predict_files.json"}
    assert written > of_all
    assert all(name.startswith("phantom_test001") for name in written - of_all)
    rejected, done = (out / "scans.csv").read_text().splitlines()[1:]
    assert rejected.startswith("phantom_test000,,,")
    assert done.startswith("phantom_test001,lesion,")
    (row,) = (out / "rejected.csv").read_text().splitlines()[1:]
    assert row.startswith("phantom_test000,")
    assert said.split("; ")[0] in row


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["input=nowhere"], 2, "input nowhere does not exist"),
        (["save=[masks]"], 2, "save has 'masks'; known: candidates, probability"),
        (["voxel_threshold=high"], 2, "voxel_threshold is 'high'; want a number from 0 to 1"),
        (["voxel_treshold=0.5"], 2, "did you mean 'voxel_threshold'?"),
        (["device=tpu"], 2, "device is 'tpu'"),
    ],
)
def test_what_predict_does_not_understand_is_one_line(finished, capsys, words, code, said):
    assert predict(finished, *words) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (finished / "out").exists()


def test_an_empty_folder_of_scans_is_exit_3(finished, capsys):
    (finished / "empty").mkdir()
    assert predict(finished, f"input={finished / 'empty'}") == 3
    assert "no scan in empty; want files ending in .nii.gz" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_exit_6(finished, capsys):
    (finished / "out").write_text("a file stands here")
    assert predict(finished) == 6
    assert "choose another output folder" in capsys.readouterr().err


def test_scans_are_never_overwritten(finished, capsys):
    images = finished / "phantom/imagesTs"
    before = sorted((p.name, p.stat().st_mtime_ns) for p in images.iterdir())
    assert predict(finished, f"output={images}") == 2
    assert "folder of the scans" in capsys.readouterr().err
    assert sorted((p.name, p.stat().st_mtime_ns) for p in images.iterdir()) == before


def test_images_in_folders_below_that_are_no_scans_are_named(finished, capsys):
    images = finished / "phantom/imagesTs"
    (images / "more").mkdir()
    shutil.copy(images / "phantom_test000_0000.nii.gz", images / "more/late_0000.nii.gz")
    write_series(images / "study/ct", np.zeros((2, 4, 5), np.int16), [(0, 0, 0), (0, 0, 2)])
    (images / "packed.nii.bz2").write_bytes(b"")
    assert predict(finished, f"output={images / 'masks'}") == 0
    said = capsys.readouterr().err
    assert "of no scan that is read: 2 (more/late_0000.nii.gz, study/ct)" in said
    assert "in a format that is not read, want NIfTI: 1 (packed.nii.bz2)" in said
    assert predict(finished, f"output={images / 'masks'}") == 0
    assert "masks/" not in capsys.readouterr().err  # its own output


def test_a_mask_beside_scans_of_one_channel_is_named_and_not_predicted(
    tmp_path, monkeypatch, capsys
):
    for name in ("a_0000.nii.gz", "mask.nii.gz", "extra_0001.nii.gz"):
        (tmp_path / name).write_bytes(b"")
    model = SimpleNamespace(plan=SimpleNamespace(channels=[SimpleNamespace(name="CT")]))
    cases, done = [], lambda _, found, *__: (cases.extend(s.case for s in found.scans) or 1, 0)
    monkeypatch.setattr(pipeline, "model_to_predict", lambda _: model)
    monkeypatch.setattr(pipeline, "predict_new_scans", done)
    settings = PredictSettings(
        model="net",
        input=str(tmp_path),
        output=str(tmp_path / "out"),
        data=NewScanSettings(),
        dicom=DicomSettings(),
    )
    pipeline.main(settings)
    assert cases == ["a"]
    said = capsys.readouterr().err
    assert "mask by its name: 1 (mask.nii.gz)" in said
    assert "further channel without extra_0000: 1 (extra_0001.nii.gz)" in said


def test_prediction_says_in_one_line_what_was_written(finished, capfd):
    words = ("voxel_threshold=0.05", "score_threshold=0")
    assert predict(finished, *words) == 0
    rows = [
        len((finished / f"out/lesions/phantom_test00{n}.csv").read_text().splitlines()) - 1
        for n in (0, 1)
    ]
    said, error = capfd.readouterr()
    out = finished / "out"
    assert said == f"predicted 2 scans, {sum(rows)} lesions kept; masks in {out}\n"
    assert error == ""
    table = (out / "scans.csv").read_text().splitlines()
    assert [row.split(",")[:3] for row in table[1:]] == [
        [f"phantom_test00{n}", "lesion", str(rows[n])] for n in (0, 1)
    ]
    assert all(row.endswith(",") for row in table[1:])  # without notes
    assert predict(finished, *words) == 0  # again, with nothing to do
    assert capfd.readouterr() == (said, "")
    assert (out / "scans.csv").read_text().splitlines() == table
    assert not (out / "rejected.csv").exists()


def test_thresholds_given_replace_those_of_validation(finished):
    save = "save=[candidates]"
    assert predict(finished, "voxel_threshold=0.01", "score_threshold=0", save) == 0
    sidecar = json.loads((finished / "out/phantom_test000.json").read_text())
    (point,) = sidecar["thresholds"]
    assert (point["voxel_threshold"], point["score_threshold"]) == (0.01, 0)
    everything = nib.load(finished / "out/phantom_test000.nii.gz").get_fdata()
    assert predict(finished, "voxel_threshold=1", "score_threshold=1", save) == 0
    nothing = nib.load(finished / "out/phantom_test000.nii.gz").get_fdata()
    assert everything.sum() > 0
    assert nothing.sum() == 0


@pytest.mark.parametrize("model", MODELS)
def test_a_scan_in_another_format_and_orientation_gets_the_same_mask(finished, model):
    """The same voxels as MHA, and as a NIfTI turned and flipped: the same lesions in the world."""
    images, words = finished / "phantom/imagesTs", ("voxel_threshold=0.05", "score_threshold=0")
    assert predict(finished, *words, model=model) == 0
    straight = nib.load(finished / "out/phantom_test000.nii.gz")
    other = finished / "other"
    other.mkdir()
    for number in (0, 1):
        image = nib.load(images / f"phantom_test000_{number:04d}.nii.gz")
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt("PSL")
        )
        nib.save(image.as_reoriented(turn), other / f"turned_{number:04d}.nii")
        written = SimpleITK.ReadImage(str(images / f"phantom_test000_{number:04d}.nii.gz"))
        for key in written.GetMetaDataKeys():
            written.EraseMetaData(key)
        SimpleITK.WriteImage(written, str(other / f"meta_{number:04d}.mha"))
    assert predict(finished, *words, f"input={other}", model=model) == 0
    meta = nib.load(finished / "out/meta.nii.gz")
    np.testing.assert_array_equal(meta.dataobj, straight.dataobj)
    np.testing.assert_allclose(meta.affine, straight.affine, atol=1e-4)
    back = nib.load(finished / "out/turned.nii.gz")
    assert nib.aff2axcodes(back.affine) == ("P", "S", "L")
    home = nib.as_closest_canonical(back)
    np.testing.assert_array_equal(home.dataobj, nib.as_closest_canonical(straight).dataobj)
    assert np.asarray(straight.dataobj).any()


def test_a_4d_image_of_more_volumes_than_channels_is_refused(finished, capsys):
    images = finished / "phantom/imagesTs"
    for case in ("phantom_test000", "phantom_test001"):
        parts = [images / f"{case}_000{channel}.nii.gz" for channel in (0, 1)]
        scan = nib.load(parts[0])
        three = np.stack([np.asarray(scan.dataobj)] * 3, axis=3)
        nib.save(nib.Nifti1Image(three, scan.affine), images / f"{case}.nii.gz")
        for part in parts:
            part.unlink()
    assert predict(finished) == 4
    error = capsys.readouterr().err
    assert "phantom_test000.nii.gz holds 3 volumes, want 2: channel FLAIR, channel T1" in error


def test_the_volumes_of_a_4d_image_are_the_channels(finished):
    images = finished / "phantom/imagesTs"
    assert predict(finished) == 0
    wanted = nib.load(finished / "out/phantom_test000.nii.gz").get_fdata()
    shutil.rmtree(finished / "out")
    parts = [images / f"phantom_test000_000{channel}.nii.gz" for channel in (0, 1)]
    scans = [nib.load(part) for part in parts]
    both = np.stack([np.asarray(scan.dataobj) for scan in scans], axis=3)
    nib.save(nib.Nifti1Image(both, scans[0].affine), images / "phantom_test000.nii.gz")
    for part in parts:
        part.unlink()
    assert predict(finished) == 0
    found = nib.load(finished / "out/phantom_test000.nii.gz").get_fdata()
    np.testing.assert_array_equal(found, wanted)
