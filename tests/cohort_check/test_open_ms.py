"""Real MS scans and masks, where they lie beside the repository, against their README."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lesionseg import geometry
from lesionseg.cohort_check import check_dataset
from lesionseg.components import label_components
from lesionseg.datasets.dataset import MaskLabels, find_scans, load_card
from lesionseg.io import read_volume
from lesionseg.io.case_store import open_case
from lesionseg.planning.plan_file import read_plan
from lesionseg.preprocessing.stage import build_dataset
from lesionseg.reading.carrying import carry_ids
from lesionseg.reading.masks import lesion_mask
from lesionseg.settings.data import SplitRule
from lesionseg.settings.plan import PlanOverrides
from lesionseg.structures import Grid

ROOT = Path(__file__).parents[3] / "shared" / "data" / "open_ms"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not ROOT.is_dir(), reason="no real scans at ../shared/data/open_ms"),
]


def test_three_patients_become_cases_with_the_lesions_they_have(tmp_path):
    dataset = find_scans(load_card("open_ms"), ROOT)
    assert [scan.patient for scan in dataset.scans] == ["patient07", "patient19", "patient26"]
    result = build_dataset(
        dataset, tmp_path, overrides=PlanOverrides(), split=SplitRule(), seed=0, workers=0
    )
    assert result.exit_code == 0
    assert len(result.done) == 2  # the third is held out for testing
    published = {"patient07": (37, 1.3), "patient19": (98, 49.8), "patient26": (19, 8.2)}
    plan = read_plan(tmp_path / "plan.yaml")
    for name in result.done:
        case = open_case(tmp_path, name)
        ids = case.lesion_ids[:]
        count, millilitres = published[name]
        assert len(case.lesions) == len(np.unique(ids)) - 1 == count
        total = sum(row["volume_mm3"] for row in case.lesions.values())
        assert total / 1000 == pytest.approx(millilitres, abs=0.06)
        flair = case.image[0]
        assert flair[ids > 0].mean() > 0.5 + np.median(flair[flair > -4])
        assert geometry.spacing(case.affine)[:2] == pytest.approx(
            (plan.in_plane_spacing_mm,) * 2, rel=0.02
        )


def test_the_folder_is_found_by_looking_and_is_sound():
    dataset = find_scans(None, ROOT)
    assert dataset.card.reading.layout == "patterns"
    assert [channel.name for channel in dataset.channels] == ["FLAIR", "T1", "T2"]
    assert dataset.scans == find_scans(load_card("open_ms"), ROOT).scans
    checked = check_dataset(dataset, ROOT, workers=0, progress=False)
    assert set(checked.status.values()) == {"ok"}
    counts = [len(scan.lesion_volumes_mm3) for scan in checked.measures.values()]
    assert counts == [37, 98, 19]
    (spare,) = checked.findings
    assert spare.text.startswith(
        "Not used: 60 files; of no scan that is read: 60 ("
    )  # masks_mni, masks_native


@pytest.mark.parametrize("patient", ["patient06", "patient20"])
def test_no_native_lesion_is_lost_in_plane(patient):
    labels = MaskLabels()
    volume = read_volume(ROOT / "masks_native" / f"{patient}.nii.gz")
    mask, affine = geometry.to_canonical(lesion_mask(volume, labels, patient), volume.affine)
    ids = label_components(mask)
    slab_axis, _, _ = geometry.slab_axes(geometry.spacing(affine))
    where = np.argwhere(ids)
    low, high = where.min(0), where.max(0) + 1
    ids, affine = geometry.crop(ids, affine, low, high)
    x, y, z = ids.shape
    assert ids.max() > 10
    for spacing_mm in (0.3, 0.7, 1.0):
        grid = geometry.in_plane_grid(Grid((x, y, z), affine), spacing_mm, slab_axis)
        carried = carry_ids(ids, affine, grid)
        assert set(np.unique(carried)) == set(range(ids.max() + 1))
