"""The one-pass metrics against the slow loop on random masks, and against metrics of MONAI."""

import numpy as np
import pytest
from hypothesis import given, settings
from random_masks import draw_ids, mask_pairs
from slow_loop import slow_lesions, slow_operating_point

from lesionseg.evaluation import evaluate_case, match_candidates, operating_curve


@settings(max_examples=60, deadline=None, derandomize=True)
@given(mask_pairs(min_reference=1, min_predicted=1))
def test_every_row_equals_the_slow_loop(masks):
    reference, prediction, spacing = masks
    result = evaluate_case(
        reference, prediction, spacing, reference_instances=True, prediction_instances=True
    )
    rows, unmatched, case = slow_lesions(reference, prediction, spacing)
    references = result.lesions[result.lesions["kind"] == "reference"]
    assert list(references["lesion_id"]) == sorted(rows)
    for _, got in references.iterrows():
        wanted = rows[got["lesion_id"]]
        for name in ("lesion_dice", "region_dice", "iou", "volume_mm3"):
            assert got[name] == pytest.approx(wanted[name]), name
        centre = [got[f"centroid_{a}_mm"] for a in "ras"]
        assert centre == pytest.approx(list(wanted["centroid"]))
        assert got["prediction_ids"] == " ".join(map(str, wanted["predictions"]))
        assert got["found"] == (wanted["iou"] >= 0.1 - 1e-12)
    false_positives = result.lesions[result.lesions["kind"] == "false_positive"]
    assert list(false_positives["lesion_id"]) == unmatched
    for name, value in case.items():
        assert result.case[name] == pytest.approx(value), name


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # MONAI's own
@settings(max_examples=20, deadline=None, derandomize=True)
@given(mask_pairs(min_reference=1, min_predicted=1))
def test_surface_metrics_equal_those_of_monai(masks):
    """MONAI measures NSD and HD95 with full-volume transforms on the same voxel surfaces."""
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    reference, prediction, spacing = masks
    one_hot = [torch.as_tensor(m > 0)[None, None].float() for m in (prediction, reference)]
    hd95 = compute_hausdorff_distance(
        *one_hot, include_background=True, percentile=95, spacing=spacing
    )
    nsd = compute_surface_dice(*one_hot, [1.0 + 1e-6], include_background=True, spacing=spacing)
    result = evaluate_case(reference > 0, prediction > 0, spacing)
    assert result.case["hd95_mm"] == pytest.approx(float(hd95), rel=1e-4)
    assert result.case["nsd_1mm"] == pytest.approx(float(nsd), rel=1e-4)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(mask_pairs(min_reference=1, min_predicted=1))
def test_panoptic_quality_equals_that_of_monai(masks):
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_panoptic_quality

    reference, prediction, spacing = masks
    ids = [torch.as_tensor(array.astype(np.int32)) for array in (prediction, reference)]
    result = evaluate_case(
        reference, prediction, spacing, reference_instances=True, prediction_instances=True
    )
    for name in ("pq", "rq"):
        wanted = compute_panoptic_quality(*ids, metric_name=name, smooth_numerator=1e-12)
        assert result.case[name] == pytest.approx(float(wanted), abs=1e-6), name


def test_the_operating_curve_of_one_voxel_candidates_equals_the_froc_of_monai():
    pytest.importorskip("torch")
    from monai.metrics import compute_fp_tp_probs_nd, compute_froc_curve_data

    checked = 0
    for seed in range(10):
        generator = np.random.default_rng(seed)
        reference, candidates = draw_ids(generator, 4), draw_ids(generator, 9)
        ids, first = np.unique(candidates, return_index=True)
        ids, first = ids[ids > 0], first[ids > 0]
        points = np.zeros_like(candidates)
        points.ravel()[first] = ids
        scores = generator.permutation(256)[: len(ids)] / 256 + 1 / 512  # exact in float32
        where = np.stack(np.unravel_index(first, points.shape), axis=1)
        false, true, number = compute_fp_tp_probs_nd(scores, where, reference)
        rates, recalls = compute_froc_curve_data(false.astype(np.float32), true, number, 1)
        thresholds = sorted({*false.tolist(), *true.tolist()})[1:]  # MONAI leaves the lowest out
        matched = match_candidates(
            reference, points, dict(zip(ids.tolist(), scores)), reference_instances=True
        )
        curve = operating_curve([matched], found_iou=0.0)
        for threshold, rate, recall in zip(thresholds, rates, recalls):
            at = np.flatnonzero(curve.threshold >= threshold)[-1]
            assert (curve.fp_per_scan[at], curve.recall[at]) == (rate, recall)
            checked += 1
    assert checked >= 40


def test_every_threshold_of_the_operating_curve_equals_the_slow_loop():
    scans = []
    for seed in range(4):
        generator = np.random.default_rng(seed)
        reference, candidates = draw_ids(generator, 4), draw_ids(generator, 7)
        scores = {i: float(generator.integers(1, 6)) / 5 for i in range(1, 8)}  # with ties
        scans.append((reference, candidates, scores))
    matched = [match_candidates(r, c, s, reference_instances=True) for r, c, s in scans]
    checked = 0
    for found_iou in (0.0, 0.1, 0.3):
        for low, high in ((0, np.inf), (0, 14.1), (14.1, np.inf)):
            curve = operating_curve(matched, found_iou=found_iou, volume_range_mm3=(low, high))
            assert curve.threshold[0] == np.inf
            for i, threshold in enumerate(curve.threshold):
                wanted = slow_operating_point(scans, threshold, found_iou, low, high)
                assert (curve.num_found[i], curve.num_false_positive[i]) == wanted
                checked += 1
    assert checked >= 45
