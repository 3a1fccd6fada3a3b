"""Lesions of several classes in one volume: the strongest claim has a voxel, regions contain."""

from __future__ import annotations

import numpy as np

from lesionseg.components import label_components, peak_scores
from lesionseg.inference.claims import Claims
from lesionseg.inference.class_lesions import join_classes
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


def test_a_lesion_stays_whose_better_rival_is_dropped_itself():
    """b takes most of a and is dropped for c; a, of which c takes a fifth, stays."""
    three = named_classes({"a": [1], "b": [2], "c": [3]})
    a = Claims((np.arange(30) < 10).astype(np.int32)[:, None, None], {1: 0.6})
    b = Claims(
        ((np.arange(30) >= 4) & (np.arange(30) < 20)).astype(np.int32)[:, None, None], {1: 0.7}
    )
    c = Claims(
        ((np.arange(30) >= 8) & (np.arange(30) < 24)).astype(np.int32)[:, None, None], {1: 0.8}
    )
    found = join_classes([a, b, c], three)
    assert flat(found.ids) == [2] * 8 + [1] * 16 + [0] * 6
    assert found.scores == {1: 0.8, 2: 0.6}


def settled_slowly(claims):
    """Score by score from the best: a lesion stays where better ones that stay leave it half."""
    taken, kept = {}, set()
    lesions = [(score, -k, k, i) for k, one in enumerate(claims) for i, score in one.scores.items()]
    for _, _, k, lesion in sorted(lesions, reverse=True):
        voxels = set(np.flatnonzero(claims[k].ids == lesion).tolist())
        left = {voxel for voxel in voxels if taken.get(voxel, k) == k}
        if 2 * len(left) >= len(voxels):
            kept.add((k, lesion))
            taken |= dict.fromkeys(left, k)
    return kept


def test_random_lesions_stay_as_the_best_first_decide():
    rng = np.random.default_rng(8)
    three = named_classes({"a": [1], "b": [2], "c": [3]})
    for _ in range(200):
        claims = []
        for _ in range(3):
            ids, scores = np.zeros(60, np.int32), {}
            for lesion in range(1, 5):
                start = 15 * (lesion - 1) + int(rng.integers(0, 6))
                ids[start : start + int(rng.integers(3, 10))] = lesion
                scores[lesion] = float(rng.uniform(0.1, 1))
            claims.append(Claims(ids[:, None, None], scores))
        expected = {claims[k].scores[lesion] for k, lesion in settled_slowly(claims)}
        assert set(join_classes(claims, three).scores.values()) == expected


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


def test_touching_lesions_of_a_detector_in_one_region_stay_two():
    """The core of the second reaches into the first and beyond both; the last touches nothing."""
    whole = Claims(row(1, 1, 1, 2, 2, 2, 0, 0, 0, 0), {1: 0.8, 2: 0.7})
    core = Claims(row(0, 1, 2, 2, 2, 0, 0, 0, 3, 4), {1: 0.9, 2: 0.6, 3: 0.5, 4: 0.4})
    found = join_classes([whole, core], REGIONS)
    assert flat(found.kinds.of_class(found.ids, 1)) == [1, 1, 3, 3, 3, 3, 0, 0, 5, 5]
    assert flat(found.kinds.of_class(found.ids, 2)) == [0, 2, 4, 4, 4, 0, 0, 0, 6, 7]
    assert found.scores == {1: 0.9, 2: 0.9, 3: 0.7, 4: 0.6, 5: 0.5, 6: 0.5, 7: 0.4}
    assert found.kinds.inside.tolist() == [0, 0, 1, 0, 3, 0, 5, 5]


def test_a_core_that_no_lesion_holds_counts_to_the_one_that_it_touches():
    whole = Claims(row(1, 1, 0, 0, 2), {1: 0.8, 2: 0.7})
    core = Claims(row(0, 0, 1, 0, 0), {1: 0.3})
    found = join_classes([whole, core], REGIONS)
    assert flat(found.kinds.of_class(found.ids, 1)) == [1, 1, 1, 0, 2]


def semantic(whole, core, thresholds=(0.0, 0.0)):
    """Claims of a semantic model from probabilities, cut at one half."""
    claims = []
    for values, threshold in zip((whole, core), thresholds):
        strength = row(*values, dtype=np.float32)
        ids = label_components(strength >= 0.5)
        claims.append(Claims(ids, peak_scores(ids, strength), threshold, strength))
    return claims


