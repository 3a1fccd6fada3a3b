"""The test at matched false positives, against a slow loop over every swap."""

import itertools

import numpy as np
import pytest
from random_masks import draw_ids

from lesionseg.evaluation import match_candidates
from lesionseg.evaluation.matched_test import matched_p_values

ANY = (0.0, np.inf)


def scan(generator, quality):
    reference, candidates = draw_ids(generator, 4), draw_ids(generator, 8)
    keep = generator.random(5) < quality
    candidates = np.where(reference * keep[reference] > 0, reference + 20, candidates)
    scores = {i: float(generator.random()) for i in range(1, 30)}
    return match_candidates(reference, candidates, scores, reference_instances=True)


def listed(scans):
    """(patient, place, gain) of every found lesion, and (patient, place) of every false positive;
    place: how many of the model's false positives score as high or higher. A lesion is found once
    any of its candidates makes its IoU .1, and each candidate is looked at by itself here."""
    false = sorted((s for one in scans for s in one.score[one.owner == 0]), reverse=True)

    def place(score):
        return sum(other >= score for other in false)

    hits, misses = [], []
    for patient, one in enumerate(scans):
        misses += [(patient, place(s)) for s in one.score[one.owner == 0]]
        for lesion, volume in zip(one.reference_ids, one.reference_mm3):
            overlap = total = 0.0
            found = False
            for i in sorted(np.flatnonzero(one.owner == lesion), key=lambda i: -one.score[i]):
                overlap += one.overlap_mm3[i]
                total += one.volume_mm3[i]
                now = overlap / (volume + total - overlap) >= 0.1
                if now != found:
                    hits.append((patient, place(one.score[i]), int(now) - int(found)))
                found = now
    return hits, misses


def slow_p(first, second, most):
    models = [listed(first), listed(second)]

    def found(chosen):
        """Lesions of the model that takes models[chosen[p]] in patient p."""
        false = sorted(p for m in (0, 1) for who, p in models[m][1] if chosen[who] == m)
        limit = next(
            (p for p in false if sum(q <= p for q in false) > most),
            np.inf,
        )
        return sum(
            gain
            for m in (0, 1)
            for who, place, gain in models[m][0]
            if chosen[who] == m and place < limit
        )

    def difference(chosen):
        return found(chosen) - found([1 - c for c in chosen])

    observed = abs(difference([0] * len(first)))
    every = [
        abs(difference(list(chosen))) for chosen in itertools.product((0, 1), repeat=len(first))
    ]
    return np.mean([value >= observed for value in every])


@pytest.mark.parametrize("seed", range(4))
def test_every_swap_finds_its_threshold_anew(seed):
    generator = np.random.default_rng(seed)
    first = [scan(generator, 0.9) for _ in range(5)]
    second = [scan(generator, 0.4) for _ in range(5)]
    (p_value,) = matched_p_values(
        [first], [second], np.arange(5), 2.0, [ANY], found_iou=0.1, draws=50, seed=0
    )
    assert p_value == pytest.approx(slow_p(first, second, most=10))


def test_equal_models_have_p_one_and_no_lesion_has_none():
    generator = np.random.default_rng(3)
    scans = [scan(generator, 0.5) for _ in range(4)]
    every, none = matched_p_values(
        [scans], [scans], np.arange(4), 1.0, [ANY, (1e6, 2e6)], found_iou=0.1, draws=50, seed=0
    )
    assert every == 1
    assert np.isnan(none)
