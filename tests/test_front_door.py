"""`import lesionseg`: what it offers, that it is quick, and that its examples are true."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import lesionseg
from lesionseg import front_door
from lesionseg.errors import CaseError, NoInputError, UsageError
from lesionseg.evaluation import case
from lesionseg.inference import model_folder
from lesionseg.io import volumes
from lesionseg.structures import OperatingPoint, Volume

README = Path(__file__).parents[1] / "README.md"
OFFERED = {"check", "evaluate_case", "load_model", "predict", "read_volume", "report"}


@pytest.fixture(scope="module")
def scan(run_folder):
    """The two channels of the first test scan of the phantom cohort."""
    folder = run_folder / "phantom" / "imagesTs"
    return sorted(folder.iterdir())[:2]


@pytest.fixture(scope="module")
def model(run_folder):
    """Hardly trained; at a threshold that anything passes it finds lesions of some kind."""
    loaded = lesionseg.load_model(run_folder / "models" / "unet", device="cpu", threads=1)
    return dataclasses.replace(loaded, points=(OperatingPoint(0.05, 0.0),))


def test_every_name_offered_can_be_asked_for():
    assert set(dir(lesionseg)) >= OFFERED
    for name in OFFERED:
        assert callable(getattr(lesionseg, name))
    with pytest.raises(AttributeError, match="no attribute 'predct'"):
        lesionseg.predct  # noqa: B018


def test_importing_loads_neither_torch_nor_pandas():
    code = "import sys, lesionseg; print(sorted({'torch', 'pandas', 'nibabel'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_reports_are_made_without_torch():
    asked = "lesionseg.report; lesionseg.evaluate_case"
    code = f"import sys, lesionseg; {asked}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_the_examples_of_the_docstrings_are_true(run_folder, scan, tmp_path):
    data = run_folder / "phantom"
    names = {
        "RUN": run_folder,
        "FLAIR": scan[0],
        "T1": scan[1],
        "DATA": data,
        "MASKS": data / "labelsTs",
        "OUT": tmp_path / "report",
    }
    results = doctest.testmod(front_door, extraglobs=names)
    assert results.attempted >= 10
    assert results.failed == 0
    for module in (volumes, model_folder, case):
        results = doctest.testmod(module, extraglobs=names)
        assert results.attempted >= 3
        assert results.failed == 0


@pytest.mark.parametrize("module", ["boxes", "nms", "roi_align", "masks"])
def test_the_examples_of_tensor_functions_are_true(module):
    results = doctest.testmod(importlib.import_module(f"lesionseg.ops.{module}"))
    assert results.attempted >= 1
    assert results.failed == 0


def test_the_lines_of_the_readme_run(run_folder, scan, tmp_path, monkeypatch, capsys):
    """They are taken from the page as they stand; only their files are put where they say."""
    (lines,) = re.findall(r"```python\n(import lesionseg\n.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in lines.splitlines() if line.strip()]) == 5
    (tmp_path / "RUN").symlink_to(run_folder)
    for name, path in zip(("flair.nii.gz", "t1.nii.gz"), scan):
        (tmp_path / name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(lines, "README.md", "exec"), {})
    assert "volume_mm3" in capsys.readouterr().out
    saved = lesionseg.read_volume(tmp_path / "lesions.nii.gz")
    np.testing.assert_allclose(saved.affine, lesionseg.read_volume(scan[0]).affine, atol=1e-5)


def test_files_volumes_and_arrays_give_the_same_lesions(model, scan):
    volumes = [lesionseg.read_volume(path) for path in scan]
    arrays = np.stack([volume.array for volume in volumes]), volumes[0].affine
    wanted = lesionseg.predict(model, scan)
    assert wanted.instances.dtype == np.int32
    assert wanted.mask.dtype == np.uint8
    assert wanted.instances.any()
    for given in ([str(path) for path in scan], volumes, arrays):
        found = lesionseg.predict(model, given)
        np.testing.assert_array_equal(found.instances, wanted.instances)
        np.testing.assert_array_equal(found.probability, wanted.probability)


def test_the_volumes_of_one_file_are_the_channels(model, scan, tmp_path):
    images = [nib.load(path) for path in scan]
    both = np.stack([np.asarray(image.dataobj) for image in images], axis=3)
    nib.save(nib.Nifti1Image(both, images[0].affine), tmp_path / "both.nii.gz")
    found = lesionseg.predict(model, tmp_path / "both.nii.gz")
    np.testing.assert_array_equal(found.instances, lesionseg.predict(model, scan).instances)
    nib.save(nib.Nifti1Image(both[..., [0, 1, 1]], images[0].affine), tmp_path / "three.nii.gz")
    with pytest.raises(CaseError, match="holds 3 volumes, want 2: channel FLAIR, channel T1"):
        lesionseg.predict(model, tmp_path / "three.nii.gz")


def test_the_table_counts_the_voxels_of_each_lesion(model, scan):
    found = lesionseg.predict(model, scan)
    voxel = abs(np.linalg.det(found.grid.affine[:3, :3]))
    assert len(found.lesions) == len(found.scores) > 0
    for row in found.lesions.itertuples():
        voxels = np.argwhere(found.instances == row.id)
        assert row.volume_mm3 == pytest.approx(len(voxels) * voxel)
        centre = found.grid.affine @ [*voxels.mean(axis=0), 1]
        place = (row.centroid_r_mm, row.centroid_a_mm, row.centroid_s_mm)
        assert place == pytest.approx(tuple(centre[:3]))


def test_a_folder_receives_all_of_a_prediction(model, scan, tmp_path):
    found = lesionseg.predict(model, scan)
    found.save(tmp_path / "all")
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert names == ["instances.nii.gz", "lesions.csv", "mask.nii.gz", "probability.nii.gz"]
    saved = lesionseg.read_volume(tmp_path / "all" / "instances.nii.gz")
    np.testing.assert_array_equal(saved.array, found.instances)
    assert len((tmp_path / "all" / "lesions.csv").read_text().splitlines()) == 1 + len(found.scores)


def test_what_does_not_fit_is_one_line(model, scan, tmp_path):
    one = lesionseg.read_volume(scan[0])
    with pytest.raises(CaseError, match="channel"):
        lesionseg.predict(model, scan[0])
    with pytest.raises(UsageError, match=r"affine has shape \(3, 3\)"):
        lesionseg.predict(model, (one.array, np.eye(3)))
    for affine in (np.diag([1, 1, 0, 1.0]), np.full((4, 4), np.nan), np.ones((4, 4))):
        with pytest.raises(UsageError, match="places no voxels"):
            lesionseg.predict(model, (one.array, affine))
    with pytest.raises(UsageError, match="want real numbers"):
        lesionseg.predict(model, (one.array.astype(complex), np.eye(4)))
    with pytest.raises(UsageError, match="a scan of type ndarray; want a path"):
        lesionseg.predict(model, one.array)
    with pytest.raises(UsageError, match="a scan of type list; want a path"):
        lesionseg.predict(model, [one.array, np.eye(4)])
    with pytest.raises(UsageError, match=r"array has shape \(5,\)"):
        lesionseg.predict(model, (np.zeros(5), np.eye(4)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoInputError, match="no layout fits empty"):
        lesionseg.check(tmp_path / "empty")
    with pytest.raises(UsageError, match="give lesions or classes, not both"):
        lesionseg.check(tmp_path, lesions=["core"], classes={"core": [1]})
    with pytest.raises(UsageError, match="regions=True wants classes"):
        lesionseg.check(tmp_path, regions=True)
    with pytest.raises(UsageError, match="did you mean 'found_iou'"):
        lesionseg.report(tmp_path, {"a": tmp_path}, tmp_path / "out", fond_iou=0.2)


def test_a_volume_of_another_format_has_no_nifti_forms(model, scan):
    volumes = [lesionseg.read_volume(path) for path in scan]
    bare = [Volume(volume.array, volume.affine) for volume in volumes]
    assert lesionseg.predict(model, bare).forms is None


def test_masks_of_whole_floats_are_scored_and_fractions_are_refused():
    mask = np.zeros((6, 6, 6))
    mask[1:3, 1:3, 1:3] = 1.0
    scores = lesionseg.evaluate_case(mask, mask.astype(np.float32), (1, 1, 1))
    assert scores.case["dice"] == 1.0
    with pytest.raises(TypeError, match="prediction holds fractions"):
        lesionseg.evaluate_case(mask, mask * 0.5, (1, 1, 1))
    with pytest.raises(TypeError, match="reference holds fractions"):
        lesionseg.evaluate_case(np.where(mask > 0, np.nan, 0), mask, (1, 1, 1))


def test_a_report_says_which_files_have_no_partner(run_folder, tmp_path):
    masks = run_folder / "phantom" / "labelsTs"
    first, second = sorted(masks.iterdir())[:2]
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / first.name).write_bytes(first.read_bytes())
    made = lesionseg.report(masks, {"net": tmp_path / "net"}, tmp_path / "out", workers=0, draws=50)
    assert any(second.name.removesuffix(".nii.gz") in line for line in made.unmatched)
    assert second.name.removesuffix(".nii.gz") in made.page.read_text()
