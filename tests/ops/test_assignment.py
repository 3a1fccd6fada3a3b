"""Which candidate answers for which lesion: thresholds, the forced best, and the sample drawn."""

from __future__ import annotations

import pytest
import torch

from lesionseg.ops.assignment import IGNORED, NEGATIVE, assign_by_iou, sample_balanced

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
