"""Several raters: joined by hand counts, STAPLE against its definition, agreement by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.lesion_classes import ONE_CLASS, named_classes
from lesionseg.lesion_kinds import IGNORED
from lesionseg.reading.raters import consensus, joined_raters
from lesionseg.reporting.tables.agreement import rater_agreement


def line(*values):
    mask = np.zeros((12, 3, 3), np.uint8)
    mask[: len(values), 1, 1] = values
    return mask


def test_the_majority_is_more_than_half():
    masks = [line(1, 1, 1, 0), line(1, 1, 0, 0), line(1, 0, 0, 1)]
    assert consensus(masks)[:4, 1, 1].tolist() == [True, True, False, False]
    assert consensus(masks[:2])[:3, 1, 1].tolist() == [True, True, False]  # of two, both
    assert consensus(masks[:1])[:3, 1, 1].tolist() == [True, True, True]


def test_lesions_that_too_few_raters_drew_are_background_or_ignored():
    """Of three raters two agree on voxels 1 and 2; 0 touches them; 6 is one rater's alone."""
    a, b, c = line(1, 1, 1), line(0, 1, 1), line(0, 0, 0, 0, 0, 0, 1)
    maps = {name: mask > 0 for name, mask in {"a": a, "b": b, "c": c}.items()}
    plain = joined_raters(maps, ONE_CLASS, "majority")
    assert plain.numbers[:7, 1, 1].tolist() == [0, 1, 1, 0, 0, 0, 0]
    found = joined_raters(maps, ONE_CLASS, "majority", "ignore").numbers
    assert found[:7, 1, 1].tolist() == [0, 1, 1, 0, 0, 0, IGNORED]
    assert np.count_nonzero(found) == 3


def test_a_lesion_on_whose_class_too_few_raters_agree_is_ignored_and_counted():
    """Of three raters two draw 0 and 1 as different classes, and 3 as the same; 6 one alone."""
    two = named_classes({"core": [1], "oedema": [2]})
    maps = {"a": line(1, 1, 0, 2, 0, 0, 1), "b": line(2, 2, 0, 2), "c": line()}
    for few, alone in (("background", 0), ("ignore", IGNORED)):
        found = joined_raters(maps, two, "majority", few)
        expected = [IGNORED, IGNORED, 0, 2, 0, 0, alone]
        assert found.numbers[:7, 1, 1].tolist() == expected
        assert np.count_nonzero(found.numbers) == len([n for n in expected if n])
        assert found.notes == (
            "raters agree on 1 lesion (or a part of one) and not on the class: ignored",
        )


def test_raters_who_dispute_a_core_agree_on_the_region_around_it():
    regions = named_classes({"whole": [1, 2], "core": [2]}, regions=True)
    maps = {"a": line(1, 2, 2), "b": line(1, 2, 1), "c": line(0, 2, 1)}
    found = joined_raters(maps, regions, "majority")
    assert found.numbers[:4, 1, 1].tolist() == [1, 2, 1, 0]
    assert found.notes == ()


DRAWN, NOT, UNJUDGED = 1, 0, IGNORED


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [
        ((UNJUDGED, DRAWN), IGNORED),  # two must agree, and the one cannot say
        ((UNJUDGED, NOT), NOT),  # whatever the one would say
        ((UNJUDGED, UNJUDGED), IGNORED),
        ((UNJUDGED, DRAWN, DRAWN), DRAWN),
        ((UNJUDGED, DRAWN, NOT), IGNORED),
        ((UNJUDGED, NOT, NOT), NOT),
        ((UNJUDGED, UNJUDGED, NOT), IGNORED),
        ((UNJUDGED, NOT, NOT, DRAWN), NOT),
        ((UNJUDGED, NOT, DRAWN, DRAWN), IGNORED),
    ],
)
def test_a_rater_who_ignores_a_voxel_has_no_vote_there(votes, outcome):
    maps = {f"r{n}": np.array([[[vote]]], np.int32) for n, vote in enumerate(votes)}
    assert joined_raters(maps, ONE_CLASS, "majority").numbers.item() == outcome


def test_which_class_a_missing_vote_would_make_it_is_not_guessed():
    """Of three raters one ignores: the second and the third draw core; core and oedema; oedema and
    whatever is left."""
    two = named_classes({"core": [1], "oedema": [2]})
    a, b, c = (np.array(row, np.int32) for row in ([-1, -1, -1], [1, 1, 0], [1, 2, 2]))
    found = joined_raters({"a": a, "b": b, "c": c}, two, "majority")
    assert found.numbers.tolist() == [1, IGNORED, IGNORED]
    assert found.num_disputed == 0  # what is ignored for want of a vote is no dispute


