"""One voxel of a mask far out in the air decides nothing of a study; what may be a lesion does."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import AFFINE, SHAPE, ellipsoid, mri_head

from lesionseg.datasets.dataset import Channel
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.fingerprint import take_fingerprint
from lesionseg.planning.plan import make_plan
from lesionseg.preprocessing.case import prepare_loaded
from lesionseg.reading.scans import LoadedScan
from lesionseg.settings.plan import PlanOverrides
from lesionseg.structures import Grid

FILES = ScanFiles("c", "p", "train", (), None)


def scan_with(*, voxels, level=None):
    """A head with a round lesion, and another of some voxels in the air. level: of these."""
    image = mri_head()[0].astype(np.float32)
    ids = ellipsoid((36, 30, 25), (3, 3, 3)).astype(np.int32)
    image[ids > 0] = 800
    for step in range(voxels):
        ids[2 + step, 2, 2] = 2
        image[2 + step, 2, 2] = image[2 + step, 2, 2] if level is None else level
    return LoadedScan("c", (image,), ids, AFFINE, Grid(SHAPE, AFFINE), kinds=of_one_class(ids))


def planned(scan):
    fingerprint = take_fingerprint(scan, ["mri"], "")
    return make_plan([fingerprint], (Channel(name="A", modality="mri"),), PlanOverrides())


def test_one_dark_voxel_is_cut_with_the_air_around_it_and_stays_a_lesion():
    scan = scan_with(voxels=1)
    plan = planned(scan)
    assert plan.cuts_air
    assert (
        "no lesion reaches into it but 1 single voxel of masks far out in it"
        in (plan.reasons["crop"])
    )
    assert plan.channels == planned(scan_with(voxels=0)).channels  # bounds, mean and deviation
    case = prepare_loaded(scan, FILES, plan)
    assert set(np.unique(case.lesion_ids)) == {0, 1, 2}
    place = np.argwhere(case.lesion_ids == 2)[0]
    around = tuple(slice(max(at - 2, 0), at + 3) for at in place)
    assert len(np.unique(case.image[0][around])) == 1


@pytest.mark.parametrize(("voxels", "level"), [(2, None), (1, 300.0)])
def test_more_voxels_or_a_bright_one_may_be_a_lesion_and_keep_the_air(voxels, level):
    plan = planned(scan_with(voxels=voxels, level=level))
    assert not plan.cuts_air
    assert "in 1 of 1 training scans lesion voxels lie outside" in plan.reasons["crop"]
