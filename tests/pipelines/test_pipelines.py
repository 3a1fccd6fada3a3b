"""Every stage once from end to end, on a tiny phantom, through the command line."""

import json

import nibabel as nib
import numpy as np
import pytest
from tiny_run import MODELS, PHANTOM, RUN, change, lose_a_channel

from lesionseg import cli


def test_run_leaves_models_masks_report_and_its_record(run_folder):
    record = json.loads((run_folder / "run.json").read_text())
    splits = json.loads((run_folder / "preprocessed" / "splits.json").read_text())
    assert record["splits_sha256"] == splits["sha256"]
    assert record["config"]["train"]["steps"] == 6
    assert len(record["card_sha256"]) == 64
    assert record["versions"]["torch"]
    assert set(splits["train"]) & set(splits["validation"]) == set()
    for model in MODELS:
        kept = json.loads((run_folder / "models" / model / "model.json").read_text())
        assert kept["training"]["steps"] == 6
        assert (run_folder / "models" / model / "weights.safetensors").is_file()
        log = (run_folder / "models" / model / "log.csv").read_text()
        assert "val_recall" in log
        assert "val_fp_per_scan" in log
    for name in ("report.html", "lesions.csv", "cases.csv", "summary.csv"):
        assert (run_folder / "report" / name).stat().st_size > 100
    assert list((run_folder / "report" / "figures").glob("*.png"))


def test_every_test_scan_gets_masks_on_its_own_grid(run_folder):
    scans = sorted((run_folder / "phantom" / "imagesTs").glob("*_0000.nii.gz"))
    assert len(scans) == 2
    for scan in scans:
        case = scan.name.removesuffix("_0000.nii.gz")
        image = nib.load(scan)
        for model in MODELS:
            folder = run_folder / "predictions" / model
            mask = nib.load(folder / f"{case}.nii.gz")
            ids = nib.load(folder / "instances" / f"{case}.nii.gz")
            for written, dtype in ((mask, np.uint8), (ids, np.uint16)):
                assert written.shape == image.shape
                assert written.get_data_dtype() == dtype
                np.testing.assert_allclose(written.affine, image.affine, atol=1e-6)
                for field in ("qform_code", "sform_code", "xyzt_units"):
                    assert written.header[field] == image.header[field]
            np.testing.assert_array_equal(np.asarray(mask.dataobj), np.asarray(ids.dataobj) > 0)
            rows = (folder / "lesions" / f"{case}.csv").read_text().splitlines()
            assert rows[0].split(",") == [
                "id",
                "volume_mm3",
                "diameter_mm",
                "centroid_r_mm",
                "centroid_a_mm",
                "centroid_s_mm",
                "score",
                "bucket",
                "class",
            ]
            assert len(rows) - 1 == int(np.asarray(ids.dataobj).max())
            sidecar = json.loads((folder / f"{case}.json").read_text())
            assert len(sidecar["weights_sha256"]) == 64
            assert len(sidecar["input_sha256"]) == 2


def test_a_second_run_skips_what_is_finished(run_folder, capsys):
    watched = [
        *run_folder.glob("models/*/weights.safetensors"),
        *run_folder.glob("predictions/*/*.nii.gz"),
        *run_folder.glob("preprocessed/*.b2nd"),
        *run_folder.glob("phantom/images*/*.nii.gz"),
    ]
    assert len(watched) > 10
    before = {path: path.stat().st_mtime_ns for path in watched}
    assert cli.main(["run", f"output={run_folder}", *PHANTOM, *RUN]) == 0
    said = capsys.readouterr()
    assert "unet: trained already" in said.err
    assert "maskrcnn: trained already" in said.err
    assert "under 3 mm" in said.out
    assert said.out.rstrip().endswith("report.html")
    assert {path: path.stat().st_mtime_ns for path in watched} == before


def test_nothing_half_written_is_left(run_folder):
    assert not list(run_folder.rglob(".partial-*"))


def test_predict_takes_a_file_or_a_folder(run_folder, tmp_path):
    model, images = run_folder / "models" / "maskrcnn", run_folder / "phantom" / "imagesTs"
    scan = sorted(images.glob("*_0000.nii.gz"))[0]
    case = scan.name.removesuffix("_0000.nii.gz")
    one, all_of_them = tmp_path / "one", tmp_path / "all"
    save = "save=[probability,candidates]"
    assert cli.main(["predict", f"model={model}", f"input={scan}", f"output={one}", save]) == 0
    assert [p.name for p in one.glob("*.nii.gz")] == [f"{case}.nii.gz"]
    probability = nib.load(one / "probabilities" / f"{case}.nii.gz")
    assert probability.get_data_dtype() == np.float32
    assert 0 <= probability.get_fdata().min() <= probability.get_fdata().max() <= 1
    assert cli.main(["predict", f"model={model}", f"input={images}", f"output={all_of_them}"]) == 0
    written = all_of_them / f"{case}.nii.gz"
    assert written.read_bytes() == (one / f"{case}.nii.gz").read_bytes()
    time = written.stat().st_mtime_ns
    assert cli.main(["predict", f"model={model}", f"input={images}", f"output={all_of_them}"]) == 0
    assert written.stat().st_mtime_ns == time


