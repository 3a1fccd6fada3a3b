"""A small cohort of masks in folders, as a user would have it."""

from pathlib import Path

import numpy as np
import pytest
from report_cohort import SHAPE, lesions, save, worse


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """reference/, image/, good/ (shifted) and poor/ (worse) of seven cases, one without lesions."""
    root = tmp_path_factory.mktemp("cohort")
    for i in range(7):
        reference = lesions(i, count=0 if i == 3 else 9)
        name = f"scan_{i:02d}.nii.gz"
        save(root / "reference" / name, reference)
        save(root / "good" / name, np.roll(reference, 1, axis=1))
        save(root / "poor" / name, worse(reference, i))
        noise = np.random.default_rng(i).normal(100, 5, SHAPE) + 40 * reference
        save(root / "image" / f"scan_{i:02d}_0000.nii.gz", noise.astype(np.float32))
    return root
