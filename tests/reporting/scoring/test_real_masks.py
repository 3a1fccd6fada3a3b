"""The report on real lesion masks, with predictions made by moving and losing lesions."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from report_cohort import save

from lesionseg.evaluation import label_components
from lesionseg.reporting import ScoringOptions, match_folders, write_report

MASKS = Path(__file__).parents[4] / "shared" / "data" / "open_ms" / "masks_mni"


@pytest.mark.realdata
@pytest.mark.skipif(not MASKS.is_dir(), reason="../shared/data/open_ms is not there")
def test_real_lesions_lost_by_size_are_reported_so(tmp_path):
    """Predictions lack the lesions under 14 mm3: recall 0 in the tiny bucket, 1 above."""
    for path in sorted(MASKS.glob("*.nii.gz"))[:6]:
        image = nib.load(path)
        mask = (np.asarray(image.dataobj) > 0.5).astype(np.uint8)
        ids = label_components(mask)
        sizes = np.bincount(ids.ravel()) * abs(np.linalg.det(image.affine[:3, :3]))
        kept = np.isin(ids, np.flatnonzero(sizes >= np.pi / 6 * 27 * (1 - 1e-9))[1:])
        save(tmp_path / "ref" / path.name, mask, image.affine)
        save(tmp_path / "net" / path.name, kept.astype(np.uint8), image.affine)
    matches = match_folders(tmp_path / "ref", {"net": tmp_path / "net"})
    report = write_report(
        matches.cases, tmp_path / "out", ScoringOptions(draws=100, viewer=1), workers=1
    )
    assert report is not None
    summary = report.summary[report.summary["average"] == "pooled"].set_index(["metric", "bucket"])
    assert summary.loc[("recall", "tiny"), "value"] == 0
    for bucket in ("small", "medium"):
        assert summary.loc[("recall", bucket), "value"] == 1
    assert summary.loc[("recall", "tiny"), "num_lesions"] > 50
    assert pd.read_csv(tmp_path / "out" / "cases.csv")["num_false_positive"].sum() == 0