def test_report_scores_folders_of_masks(run_folder, tmp_path, capsys):
    words = [
        "report",
        f"reference={run_folder / 'phantom' / 'labelsTs'}",
        f"predictions.mine={run_folder / 'predictions' / 'maskrcnn'}",
        f"predictions.perfect={run_folder / 'phantom' / 'labelsTs'}",
        f"output={tmp_path / 'report'}",
        "workers=1",
    ]
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert "perfect" in text
    assert (tmp_path / "report" / "report.html").is_file()


def test_scans_without_lesions_are_valid_everywhere(dataset, tmp_path):
    for path in (*dataset.glob("labelsTs/*"), sorted(dataset.glob("labelsTr/*"))[0]):
        mask = nib.load(path)
        nib.save(nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine, mask.header), path)
    words = ["run", "data=nnunet", f"data.root={dataset}", f"output={tmp_path / 'out'}", *RUN]
    assert cli.main([*words, "models=[maskrcnn]"]) == 0


def preprocess(dataset, tmp_path, *words):
    return cli.main(
        [
            "preprocess",
            "data=nnunet",
            f"data.root={dataset}",
            f"output={tmp_path / 'out'}",
            "workers=0",
            *words,
        ]
    )


def shift_the_mask(data, case):
    path = data / "labelsTr" / f"{case}.nii.gz"
    change(path, lambda a: a, nib.load(path).affine + np.array([[0, 0, 0, 3.0]] + [[0] * 4] * 3))


def use_fractions(data, case):
    change(data / "labelsTr" / f"{case}.nii.gz", lambda a: a.astype(np.float32) * 0.5)


def use_an_unknown_label(data, case):
    change(data / "labelsTr" / f"{case}.nii.gz", lambda a: (a * 7).astype(np.uint8))


def truncate(data, case):
    path = data / "imagesTr" / f"{case}_0000.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])


def make_unreadable(data, case):
    (data / "imagesTr" / f"{case}_0000.nii.gz").write_bytes(b"<html>no scan</html>")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lose_a_channel, ["channel"]),
        (shift_the_mask, ["grid|affine|mm"]),
        (use_fractions, ["0.5"]),
        (use_an_unknown_label, ["7"]),
        (truncate, ["truncated|ends|short|damaged"]),
        (make_unreadable, ["NIfTI|not"]),
    ],
)
def test_a_bad_case_is_one_line_and_the_others_go_on(dataset, tmp_path, capsys, damage, said):
    cases = sorted(p.name.removesuffix(".nii.gz") for p in dataset.glob("labelsTr/*"))
    sizes = {c: nib.load(dataset / "labelsTr" / f"{c}.nii.gz").get_fdata().sum() for c in cases}
    bad = max(cases, key=lambda case: sizes[case])  # one with lesions
    damage(dataset, bad)
    assert preprocess(dataset, tmp_path) == 5
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rejected")]
    assert len(error) == 1
    assert f"case {bad}" in error[0]
    for pattern in said:
        assert any(word in error[0] for word in pattern.split("|")), error[0]
    stored = {p.name.removesuffix(".json") for p in (tmp_path / "out").rglob("phantom_*.json")}
    assert bad not in stored
    assert len(stored) == len(cases) - 1
    assert not list((tmp_path / "out").rglob(".partial-*"))


def test_all_bad_is_exit_4(dataset, tmp_path):
    for path in dataset.glob("imagesTr/*"):
        path.write_bytes(b"no scan")
    assert preprocess(dataset, tmp_path) == 4


def test_an_empty_folder_is_exit_3(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    assert preprocess(tmp_path / "data", tmp_path) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_predict_rejects_a_bad_scan_and_goes_on(run_folder, dataset, tmp_path, capsys):
    images = dataset / "imagesTs"
    bad = sorted(images.glob("*_0000.nii.gz"))[0]
    bad.write_bytes(bad.read_bytes()[:3000])
    words = ["predict", f"model={run_folder / 'models' / 'unet'}", f"input={images}"]
    assert cli.main([*words, f"output={tmp_path / 'out'}"]) == 5
    assert bad.name.removesuffix("_0000.nii.gz") in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 1
    (images / bad.name.replace("_0000", "_0001")).unlink()
    bad.unlink()
    other = next(images.glob("*_0001.nii.gz"))
    other.unlink()
    assert cli.main([*words, f"output={tmp_path / 'none'}"]) == 4
    assert "got 1 channels, want 2" in capsys.readouterr().err
    assert not list((tmp_path / "none").rglob("*.nii.gz"))


def test_a_folder_that_is_no_model_is_exit_2(tmp_path, capsys):
    words = ["predict", f"model={tmp_path}", f"input={tmp_path}", f"output={tmp_path / 'out'}"]
    assert cli.main(words) == 2
    assert "not a model folder" in capsys.readouterr().err
