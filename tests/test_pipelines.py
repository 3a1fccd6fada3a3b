"""Every stage once from end to end, on a tiny phantom, through the command line."""

import json
import shutil
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from lesionseg import cli
from lesionseg.training.checkpoint import read_progress

BACKBONE = "network.maskrcnn.backbone"
TINY = [
    "workers=0",
    "device=cpu",
    "train.steps=6",
    "train.validate_every=3",
    "train.validation_cases=1",
    "sampling.size=32",
    "sampling.batch_size=2",
    "network.unet.channels=[8,12,16]",
    f"{BACKBONE}=tiny",
    "network.maskrcnn.pyramid_channels=16",
    "network.maskrcnn.box_width=32",
    "network.maskrcnn.mask_width=8",
]
PHANTOM = ["data.phantom.num_train=5", "data.phantom.num_test=2", "data.phantom.size=0.3"]
MODELS = ("unet", "maskrcnn")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert cli.main(["run", f"output={folder}", *PHANTOM, *TINY]) == 0
    return folder


@pytest.fixture
def dataset(run_folder, tmp_path):
    """A copy of the phantom cohort that a test may break."""
    return shutil.copytree(run_folder / "phantom", tmp_path / "data")


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
    assert cli.main(["run", f"output={run_folder}", *PHANTOM, *TINY]) == 0
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
    words = ["run", "data=nnunet", f"data.root={dataset}", f"output={tmp_path / 'out'}", *TINY]
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


def change(path, edit, affine=None):
    image = nib.load(path)
    array = edit(np.asarray(image.dataobj))
    nib.save(nib.Nifti1Image(array, image.affine if affine is None else affine), path)


def lose_a_channel(data, case):
    (data / "imagesTr" / f"{case}_0001.nii.gz").unlink()


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


# Stages alone, and stages after each other.


@pytest.fixture
def finished(run_folder, tmp_path):
    """A copy of the whole run, data and trained models in it, that a test may change."""
    return shutil.copytree(run_folder, tmp_path / "copy")


def rerun(finished, *words):
    data = ["data=nnunet", f"data.root={finished / 'phantom'}"]
    return cli.main(["run", f"output={finished}", *data, *TINY, *words])


@pytest.mark.slow
def test_training_stopped_by_the_scheduler_goes_on_with_the_same_command(finished):
    """SIGTERM to a process of its own: exit code 75 and one line; then it resumes and ends."""
    for model in MODELS:
        shutil.rmtree(finished / "models" / model)
    words = ["train", f"output={finished}", *TINY[1:], "models=[maskrcnn]"]
    words = [word for word in words if not word.startswith(("train.steps", BACKBONE))]
    words.append(f"{BACKBONE}=nano")  # the tests' own backbone is not known to another process
    long = [*words, "train.steps=100000", "train.checkpoint_every=3"]
    code = f"import sys; from lesionseg import cli; sys.exit(cli.main({long!r}))"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    folder = finished / "models" / "maskrcnn"
    try:
        while not (folder / "checkpoint.safetensors").exists():
            assert child.poll() is None, child.stderr.read()
            time.sleep(0.05)
        child.terminate()
        _, said = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 75, said
    assert said.splitlines()[-1].startswith("lesionseg: stopped by SIGTERM at step ")
    assert "Traceback" not in said
    assert not (folder / "model.json").exists()
    assert not list(finished.rglob(".partial-*"))
    done = read_progress(folder / "checkpoint.safetensors").step
    assert done >= 3
    assert cli.main([*words, f"train.steps={done + 2}"]) == 0
    kept = json.loads((folder / "model.json").read_text())
    assert kept["training"]["steps"] == done + 2
    steps = [int(row.split(",")[0]) for row in (folder / "log.csv").read_text().splitlines()[1:]]
    assert steps == sorted(steps)


def test_a_changed_setting_is_not_mixed_into_a_trained_model(finished, capsys):
    words = ["train", f"output={finished}", *TINY[1:], "models=[unet]", "train.learning_rate=0.01"]
    before = (finished / "models/unet/weights.safetensors").read_bytes()
    assert cli.main(words) == 2
    assert "made with other settings or data" in capsys.readouterr().err
    assert (finished / "models/unet/weights.safetensors").read_bytes() == before
    assert cli.main([*words, "train.resume=false"]) == 0
    assert (finished / "models/unet/weights.safetensors").read_bytes() != before