def test_staple_ignores_what_a_missing_vote_would_change():
    block = np.zeros((12, 12, 12), np.int32)
    block[3:7, 3:7, 3:7] = 1
    a, b, c = block.copy(), block.copy(), block.copy()
    a[3, 3, 3], b[3, 3, 3] = IGNORED, 0  # one for, one against, and one who cannot say
    a[9, 9, 9] = IGNORED  # two against
    found = joined_raters({"a": a, "b": b, "c": c}, ONE_CLASS, "staple").numbers
    assert found[9, 9, 9] == 0
    assert np.argwhere(found == IGNORED).tolist() == [[3, 3, 3]]
    assert np.count_nonzero(found == 1) == 63


def slow_staple(masks, prior, rounds=200):
    """Warfield et al. 2004, equations 14, 17 and 18, voxel by voxel."""
    decisions = np.array([mask.ravel() != 0 for mask in masks])
    p = q = np.full(len(masks), 0.99999)
    for _ in range(rounds):
        a = prior * np.prod(np.where(decisions, p[:, None], 1 - p[:, None]), axis=0)
        b = (1 - prior) * np.prod(np.where(decisions, 1 - q[:, None], q[:, None]), axis=0)
        weight = a / (a + b)
        p = (decisions * weight).sum(axis=1) / weight.sum()
        q = (~decisions * (1 - weight)).sum(axis=1) / (1 - weight).sum()
    return (weight >= 0.5).reshape(masks[0].shape)


def test_staple_is_that_of_its_paper():
    rng = np.random.default_rng(1)
    truth = np.zeros((14, 14, 14), bool)
    truth[5:9, 5:9, 5:9] = True
    masks = [truth ^ (rng.random(truth.shape) < rate) for rate in (0.02, 0.1, 0.2, 0.3)]
    for mask in masks:  # the bounding box then is the whole array
        mask[0, 0, 0] = mask[-1, -1, -1] = True
    prior = np.mean([mask.mean() for mask in masks])
    np.testing.assert_array_equal(consensus(masks, "staple"), slow_staple(masks, prior))


@pytest.mark.parametrize("method", ["majority", "staple"])
def test_without_lesions_or_without_dispute_there_is_nothing_to_weigh(method):
    assert not consensus([line(), line(), line()], method).any()
    same = [line(0, 1, 1)] * 3
    np.testing.assert_array_equal(consensus(same, method), same[0] != 0)


def test_what_cannot_be_joined_is_refused():
    with pytest.raises(ValueError, match="0 masks"):
        consensus([])
    with pytest.raises(ValueError, match="one shape"):
        consensus([line(), np.zeros((2, 2, 2))])
    with pytest.raises(ValueError, match="median"):
        consensus([line()], "median")


def test_each_rater_is_scored_against_each_other_by_size():
    """A draws two voxels and a block of 27; B the block and a voxel elsewhere; 1 mm each."""
    a, b = np.zeros((2, 20, 20, 20), np.uint8)
    a[2:5, 2:5, 2:5] = b[2:5, 2:5, 2:5] = 1  # 27 mm3: 3.7 mm across
    a[10:12, 10, 10] = 1
    b[15, 15, 15] = 1
    table = rater_agreement([({"A": a, "B": b}, (1, 1, 1))], edges_mm=(3, 5, 10))
    rows = {(r.reference, r.rater, r.bucket): r for r in table.itertuples()}
    assert len(rows) == 8
    tiny = rows["A", "B", "tiny"]
    assert (tiny.lesions, tiny.found, tiny.recall, tiny.dice) == (1, 0, 0, 0)
    assert tiny.false_positives == 1
    small = rows["B", "A", "small"]
    assert (small.lesions, small.found, small.recall, small.dice) == (1, 1, 1, 1)
    assert small.false_positives == 0
    assert np.isnan(rows["A", "B", "large"].recall)


def test_one_rater_has_nobody_to_agree_with():
    assert rater_agreement([({"A": line(1)}, (1, 1, 1))]).empty


def test_raters_agree_by_class_and_of_all_classes_together():
    """Both draw a block; B calls it another class. Of three voxels apart, A's oedema, B draws the
    second as A does and ignores the last."""
    two = named_classes({"core": [1], "oedema": [2]})
    a, b = np.zeros((2, 20, 20, 20), np.int32)
    a[2:5, 2:5, 2:5], b[2:5, 2:5, 2:5] = 1, 2
    for n, own in enumerate((0, 2, IGNORED)):
        a[10, 10, 3 * n], b[10, 10, 3 * n] = 2, own
    table = rater_agreement([({"A": a, "B": b}, (1, 1, 1))], two, edges_mm=(3,))
    rows = table.set_index(["reference", "rater", "class", "bucket"])
    counts = ["lesions", "found", "false_positives"]
    tiny, large = table["bucket"].unique()
    expected = {
        ("core", tiny): [0, 0, 0],
        ("core", large): [1, 0, 0],
        ("oedema", tiny): [2, 1, 0],
        ("oedema", large): [0, 0, 1],
        ("all classes", tiny): [2, 1, 0],
        ("all classes", large): [1, 0, 1],
    }
    found = {key[2:]: values for key, *values in rows.loc[["A"], counts].itertuples()}
    assert found == expected
