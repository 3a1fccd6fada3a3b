"""FROC rows with intervals over patients, and calibration, from small cohorts."""

import numpy as np
import pytest
from random_masks import draw_ids

from lesionseg.evaluation import (
    FROC_TARGETS,
    SizeBuckets,
    match_candidates,
    operating_curve,
    recall_at,
)
from lesionseg.evaluation.calibration import calibration, calibration_error_draws
from lesionseg.evaluation.froc import average_precision, average_precision_draws, score_events
from lesionseg.evaluation.froc_summary import recall_draws, summarise_candidates
from lesionseg.evaluation.metrics import froc_metric

BUCKETS = SizeBuckets.from_edges()


def scan(seed, count=5):
    generator = np.random.default_rng(seed)
    scores = {i: float(generator.integers(1, 9)) / 8 for i in range(1, 9)}
    return match_candidates(
        draw_ids(generator, count), draw_ids(generator, 8), scores, reference_instances=True
    )


@pytest.fixture
def cohort():
    return {f"case{i}": scan(i, count=0 if i == 2 else 5) for i in range(7)}


def test_each_draw_reads_the_curve_of_the_scans_it_drew(cohort):
    """A draw with weights (2, 0, 1, ...) is the curve of those scans, the first one twice."""
    scans = list(cohort.values())
    generator = np.random.default_rng(0)
    weights = generator.integers(0, 3, (20, len(scans)))
    weights = weights[weights.sum(axis=1) > 0]
    for limits in ((0, np.inf), BUCKETS.volume_range_mm3("small")):
        events = score_events(scans, volume_range_mm3=limits)
        found = recall_draws(events, weights.astype(float), FROC_TARGETS)
        for row, number in zip(found, weights):
            drawn = [s for s, n in zip(scans, number) for _ in range(n)]
            curve = operating_curve(drawn, volume_range_mm3=limits)
            expected = recall_at(curve, FROC_TARGETS)[0]
            assert row == pytest.approx(expected, nan_ok=True)


def test_rows_and_curves(cohort):
    patients = {case: case for case in cohort}
    rows, curves = summarise_candidates({"net": cohort}, patients, BUCKETS, draws=200)
    curve = operating_curve(list(cohort.values()))
    for target in FROC_TARGETS:
        row = rows[(rows["metric"] == froc_metric(target)) & (rows["bucket"] == "all")].iloc[0]
        assert row["value"] == pytest.approx(recall_at(curve, target)[0][0])
        assert row["low"] <= row["value"] <= row["high"]
        assert (row["num_patients"], row["num_cases"]) == (6, 7)
    assert set(rows["metric"]) >= {"ap_iou10", "ap_iou50", "calibration_error"}
    shown = curves[(curves["model"] == "net") & (curves["bucket"] == "all")]
    assert shown["recall"].tolist() == pytest.approx(curve.recall[: len(shown)].tolist())


def test_differences_need_the_same_cases(cohort):
    patients = {case: case for case in cohort}
    other = {case: scan(i + 50) for i, case in enumerate(cohort)}
    rows, _ = summarise_candidates({"a": cohort, "b": other}, patients, BUCKETS, draws=50)
    pair = rows[rows["minus"] == "b"]
    assert len(pair) == len(FROC_TARGETS) * 5 + 3  # AP at two IoUs and the calibration error
    row = pair[(pair["metric"] == froc_metric(8)) & (pair["bucket"] == "all")].iloc[0]
    one, two = (
        rows[(rows["model"] == m) & (rows["minus"] == "") & (rows["metric"] == froc_metric(8))]
        for m in "ab"
    )
    assert row["value"] == pytest.approx(
        one[one["bucket"] == "all"]["value"].iloc[0] - two[two["bucket"] == "all"]["value"].iloc[0]
    )
    fewer = {case: other[case] for case in list(cohort)[:3]}
    rows, _ = summarise_candidates({"a": cohort, "b": fewer}, patients, BUCKETS, draws=50)
    assert (rows["minus"] == "").all()


def test_nothing_scored_gives_no_rows():
    rows, curves = summarise_candidates({}, {}, BUCKETS)
    assert rows.empty
    assert curves.empty


def test_calibration_counts_by_score():
    """Scores .15, .15 and .95; one of the low ones is true, and the high one."""
    reference = np.zeros((30, 4, 4), np.int32)
    reference[2, 1, 1] = reference[20, 1, 1] = 1
    candidates = np.zeros_like(reference)
    candidates[2, 1, 1], candidates[10, 1, 1], candidates[20, 1, 1] = 1, 2, 3
    found = match_candidates(reference, candidates, {1: 0.15, 2: 0.15, 3: 0.95})
    table = calibration({"net": {"a": found}})
    assert table[["low", "num_candidates", "share_true"]].to_numpy().tolist() == [
        [0.1, 2, 0.5],
        [0.9, 1, 1.0],
    ]
    once, twice, never = calibration_error_draws([found, found], np.array([[1, 0], [1, 1], [0, 0]]))
    assert once == twice == pytest.approx((2 * 0.35 + 0.05) / 3)
    assert np.isnan(never)


def test_average_precision_and_calibration_of_a_draw_are_those_of_the_scans_drawn(cohort):
    """A weight of 2 is a scan listed twice, 0 one left out."""
    scans = list(cohort.values())
    weights = np.arange(len(scans)) % 3
    listed = [scan for scan, number in zip(scans, weights) for _ in range(number)]
    (drawn,) = average_precision_draws(scans, 0.1, weights[None].astype(float))
    assert 0 < drawn < 1
    assert drawn == pytest.approx(average_precision(listed, 0.1))
    (gap,) = calibration_error_draws(scans, weights[None].astype(float))
    (same,) = calibration_error_draws(listed, np.ones((1, len(listed))))
    assert gap == pytest.approx(same)