def test_train_before_preprocess_is_exit_2(tmp_path, capsys):
    assert cli.main(["train", f"output={tmp_path}", *TINY[1:]]) == 2
    error = capsys.readouterr().err
    assert "plan.yaml is not a plan" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("device=gpu", "device is 'gpu'"),
        ("models=[resnet]", "known: unet, maskrcnn"),
        ("models=[]", "known: unet, maskrcnn"),
        ("train.steps=null", "no training budget"),
        ("network.unet.loss=focal", "loss is 'focal', known: cross_entropy"),
    ],
)
def test_what_training_cannot_do_is_exit_2(finished, capsys, word, said):
    shutil.rmtree(finished / "models")
    assert rerun(finished, word) == 2
    error = capsys.readouterr().err
    assert said in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not list(finished.rglob("model.json"))


@pytest.mark.slow
def test_a_run_with_bad_scans_on_both_sides_goes_on_with_the_others(finished, capsys):
    lose_a_channel(finished / "phantom", "phantom_train003")
    bad = finished / "phantom/imagesTs/phantom_test001_0001.nii.gz"
    bad.write_bytes(bad.read_bytes()[:2000])
    words = ["models=[unet]", "train.steps=2", "train.resume=false", "edges_mm=[2,4]"]
    assert rerun(finished, *words) == 5
    said = capsys.readouterr()
    rejected = [line for line in said.err.splitlines() if line.startswith("rejected: ")]
    assert len(rejected) == 2
    assert "case phantom_train003: missing channel T1" in rejected[0]
    assert "case phantom_test001: phantom_test001_0001.nii.gz ends inside" in rejected[1]
    assert "under 2 mm" in said.out
    assert said.out.rstrip().endswith("report.html")
    cases = (finished / "report/cases.csv").read_text()
    assert "phantom_test000" in cases
    assert "phantom_test001" not in cases
    assert not list(finished.rglob(".partial-*"))


def test_the_demo_is_the_same_run_with_a_budget_of_its_own(finished, capsys):
    budget = json.loads((finished / "models/unet/model.json").read_text())["training"]["steps"]
    assert cli.main(["demo", f"output={finished}", *PHANTOM, *TINY, "models=[unet]"]) == 0
    said = capsys.readouterr()
    assert f"unet: {budget} steps" in said.err  # the steps end it before its minutes
    assert "under 3 mm" in said.out
    assert said.out.rstrip().endswith("report.html")


def test_without_a_reference_a_run_ends_with_its_masks(finished, capsys):
    shutil.rmtree(finished / "phantom/labelsTs")
    shutil.rmtree(finished / "report")
    assert rerun(finished) == 0
    assert "no test scan has a reference mask" in capsys.readouterr().out
    assert not (finished / "report").exists()


# Predict, and what it cannot read.


def predict(finished, *words, model="unet"):
    folder = f"model={finished / 'models' / model}"
    images = f"input={finished / 'phantom/imagesTs'}"
    return cli.main(["predict", folder, images, f"output={finished / 'out'}", "device=cpu", *words])


def other_grid(images):
    path = images / "phantom_test000_0001.nii.gz"
    change(path, lambda array: array[1:])


def flat(images):
    change(images / "phantom_test000_0000.nii.gz", lambda array: array * 0 + 7)


def cut(images):
    path = images / "phantom_test000_0001.nii.gz"
    path.write_bytes(path.read_bytes()[:-100])


def foreign(images):
    (images / "phantom_test000_0000.nii.gz").write_bytes(b"<html>no scan</html>")


def third_channel(images):
    path = images / "phantom_test000_0001.nii.gz"
    shutil.copy(path, images / "phantom_test000_0002.nii.gz")


def wrong_number(images):
    path = images / "phantom_test000_0001.nii.gz"
    path.rename(images / "phantom_test000_0002.nii.gz")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (other_grid, "channel 1 grid differs: got"),
        (flat, "channel 0 is 7 everywhere; want an image"),
        (cut, "phantom_test000_0001.nii.gz ends inside its gzip stream"),
        (foreign, "phantom_test000_0000.nii.gz"),
        (third_channel, "got 3 channels, want 2: FLAIR, T1"),
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
    written = [p.name for p in (finished / "out").rglob("*") if p.is_file()]
    assert written
    assert all(name.startswith("phantom_test001") for name in written)


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


def test_prediction_says_nothing_where_nobody_looks(finished, capfd):
    assert predict(finished) == 0
    assert capfd.readouterr() == ("", "")


def test_thresholds_given_replace_those_of_validation(finished):
    save = "save=[candidates]"
    assert predict(finished, "voxel_threshold=0.01", "score_threshold=0", save) == 0
    sidecar = json.loads((finished / "out/phantom_test000.json").read_text())
    assert (sidecar["voxel_threshold"], sidecar["score_threshold"]) == (0.01, 0)
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
