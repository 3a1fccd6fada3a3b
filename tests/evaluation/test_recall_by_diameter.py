"""Recall in windows of diameter at matched false positives, against a slow count."""

from __future__ import annotations

import numpy as np

from lesionseg.evaluation.candidates import Candidates
from lesionseg.evaluation.recall_by_diameter import recall_by_diameter


def scan(volumes, scores, false_scores=()):
    """Lesion i of a volume is found whole by a candidate of a score, or by none where it is NaN."""
    volumes = np.asarray(volumes, float)
    hit = [i for i, score in enumerate(scores) if not np.isnan(score)]
    owner = [i + 1 for i in hit] + [0] * len(false_scores)
    mine = np.array([*(volumes[i] for i in hit), *([5.0] * len(false_scores))])
    number = len(owner)
    return Candidates(
        ids=np.arange(1, number + 1, dtype=np.int32),
        score=np.array([*(scores[i] for i in hit), *false_scores], float),
        volume_mm3=mine,
        owner=np.array(owner, np.int32),
        overlap_mm3=np.where(np.array(owner) > 0, mine, 0.0),
        reference_ids=np.arange(1, len(volumes) + 1, dtype=np.int32),
        reference_mm3=volumes,
        pair_candidate=np.zeros(0, np.int64),
        pair_reference=np.zeros(0, np.int64),
        pair_iou=np.zeros(0),
    )


def test_each_window_holds_what_a_slow_count_finds():
    rng = np.random.default_rng(0)
    volumes = np.sort(rng.lognormal(3, 1, 60))
    scores = np.where(rng.random(60) < 0.8, rng.random(60), np.nan)
    false_scores = np.sort(rng.random(7))[::-1]
    one = scan(volumes, scores, false_scores)
    table = recall_by_diameter({"net": {"a": one}}, 3.0)
    threshold = false_scores[3]  # the fourth false positive; three are allowed
    assert len(table) == 11  # windows of 10, 5 apart
    for start, (_, row) in zip(range(0, 51, 5), table.iterrows()):
        inside = range(start, start + 10)
        found = sum(scores[i] > threshold for i in inside)
        assert row["recall"] == found / 10
        assert row["num_lesions"] == 10
        middle = np.median(volumes[start : start + 10])
        assert np.isclose(row["diameter_mm"], (6 * middle / np.pi) ** (1 / 3))


def test_seeds_are_averaged_each_at_its_own_threshold():
    volumes = np.linspace(10, 100, 20)
    good = scan(volumes, np.full(20, 0.9), (0.5,))
    bad = scan(volumes, np.full(20, 0.1), (0.5, 0.4))
    model_of = {"net (1)": "net", "net (2)": "net"}
    found = {"net (1)": {"a": good}, "net (2)": {"a": bad}}
    table = recall_by_diameter(found, 1.0, model_of=model_of)
    assert set(table["model"]) == {"net"}
    assert (table["recall"] == 0.5).all()


def test_few_lesions_have_no_windows():
    assert recall_by_diameter({"net": {"a": scan([5.0] * 11, [0.5] * 11)}}, 2.0).empty
    assert recall_by_diameter({}, 2.0).empty
