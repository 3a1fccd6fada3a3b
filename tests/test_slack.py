"""What is equal on paper is equal: float32 noise of an affine moves no figure."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lesionseg import geometry
from lesionseg.evaluation import SizeBuckets, evaluate_case
from lesionseg.evaluation.candidates import match_candidates
from lesionseg.evaluation.froc import operating_curve
from lesionseg.slack import exceeds, reaches, slack_mm

SHAPE = (28, 28, 24)


def float32_affines(spacing, number=40):
    """Random rotations of a grid of `spacing`, as a NIfTI header keeps them."""
    turns = Rotation.random(number, random_state=0).as_matrix()
    for turn in turns:
        affine = np.eye(4)
        affine[:3, :3] = turn * spacing
        affine[:3, 3] = (-80.3, 41.7, 12.9)
        yield affine.astype(np.float32).astype(np.float64)


def masks():
    """Lesions of 1, 2, 8, 27 and 160 voxels, one voxel apart in places; each predicted a voxel off.

    The gap between the first two is three voxels: the middle one is as near to either.
    """
    reference = np.zeros(SHAPE, np.int32)
    reference[2, 2, 2] = 1
    reference[6, 2:4, 2] = 2
    reference[12:14, 2:4, 2:4] = 3
    reference[2:5, 10:13, 8:11] = 4
    reference[10:18, 10:14, 10:15] = 5
    prediction = np.roll(reference, 1, axis=0)
    prediction[4, 2, 2] = 9  # as far from lesion 1 as from lesion 2
    return reference, prediction


def figures(affine):
    reference, prediction = masks()
    found = evaluate_case(
        reference, prediction, geometry.spacing(affine), affine=affine, prediction_instances=True
    )
    rows = found.lesions[found.lesions["kind"] == "reference"]
    return found.case, rows[["volume_mm3", "region_dice", "lesion_dice", "iou"]], rows["bucket"]


@pytest.mark.parametrize("spacing", [1.0, 0.5, (np.pi / 6 * 27 / 8) ** (1 / 3), 2 ** (1 / 3)])
def test_an_oblique_float32_affine_gives_the_figures_of_the_straight_grid(spacing):
    """Spacings at which a one-voxel shift is 1 mm, two are, 8 voxels are a sphere of 3 mm, and one
    voxel is the 2 mm3 of BraTS."""
    straight = figures(np.diag([spacing, spacing, spacing, 1.0]))
    assert 0 < straight[0]["nsd_1mm"] < 1 or spacing in (1.0, 0.5)
    for affine in float32_affines(spacing):
        case, rows, buckets = figures(affine)
        assert case == pytest.approx(straight[0], rel=1e-6, nan_ok=True)
        np.testing.assert_allclose(rows, straight[1], rtol=1e-6)
        assert list(buckets) == list(straight[2])


def test_anisotropic_voxels_keep_their_figures_too():
    straight = figures(np.diag([1.0, 1.0, 3.0, 1.0]))
    for affine in float32_affines((1.0, 1.0, 3.0)):
        assert figures(affine)[0] == pytest.approx(straight[0], rel=1e-6, nan_ok=True)


def test_a_lesion_on_an_edge_is_in_the_same_bucket_of_table_and_curve():
    """27 voxels that are the sphere of 3 mm, a ten-millionth too small."""
    buckets = SizeBuckets.from_edges()
    side = (np.pi / 6 * 27 / 27 * (1 - 1e-7)) ** (1 / 3)
    mask = np.zeros((9, 9, 9), np.int32)
    mask[3:6, 3:6, 3:6] = 1
    table = evaluate_case(mask, mask, (side,) * 3).lesions
    assert table["bucket"].tolist() == ["small"]
    scan = match_candidates(mask, mask, {1: 0.9}, (side,) * 3)
    counts = [
        operating_curve([scan], volume_range_mm3=buckets.volume_range_mm3(name)).num_reference
        for name in buckets.names
    ]
    assert counts == [0, 1, 0, 0]


def test_a_brats_lesion_of_two_cubic_millimetres_is_left_out_whatever_its_last_digit():
    mask = np.zeros((9, 9, 9), np.int32)
    mask[4, 4, 4] = 1
    for side in (2 * (1 - 1e-7), 2.0, 2 * (1 + 1e-7)):
        assert np.isnan(evaluate_case(mask, mask, (1, 1, side)).case["brats_lesion_dice"])
    assert evaluate_case(mask, mask, (1, 1, 2.01)).case["brats_lesion_dice"] == 1


def test_slack_is_a_ten_thousandth_and_no_more():
    assert slack_mm((0.5, 1, 3)) == pytest.approx(5e-5)
    assert reaches([9.998, 9.9995, 10], 10).tolist() == [False, True, True]
    assert exceeds([10, 10.0005, 10.002], 10).tolist() == [False, False, True]
