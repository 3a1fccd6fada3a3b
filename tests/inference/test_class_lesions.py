"""Lesions of several classes in one volume: the strongest claim has a voxel, regions contain."""

from __future__ import annotations

import numpy as np

from lesionseg.inference.class_lesions import Claims, join_classes
from lesionseg.lesion_classes import ONE_CLASS, named_classes
from lesionseg.lesion_kinds import written_values

TWO = named_classes({"a": [1], "b": [2]})
REGIONS = named_classes({"whole": [1, 2], "core": [2]}, regions=True)


def row(*values, dtype=np.int32):
    return np.array(values, dtype)[:, None, None]


def flat(ids):
    return ids[:, 0, 0].tolist()


def test_a_voxel_goes_to_the_lesion_of_the_higher_score():
    a = Claims(row(1, 1, 1, 1, 0, 0, 2), {1: 0.6, 2: 0.2})
    b = Claims(row(0, 0, 0, 1, 1, 1, 0), {1: 0.9})
    found = join_classes([a, b], TWO)
    assert flat(found.ids) == [2, 2, 2, 1, 1, 1, 3]
    assert found.scores == {1: 0.9, 2: 0.6, 3: 0.2}
    assert found.kinds.classes.tolist() == [0, 2, 1, 1]


def test_a_lesion_seen_as_two_classes_is_that_of_the_higher_score():
    a = Claims(row(0, 1, 1, 1, 0), {1: 0.7})
    b = Claims(row(1, 1, 1, 1, 1), {1: 0.5})  # all but its rim is taken
    found = join_classes([a, b], TWO)
    assert flat(found.ids) == [0, 1, 1, 1, 0]
    assert found.kinds.classes.tolist() == [0, 1]


def test_what_a_dropped_lesion_took_comes_back():
    """b takes one voxel of a, and is dropped itself for c."""
    three = named_classes({"a": [1], "b": [2], "c": [3]})
    a = Claims(row(1, 1, 1, 0, 0, 0), {1: 0.5})
    b = Claims(row(0, 0, 1, 1, 1, 1), {1: 0.6})
    c = Claims(row(0, 0, 0, 1, 1, 1), {1: 0.9})
    found = join_classes([a, b, c], three)
    assert flat(found.ids) == [2, 2, 2, 1, 1, 1]
    assert found.kinds.classes.tolist() == [0, 3, 1]


def test_of_semantic_models_the_more_probable_class_has_the_voxel():
    a = Claims(row(1, 1, 1, 0), {1: 0.9}, 0.0, row(0.9, 0.8, 0.4, 0.1, dtype=np.float32))
    b = Claims(row(0, 0, 1, 1), {1: 0.7}, 0.0, row(0.0, 0.1, 0.5, 0.7, dtype=np.float32))
    found = join_classes([a, b], TWO)
    assert flat(found.ids) == [1, 1, 2, 2]


def test_one_class_is_left_as_it_is():
    ids = row(0, 1, 2)
    found = join_classes([Claims(ids, {1: 0.9, 2: 0.4})], ONE_CLASS)
    assert found.ids is ids
    assert found.kinds.classes.tolist() == [0, 1, 1]


def test_nothing_found_is_nothing():
    empty = Claims(row(0, 0), {})
    for classes in (TWO, REGIONS):
        found = join_classes([empty, empty], classes)
        assert flat(found.ids) == [0, 0]
        assert found.scores == {}


def test_an_inner_region_counts_to_the_outer_one():
    whole = Claims(row(0, 1, 1, 0, 0, 0, 0), {1: 0.4})
    core = Claims(row(0, 0, 1, 1, 0, 2, 0), {1: 0.9, 2: 0.3})
    found = join_classes([whole, core], REGIONS)
    assert flat(found.kinds.of_class(found.ids, 1)) == [0, 1, 1, 1, 0, 3, 0]
    assert flat(found.kinds.of_class(found.ids, 2)) == [0, 0, 2, 2, 0, 4, 0]
    assert found.kinds.inside.tolist() == [0, 0, 1, 0, 3]
    assert found.scores == {1: 0.9, 2: 0.9, 3: 0.3, 4: 0.3}
    assert flat(written_values(found.kinds.classes[found.ids], REGIONS)) == [0, 1, 2, 2, 0, 2, 0]


def test_what_is_reported_is_among_the_candidates():
    """a scores more, but stays below the threshold of its class; b reaches its own."""
    a = Claims(row(1, 1, 1, 0), {1: 0.6}, 0.7)
    b = Claims(row(0, 1, 1, 1), {1: 0.4}, 0.3)
    candidates = join_classes([a, b], TWO)
    kept = candidates.reported([0.7, 0.3])
    assert flat(kept.ids) == [0, 1, 1, 1]
    assert kept.scores == {1: 0.4}
    assert kept.kinds.classes.tolist() == [0, 2]
    assert not (set(np.flatnonzero(kept.ids)) - set(np.flatnonzero(candidates.ids)))


def test_random_claims_give_as_reported_what_competes_alone():
    rng = np.random.default_rng(0)
    for _ in range(30):
        claims = []
        for threshold in (0.5, 0.3):
            ids = np.repeat(rng.integers(0, 6, 12), 4)[:, None, None].astype(np.int32)
            scores = {int(i): float(rng.random()) for i in np.unique(ids) if i}
            claims.append(Claims(ids, scores, threshold))
        both = join_classes(claims, TWO).reported([0.5, 0.3])
        lost = [{i for i, s in one.scores.items() if s < one.threshold} for one in claims]
        alone = join_classes([one.without(gone) for one, gone in zip(claims, lost)], TWO)
        np.testing.assert_array_equal(both.ids, alone.ids)
        assert both.scores == alone.scores
