"""The page of the lesions of all scans, made from the files of a prediction."""

import dataclasses
import json
import re

import nibabel as nib
import numpy as np
import pytest
from exported_predictions import MODEL, a_prediction
from oriented_grids import GRIDS, SHAPE, lesion_ids

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import UsageError
from lesionseg.inference import overview
from lesionseg.inference.cohort_tables import withdraw_cohort
from lesionseg.inference.export import export_case
from lesionseg.inference.export_record import export_record
from lesionseg.io import read_volume, write_mask
from lesionseg.structures import Volume

CUBES = (((2, 3, 0), 1, 0.9), ((8, 8, 2), 3, 0.75), ((14, 4, 3), 2, 0.625))


def a_scan(folder, case, lesions):
    """A scan that is bright where its lesions are, with its prediction in `folder`."""
    found = a_prediction((20, 16, 8), lesions)
    path = folder / "scans" / f"{case}.nii.gz"
    grid = Volume(found.instances, np.diag([-1.0, 1.5, 2.0, 1.0]))
    write_mask(path, 100 + 100 * found.mask, grid)
    like = read_volume(path)
    export_case(folder / "out", case, found, like, export_record(case, MODEL, [path]))
    return ScanFiles(case, case, "test", (path,), None, (), channels=("FLAIR",))


def rows(page):
    found = re.findall(r'<tr class="lesion" data-case="([^"]*)" data-number="(\d+)"', page)
    return [(case, int(number)) for case, number in found]


def page_of(folder, scans, said=None):
    overview.write_overview(folder / "out", MODEL, scans, said or {one.case: () for one in scans})
    return (folder / "out/overview.html").read_text(encoding="utf-8")


def test_every_lesion_is_on_the_page_the_best_score_first(tmp_path):
    scans = [a_scan(tmp_path, "a", CUBES), a_scan(tmp_path, "b", CUBES[1:2])]
    page = page_of(tmp_path, [*scans, a_scan(tmp_path, "empty", ())])
    assert rows(page) == [("a", 1), ("a", 2), ("b", 1), ("a", 3)]
    assert "found 4 lesions in 2 of 3 scans" in page
    assert page.count('<img src="data:image/png') == 4
    assert "no reference" in page
    assert "All 4 lesions" in page


def test_nothing_of_the_page_is_elsewhere_and_no_path_is_in_it(tmp_path):
    page = page_of(tmp_path, [a_scan(tmp_path, "a", CUBES)])
    assert "http" not in page.replace("http-equiv", "")
    assert str(tmp_path) not in page
    assert "scans/" not in page


def test_of_many_lesions_each_scan_shows_its_best_and_the_page_says_how_many(tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "SHOWN", 3)
    monkeypatch.setattr(overview, "VIEWED", 1)
    scans = [a_scan(tmp_path, "a", CUBES), a_scan(tmp_path, "b", CUBES[2:])]
    scans.append(a_scan(tmp_path, "c", CUBES[1:]))
    page = page_of(tmp_path, scans)
    assert rows(page) == [("a", 1), ("c", 1), ("b", 1)]
    assert "3 of 6 lesions" in page
    assert "The 1 of 3 scans" in page
    data = json.loads(re.search(r'id="viewer-data">(.*?)</script>', page)[1])
    assert [case["case"] for case in data["cases"]] == ["a"]
    assert [lesion["kind"] for lesion in data["cases"][0]["lesions"]] == ["found"] * 3


@pytest.mark.parametrize("name", ["RAS", "PIL", "SLA", "LPS-oblique", "ARI-oblique"])
def test_image_and_lesions_lie_on_each_other_in_ras(tmp_path, name):
    ids = lesion_ids()
    like = Volume(ids, GRIDS[name])
    image = tmp_path / "a.nii.gz"
    write_mask(image, (ids > 0).astype(np.uint8) * 200, like)
    write_mask(tmp_path / "instances/a.nii.gz", ids, read_volume(image))
    scan = ScanFiles("a", "a", "test", (image,), None, (), channels=("FLAIR",))
    view = overview._view(tmp_path, scan, MODEL)
    assert sorted(view.image.shape) == sorted(SHAPE)
    np.testing.assert_array_equal(view.image == 200, view.predictions["unet"] > 0)
    assert nib.aff2axcodes(view.affine) == ("R", "A", "S")


def test_a_scan_whose_image_is_gone_is_said_and_its_lesions_stay_listed(tmp_path):
    scans = [a_scan(tmp_path, "a", CUBES), a_scan(tmp_path, "b", CUBES)]
    scans[0].images[0].unlink()
    page = page_of(tmp_path, scans)
    assert "No pictures of case a: a.nii.gz cannot be read" in page
    assert page.count('<img src="data:image/png') == 3
    assert len(rows(page)) == 6


def test_a_page_of_somebody_else_is_not_replaced(tmp_path):
    (tmp_path / "overview.html").write_text("mine")
    with pytest.raises(UsageError, match=r"overview\.html was not written by lesionseg"):
        withdraw_cohort(tmp_path, ["overview.html"])


def test_notes_of_scans_and_reasons_of_those_rejected_stand_on_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "NOTED", 2)
    scans = [a_scan(tmp_path, "a", CUBES)]
    said = {"a": ("cut off", "other contrast"), "b": ("rejected: <no> T1",), "c": (), "d": ("odd",)}
    page = page_of(tmp_path, scans, said)
    assert "a: cut off; other contrast." in page
    assert "b: rejected: &lt;no&gt; T1." in page
    assert "1 more has notes: see scans.csv." in page
    assert "1 of 4; those" in page
    assert "c:" not in re.sub(r"<style>.*?</style>|<script.*?</script>", "", page, flags=re.S)


def test_without_lesions_the_page_says_so(tmp_path):
    page = page_of(tmp_path, [a_scan(tmp_path, "a", ())])
    assert "found 0 lesions in 0 of 1 scan" in page
    assert rows(page) == []


def test_another_name_of_the_model_is_the_title(tmp_path):
    scans = [a_scan(tmp_path, "a", CUBES)]
    model = dataclasses.replace(MODEL, name="<b>net")
    overview.write_overview(tmp_path / "out", model, scans, {})
    page = (tmp_path / "out/overview.html").read_text()
    assert "<title>Lesions found by &lt;b&gt;net</title>" in page
