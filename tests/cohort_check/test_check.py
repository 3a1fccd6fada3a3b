"""The check of folders of files, each with one thing wrong."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import yaml

from lesionseg.cli import main
from lesionseg.cohort_check import check_dataset
from lesionseg.datasets.dataset import find_scans, load_card
from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.settings.data import PhantomSettings


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantoms")
    return write_cohort(root, PhantomSettings(num_train=4, num_test=1, seed=5, size=0.4))


@pytest.fixture
def raw(phantoms, tmp_path):
    return shutil.copytree(phantoms, tmp_path / "raw")


def image(root, case, channel=0):
    return root / f"imagesTr/phantom_train00{case}_000{channel}.nii.gz"


def change(path, edit):
    scan = nib.load(path)
    array = edit(np.asarray(scan.dataobj).astype(np.float32))
    nib.save(nib.Nifti1Image(array, scan.affine), path)


def check(root):
    return check_dataset(find_scans(load_card("nnunet"), root), root, workers=0, progress=False)


def holes(array):
    array[:3] = np.nan
    return array


def clipped(array):
    return np.minimum(array, np.percentile(array, 97))


EDITS = {
    "holes": (holes, "warning", "voxels without a value"),
    "clipped": (clipped, "warning", "clipped"),
    "inverted": (lambda array: array.max() - array, "warning", "inverted contrast"),
    "constant": (lambda array: array * 0 + 7, "rejected", "unusable"),
}


def test_phantoms_are_sound(phantoms):
    checked = check(phantoms)
    assert checked.exit_code == 0
    assert set(checked.status.values()) <= {"ok", "note"}
    assert {one.kind for one in checked.findings} <= {"no lesion"}
    scan = checked.measures["phantom_train000"]
    mask = np.asarray(nib.load(phantoms / "labelsTr/phantom_train000.nii.gz").dataobj)
    assert sum(scan.lesion_volumes_mm3) == pytest.approx(mask.sum())  # 1 mm voxels
    assert scan.orientation == "RAS"


@pytest.mark.parametrize("name", EDITS)
def test_intensities_that_are_wrong(raw, name):
    edit, severity, kind = EDITS[name]
    change(image(raw, 1), edit)
    found = [one for one in check(raw).findings if one.kind != "no lesion"]
    assert (severity, kind) in {(one.severity, one.kind) for one in found}
    assert {one.case for one in found} == {"phantom_train001"}


def test_what_a_channel_does_not_cover_is_said_to_be_that(raw):
    path = image(raw, 1, 1)
    scan = nib.load(path)
    low = scan.shape[2] // 4
    nib.save(nib.Nifti1Image(np.asarray(scan.dataobj)[:, :, :-low], scan.affine), path)
    dataset = find_scans(load_card("nnunet"), raw)
    scans = [replace(one, rule=replace(one.rule, fix_grid=True)) for one in dataset.scans]
    dataset = replace(dataset, scans=tuple(scans))
    found = check_dataset(dataset, raw, workers=0, progress=False).findings
    (text,) = [one.text for one in found if one.kind == "voxels without a value"]
    share = 100 * low / scan.shape[2]
    assert text == f"T1: {share:.2g} % of the voxels are not covered, or not finite; read as air"


def test_a_mask_in_the_air_is_an_error(raw):
    path = raw / "labelsTr/phantom_train001.nii.gz"

    def moved(array):
        out = np.zeros_like(array, dtype=np.uint8)
        out[:4, :4, :4] = 1
        return out

    change(path, lambda array: moved(array).astype(np.uint8))
    checked = check(raw)
    assert checked.exit_code == 5
    assert checked.findings[0].kind == "mask beside the image"
    assert "100 % of the lesion voxels" in checked.findings[0].text


def test_one_channel_given_twice_and_a_scan_under_two_names(raw):
    shutil.copy(image(raw, 1, 0), image(raw, 1, 1))
    for channel in (0, 1):
        shutil.copy(image(raw, 0, channel), raw / f"imagesTs/phantom_test000_000{channel}.nii.gz")
    shutil.copy(raw / "labelsTr/phantom_train000.nii.gz", raw / "labelsTs/phantom_test000.nii.gz")
    errors = {(one.case, one.kind) for one in check(raw).findings if one.severity == "error"}
    assert errors == {
        ("phantom_train001", "same channel twice"),
        ("phantom_train000", "copied scan"),
        ("phantom_test000", "copied scan"),
    }


def test_ct_that_is_not_in_hounsfield_units(raw):
    content = json.loads((raw / "dataset.json").read_text())
    content["channel_names"] = {"0": "CT", "1": "T1"}
    (raw / "dataset.json").write_text(json.dumps(content))
    kinds = {one.kind for one in check(raw).findings if one.severity == "error"}
    assert kinds == {"not in Hounsfield units"}


def tree(root):
    return {path.relative_to(root): path.stat().st_mtime_ns for path in root.rglob("*")}


def test_table_page_and_card_from_the_command_line(raw, tmp_path, capsys):
    change(image(raw, 1), clipped)
    (raw / "imagesTr/phantom_train002_0001.nii.gz").write_bytes(b"<html>")
    shutil.copy(image(raw, 0), raw / "imagesTr/spare.nii.gz")
    (raw / "broken.nii").write_bytes(b"")
    before, out = tree(raw), tmp_path / "out"
    assert main(["check", f"data.root={raw}", f"output={out}", "workers=0"]) == 5
    assert tree(raw) == before
    assert sorted(path.name for path in out.iterdir()) == [
        "check.csv",
        "check.html",
        "data_card.yaml",
        "not_used.csv",
    ]
    assert (out / "not_used.csv").read_text().splitlines() == [
        "file,reason",
        "broken.nii,of no scan that is read",
        "imagesTr/spare.nii.gz,of no scan that is read",
    ]
    rows = {
        row["case"]: row for row in csv.DictReader((out / "check.csv").read_text().splitlines())
    }
    assert [row["status"] for row in rows.values()] == [
        "ok" if case == "phantom_test000" else status
        for case, status in zip(rows, ["ok", "ok", "warning", "rejected", "ok"])
    ]
    assert rows["phantom_train001"]["findings"].startswith("clipped: FLAIR: ")
    assert len(rows["phantom_train000"]["T1 sha256"]) == 64
    card = yaml.safe_load((out / "data_card.yaml").read_text())
    assert [channel["name"] for channel in card["reading"]["channels"]] == ["FLAIR", "T1"]
    assert (card["licence"], card["reading"]["spacing_mm"]) == (
        "unknown",
        [1.0, 1.0, 1.0],
    )  # the oblique one is rejected
    assert load_card(out / "data_card.yaml").reading.layout == "nnunet"
    said = capsys.readouterr()
    assert "found: nnU-Net raw: 4 training scans, 1 test scan" in said.out
    assert "1 unusable, 0 with an error, 1 with a warning" in said.out
    assert "rejected: unusable: " in said.err
    page = (out / "check.html").read_text()
    words = "2 files; of no scan that is read: 2 (broken.nii, imagesTr/spare.nii.gz)"
    assert f"Not used: {words}" in page
    assert f"not used: {words}\n" in said.out
    assert "broken.nii, which no scan uses, cannot be read" in page
    assert str(tmp_path) not in page + (out / "check.csv").read_text()


def test_a_card_that_is_given_is_the_one_that_is_read(raw, tmp_path, capsys):
    words = ["check", f"data.root={raw}", "workers=0"]
    assert main([*words, f"output={tmp_path / 'out'}"]) == 0
    card = yaml.safe_load((tmp_path / "out/data_card.yaml").read_text())
    pattern = "imagesTr/{case}_0001.nii.gz"
    card["reading"] |= {
        "layout": "patterns",
        "channels": [{"name": "second", "modality": "mri", "pattern": pattern}],
        "mask": "labelsTr/{case}.nii.gz",
        "labels": {"lesion": 1},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(card))
    capsys.readouterr()
    words += [f"data.card={tmp_path / 'mine.yaml'}", f"output={tmp_path / 'again'}"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert f"found: path patterns ({pattern}): 4 training scans, 0 test scans" in said
    assert "channels second; lesion masks: labelsTr/{case}.nii.gz" in said


def test_names_on_the_page_are_text_and_the_table_runs_no_formula(raw, tmp_path):
    for folder, ending in (("imagesTr", "_0000"), ("imagesTr", "_0001"), ("labelsTr", "")):
        path = raw / folder / f"phantom_train001{ending}.nii.gz"
        path.rename(path.with_name(f"=<img src=x onerror=alert(1)>{ending}.nii.gz"))
    out = tmp_path / "out"
    assert main(["check", f"data.root={raw}", f"output={out}", "workers=0"]) == 0
    page = (out / "check.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert "default-src 'none'" in page
    assert "'=<img" in (out / "check.csv").read_text()


def test_nothing_is_written_beside_the_scans_of_a_table(raw, tmp_path, capsys):
    scan = "imagesTr/phantom_train001_0000.nii.gz"
    (raw / "check.csv").write_text(f"case,FLAIR\na,{scan}\n")
    before = sorted(raw.rglob("*"))
    words = ["check", f"data.root={raw / 'check.csv'}", "workers=0"]
    for out in (raw, raw / "imagesTr"):
        assert main([*words, f"output={out}"]) == 2
        assert "nothing is written beside them" in capsys.readouterr().err
    assert sorted(raw.rglob("*")) == before


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="holds no such file name")
def test_a_file_name_that_is_no_unicode_stands_on_the_page_as_its_bytes(raw, tmp_path):
    (raw / os.fsdecode(b"spare\xff.nii.gz")).write_bytes(b"")
    out = tmp_path / "out"
    assert main(["check", f"data.root={raw}", f"output={out}", "workers=0"]) == 0
    assert r"spare\udcff.nii.gz" in (out / "check.html").read_text()


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda raw: None, 2, "lies among the scans of data.root"),
        (lambda raw: [path.write_bytes(b"") for path in raw.glob("images*/*")], 4, "0 bytes"),
        (
            lambda raw: (raw / "dataset.json").unlink() or shutil.rmtree(raw / "imagesTr"),
            3,
            "no layout",
        ),
    ],
)
def test_exit_codes(raw, tmp_path, capsys, make, code, words):
    make(raw)
    out = raw / "report" if code == 2 else tmp_path / "out"
    assert main(["check", f"data.root={raw}", f"output={out}", "workers=0"]) == code
    assert words in capsys.readouterr().err
    assert not (raw / "report").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a right to make links")
def test_a_link_to_nothing_that_no_scan_uses_is_named(raw):
    (raw / "imagesTr/spare.nii.gz").symlink_to("annexed")
    (note,) = [one.text for one in check(raw).findings if one.kind == "unused files"]
    assert "link to a file that is not there, to be fetched" in note
    assert "(imagesTr/spare.nii.gz)" in note