def test_what_a_semantic_model_sees_in_one_piece_is_one_lesion():
    """A core bridges two pieces of the region around it."""
    found = join_classes(semantic([0.9, 0.6, 0.1, 0.6], [0.1, 0.1, 0.8, 0.1]), REGIONS)
    assert flat(found.kinds.of_class(found.ids, 1)) == [1, 1, 1, 1]
    assert flat(found.kinds.of_class(found.ids, 2)) == [0, 0, 2, 0]


def test_regions_that_lie_apart_compete():
    """Two kinds of core in one lesion claim a voxel; another core is seen as both kinds."""
    apart = named_classes({"whole": [1, 2, 3], "cyst": [2], "core": [3]}, regions=True)
    whole = Claims(row(1, 1, 1, 1, 0, 2, 2), {1: 0.9, 2: 0.8})
    cyst = Claims(row(1, 1, 0, 0, 0, 2, 2), {1: 0.6, 2: 0.3})
    core = Claims(row(0, 1, 1, 0, 0, 2, 2), {1: 0.7, 2: 0.5})
    found = join_classes([whole, cyst, core], apart)
    names = found.kinds.classes[found.ids]
    assert flat(names) == [2, 3, 3, 1, 0, 3, 3]
    assert flat(found.kinds.of_class(found.ids, 1)) == [1, 1, 1, 1, 0, 2, 2]


def test_what_is_not_reported_changes_nothing_of_what_is():
    """A faint core sticks out of a region; a faint region touches it and lies on its core."""
    whole = Claims(row(0, 1, 1, 1, 0, 0, 2, 2), {1: 0.8, 2: 0.2}, 0.5)
    core = Claims(row(1, 1, 1, 0, 0, 2, 2, 0), {1: 0.3, 2: 0.1}, 0.5)
    found = join_classes([whole, core], REGIONS)
    assert flat(found.kept.ids) == [0, 1, 1, 1, 0, 0, 0, 0]
    assert flat(found.kinds.of_class(found.ids, 1)) == [0, 1, 1, 1, 0, 0, 3, 3]
    assert flat(found.kinds.of_class(found.ids, 2)) == [0, 2, 2, 0, 0, 0, 4, 0]


def test_regions_that_are_reported_are_among_the_candidates_voxel_by_voxel():
    """Random lesions of three regions inside one another, of detectors and of semantic models; what
    is reported is what is found where there is nothing else."""
    three = named_classes({"a": [1, 2, 3], "b": [2, 3], "c": [3]}, regions=True)
    rng = np.random.default_rng(2)
    num_reported = 0
    for round_ in range(60):
        claims = []
        for threshold in (0.5, 0.3, 0.6):
            strength = rng.random((6, 5, 4)).astype(np.float32)
            ids = label_components(strength > 0.7, 6 if round_ % 2 else 26)
            scores = {i: float(rng.random()) for i in range(1, int(ids.max()) + 1)}
            claims.append(Claims(ids, scores, threshold, None if round_ % 2 else strength))
        found = join_classes(claims, three)
        alone = join_classes([one.reported for one in claims], three)
        np.testing.assert_array_equal(found.kept.ids, alone.ids)
        assert found.kept.scores == alone.scores
        num_reported += len(found.kept.scores)
        for number in (1, 2, 3):
            kept, every = (one.kinds.of_class(one.ids, number) for one in (found.kept, found))
            pairs = set(zip(kept[kept > 0].tolist(), every[kept > 0].tolist()))
            assert len(pairs) == len(np.unique(kept[kept > 0]))
            assert not ((kept > 0) & (every == 0)).any()
    assert num_reported > 500


def test_what_is_reported_is_among_the_candidates():
    """a scores more, but stays below the threshold of its class; b reaches its own."""
    a = Claims(row(1, 1, 1, 0), {1: 0.6}, 0.7)
    b = Claims(row(0, 1, 1, 1), {1: 0.4}, 0.3)
    candidates = join_classes([a, b], TWO)
    kept = candidates.kept
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
        both = join_classes(claims, TWO).kept
        lost = [{i for i, s in one.scores.items() if s < one.threshold} for one in claims]
        alone = join_classes([one.without(gone) for one, gone in zip(claims, lost)], TWO)
        np.testing.assert_array_equal(both.ids, alone.ids)
        assert both.scores == alone.scores
