"""Which candidate answers for which lesion: thresholds, the forced best, and the sample drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lesionseg.ops.assignment import (
    IGNORED,
    NEGATIVE,
    assign_by_atss,
    assign_by_iou,
    assign_by_nwd,
    sample_balanced,
)

LESION = [[10.0, 10.0, 14.0, 14.0]]


def strip(*shifts):
    """The 4 px lesion shifted along x; IoU of a shift s is (4 - s) / (4 + s)."""
    return torch.tensor([[10 + s, 10.0, 14 + s, 14.0] for s in shifts])


def assign(candidates, boxes, positive=0.4, negative=0.2, force_best=False):
    return assign_by_iou(
        candidates, boxes, positive=positive, negative=negative, force_best=force_best
    ).tolist()


def test_between_the_thresholds_is_ignored():
    # IoU 1, 0.6, 1/3, 0.143, 0
    found = assign(strip(0, 1, 2, 3, 9), torch.tensor(LESION))
    assert found == [0, 0, IGNORED, NEGATIVE, NEGATIVE]


def test_at_a_threshold_is_inside():
    found = assign(strip(1, 2), torch.tensor(LESION), positive=0.6, negative=1 / 3 - 1e-6)
    assert found == [0, IGNORED]
    assert assign(strip(1), torch.tensor(LESION), positive=0.61, negative=0.6) == [IGNORED]


def test_a_candidate_answers_for_the_lesion_it_overlaps_most():
    boxes = torch.cat([strip(0), strip(6), strip(3)])
    assert assign(strip(0, 5, 3.2), boxes) == [0, 1, 2]


def test_a_lesion_without_a_good_candidate_has_its_best_one():
    candidates, boxes = strip(3, 3.5, -3, 30), torch.tensor(LESION)
    assert assign(candidates, boxes) == [NEGATIVE] * 4
    # 3 and -3 tie for the best
    assert assign(candidates, boxes, force_best=True) == [0, NEGATIVE, 0, NEGATIVE]


def test_a_lesion_that_no_candidate_touches_forces_none():
    assert assign(strip(20, 30), torch.tensor(LESION), force_best=True) == [NEGATIVE, NEGATIVE]


def test_the_forced_best_of_one_lesion_may_be_a_fair_one_of_another():
    """Each of two lesions keeps a positive where the candidates allow it."""
    boxes = torch.cat([strip(0), strip(3)])
    candidates = strip(-0.4, 0.5)  # the second is the best of lesion 1, though it overlaps 0 more
    assert assign(candidates, boxes, force_best=True) == [0, 1]


def test_a_candidate_that_is_the_best_of_two_lesions_takes_the_nearer():
    for order in ([0, 1], [1, 0]):
        boxes = torch.cat([strip(3), strip(0.5)])[order]
        assert assign(strip(0), boxes, force_best=True) == [order.index(1)]


def test_no_targets_and_no_candidates():
    nothing = torch.zeros(0, 4)
    assert assign(strip(0, 1), nothing, force_best=True) == [NEGATIVE, NEGATIVE]
    assert assign(nothing, torch.tensor(LESION), force_best=True) == []
    assert assign(nothing, nothing, force_best=True) == []


def test_one_threshold_for_both_ignores_none():
    found = assign(strip(0, 1, 2, 3), torch.tensor(LESION), positive=0.35, negative=0.35)
    assert found == [0, 0, NEGATIVE, NEGATIVE]


@pytest.mark.parametrize(
    ("num_positive", "num_negative", "expected"),
    [
        (50, 500, (5, 11)),  # 16 * 0.33 is 5
        (2, 500, (2, 14)),
        (50, 3, (5, 3)),
        (0, 500, (0, 16)),
        (0, 0, (0, 0)),
    ],
)
def test_the_sample_has_its_size_and_its_share_of_lesions(num_positive, num_negative, expected):
    matches = torch.full((num_positive + num_negative + 7,), IGNORED)
    matches[:num_positive] = torch.arange(num_positive)
    matches[num_positive : num_positive + num_negative] = NEGATIVE
    positive, negative = sample_balanced(matches, 16, 0.33, torch.Generator().manual_seed(0))
    assert (len(positive), len(negative)) == expected
    assert (matches[positive] >= 0).all()
    assert (matches[negative] == NEGATIVE).all()
    assert len(set(positive.tolist())) == len(positive)
    assert len(set(negative.tolist())) == len(negative)


def test_the_sample_is_the_generators_and_reaches_everywhere():
    matches = torch.full((100,), NEGATIVE)

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return sample_balanced(matches, 10, 0.5, generator)[1].tolist()

    assert draw(1) == draw(1)
    assert len({index for seed in range(80) for index in draw(seed)}) == 100


# Normalised Wasserstein distance


def test_nwd_falls_with_distance_and_not_with_overlap():
    """A shift of s moves the centre alone: exp(-s / constant)."""
    found = assign_by_nwd(
        strip(0, 1, 3, 5),
        torch.tensor(LESION),
        constant_px=4.0,
        positive=math.exp(-1 / 4) - 1e-6,
        negative=math.exp(-3 / 4) - 1e-6,
        force_best=False,
    )
    assert found.tolist() == [0, 0, IGNORED, NEGATIVE]


def test_nwd_finds_the_nearest_where_no_iou_does():
    candidates = torch.tensor([[0.0, 0, 2, 2], [5.0, 5, 7, 7]])
    lesion = torch.tensor([[8.0, 8.0, 10.0, 10.0]])
    rule = {"positive": 0.99, "negative": 0.1, "force_best": True}
    assert assign(candidates, lesion, force_best=True) == [NEGATIVE, NEGATIVE]
    assert assign_by_nwd(candidates, lesion, constant_px=6.0, **rule).tolist() == [IGNORED, 0]


# ATSS


def slow_atss(candidates, boxes, level_sizes, strides, num_nearest):
    """Zhang et al. 2020, algorithm 1, target by target; the centre rule as documented."""
    overlap = np.array([[pair_iou(c, b) for b in boxes] for c in candidates])
    best = np.full(len(candidates), -1.0)
    owner = np.full(len(candidates), NEGATIVE)
    for target, box in enumerate(boxes):
        centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        looked_at, near, start = [], set(), 0
        for size, stride in zip(level_sizes, strides):
            level = range(start, start + size)
            middle = {
                i: np.array([candidates[i][:2], candidates[i][2:]]).mean(axis=0) for i in level
            }
            by_distance = sorted(level, key=lambda i: ((middle[i] - centre) ** 2).sum())
            looked_at += by_distance[:num_nearest]
            reach = [max(box[a + 2] - box[a], stride) / 2 for a in (0, 1)]
            near |= {i for i in level if (np.abs(middle[i] - centre) <= reach).all()}
            start += size
        values = overlap[looked_at, target]
        threshold = values.mean() + (values.std(ddof=1) if len(values) > 1 else 0)
        chosen = {i for i in looked_at if overlap[i, target] >= threshold and i in near}
        top = overlap[:, target].max()
        chosen |= {i for i in range(len(candidates)) if overlap[i, target] == top > 0}
        for i in chosen:
            if overlap[i, target] > best[i]:
                best[i], owner[i] = overlap[i, target], target
    return owner.tolist()


def pair_iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


@pytest.mark.parametrize("seed", range(4))
def test_atss_is_that_of_the_loop(seed):
    """No two distances tie: the places are drawn."""
    rng = np.random.default_rng(seed)
    level_sizes, strides = (60, 15), (2, 4)
    centres = rng.uniform(0, 24, (75, 2))
    half = rng.uniform(1, 4, (75, 2))
    candidates = np.hstack([centres - half, centres + half])
    low = rng.uniform(2, 18, (4, 2))
    boxes = np.hstack([low, low + rng.uniform(1, 7, (4, 2))])
    found = assign_by_atss(
        torch.tensor(candidates),
        torch.tensor(boxes),
        level_sizes=level_sizes,
        strides=strides,
        num_nearest=5,
    )
    expected = slow_atss(candidates.tolist(), boxes.tolist(), level_sizes, strides, 5)
    assert len(set(expected)) > 2
    assert found.tolist() == expected


@pytest.mark.parametrize("by", ["iou", "nwd", "atss"])
def test_without_lesions_or_candidates_there_is_nothing_to_answer_for(by):
    def run(candidates, boxes):
        if by == "atss":
            sizes = {"level_sizes": (len(candidates),), "strides": (2,), "num_nearest": 9}
            return assign_by_atss(candidates, boxes, **sizes).tolist()
        rule = {"positive": 0.4, "negative": 0.2, "force_best": True}
        if by == "nwd":
            return assign_by_nwd(candidates, boxes, constant_px=5.0, **rule).tolist()
        return assign_by_iou(candidates, boxes, **rule).tolist()

    assert run(strip(0, 1), torch.zeros(0, 4)) == [NEGATIVE, NEGATIVE]
    assert run(torch.zeros(0, 4), torch.tensor(LESION)) == []


# Hard negatives


def test_hard_negatives_are_the_first_ones_and_the_rest_is_drawn():
    """Candidates come best first, so the hardest negatives are the first."""
    matches = torch.tensor([NEGATIVE, 0, NEGATIVE, IGNORED, *[NEGATIVE] * 40])
    generator = torch.Generator().manual_seed(0)
    positive, negative = sample_balanced(matches, 9, 0.33, generator, hard_fraction=0.5)
    assert positive.tolist() == [1]
    assert negative[:4].tolist() == [0, 2, 4, 5]
    assert len(negative) == 8
    assert len(set(negative.tolist())) == 8
    easy = [
        set(sample_balanced(matches, 9, 0.33, generator, hard_fraction=0.5)[1][4:].tolist())
        for _ in range(9)
    ]
    assert len(set.union(*easy)) > 15  # not the same ones each time
