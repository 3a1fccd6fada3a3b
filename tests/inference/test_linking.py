import itertools

import numpy as np
import pytest
import torch

from lesionseg.inference import Detections, link_slices

PLANE = (20, 24)


def detections(*found):
    """Each: (x1, y1, x2, y2), score; the mask fills the box."""
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    order = np.argsort(-scores, kind="stable")
    masks = np.ones((len(found), 4, 4), np.float32)
    parts = (boxes[order], scores[order], np.ones(len(found), np.int64), masks)
    return Detections(*map(torch.from_numpy, parts))


def link(*slices, **options):
    return link_slices(slices, PLANE, affine=np.eye(4), **options)


HERE, THERE = (4, 4, 8, 8), (14, 4, 18, 8)
NONE = detections()


def test_no_detection_gives_an_empty_map():
    for slices in ((NONE, NONE), (NONE,)):
        empty = link(*slices)
        assert empty.lesion_ids.shape == (*PLANE, len(slices))
        assert not empty.lesion_ids.any()
        assert not empty.probability.any()
        assert empty.scores == {}


def test_a_lesion_in_the_first_slice_alone_is_kept():
    found = link(detections((HERE, 0.7)), NONE, NONE)
    assert found.scores == {1: pytest.approx(0.7)}
    expected = np.zeros((*PLANE, 3), bool)
    expected[4:8, 4:8, 0] = True
    np.testing.assert_array_equal(found.lesion_ids == 1, expected)


def test_pieces_of_neighbouring_slices_are_one_lesion_with_its_best_score():
    found = link(detections((HERE, 0.3)), detections((HERE, 0.9)), detections((HERE, 0.5)))
    assert found.scores == {1: pytest.approx(0.9)}
    assert (found.lesion_ids[4:8, 4:8] == 1).all()


def test_one_missed_slice_does_not_split_a_lesion_and_is_filled():
    found = link(detections((HERE, 0.8)), NONE, detections((HERE, 0.6)))
    assert found.scores == {1: pytest.approx(0.8)}
    assert (found.lesion_ids[4:8, 4:8, :] == 1).all()
    assert (found.probability[4:8, 4:8, 1] == 1).all()


def test_two_missed_slices_do():
    found = link(detections((HERE, 0.8)), NONE, NONE, detections((HERE, 0.6)))
    assert found.scores == {1: pytest.approx(0.8), 2: pytest.approx(0.6)}
    assert not found.lesion_ids[:, :, 1:3].any()


def test_ids_follow_falling_scores():
    found = link(detections((HERE, 0.4), (THERE, 0.9)))
    assert found.scores == {1: pytest.approx(0.9), 2: pytest.approx(0.4)}
    assert found.lesion_ids[5, 15, 0] == 1
    assert found.lesion_ids[5, 5, 0] == 2


def test_lesions_that_touch_in_a_slice_stay_two():
    found = link(*[detections((HERE, 0.9), ((8, 4, 12, 8), 0.5))] * 3)
    assert len(found.scores) == 2
    assert (found.lesion_ids[4:8, 4:8] == 1).all()
    assert (found.lesion_ids[4:8, 8:12] == 2).all()


def test_a_contested_pixel_goes_to_the_better_score():
    found = link(detections((HERE, 0.9), ((6, 4, 10, 8), 0.5)))
    assert (found.lesion_ids[4:8, 4:8, 0] == 1).all()
    assert (found.lesion_ids[4:8, 8:10, 0] == 2).all()


def test_a_poor_detection_does_not_fatten_a_good_one():
    good = np.full((4, 4), 0.4, np.float32)
    masks = np.stack([good, np.ones((4, 4), np.float32)])
    both = Detections(
        torch.tensor([HERE, HERE], dtype=torch.float32),
        torch.tensor([0.9, 0.2]),
        torch.ones(2, dtype=torch.long),
        torch.from_numpy(masks),
    )
    found = link(both)
    np.testing.assert_allclose(found.probability[4:8, 4:8, 0], 0.4, rtol=1e-5)


def test_pieces_that_share_too_little_are_two_lesions():
    shifted = (7, 4, 11, 8)  # shares one column of four with HERE
    assert len(link(detections((HERE, 0.9)), detections((shifted, 0.8))).scores) == 2
    loose = link(detections((HERE, 0.9)), detections((shifted, 0.8)), min_overlap=0.25)
    assert len(loose.scores) == 1


def test_neighbours_are_not_chained_by_a_piece_that_reaches_both():
    both = (4, 4, 14, 8)  # in the middle slice one detection covers two lesions beside one another
    left, right = (4, 4, 8, 8), (9, 4, 14, 8)
    found = link(
        detections((left, 0.9), (right, 0.8)),
        detections((both, 0.7)),
        detections((left, 0.6), (right, 0.5)),
    )
    assert found.scores == {1: pytest.approx(0.9), 2: pytest.approx(0.8)}
    assert (found.lesion_ids[4:8, 4:8, [0, 2]] == 1).all()
    assert (found.lesion_ids[4:8, 9:14, [0, 1, 2]] == 2).all()  # IoU 0.5 against 0.4
    assert (found.lesion_ids[4:8, 4:8, 1] == 2).all()


def test_a_piece_goes_on_in_the_next_slice_before_it_does_in_the_one_after():
    best = detections((HERE, 0.9))
    found = link(best, detections(((4, 4, 7, 8), 0.5)), detections((HERE, 0.8)))
    assert found.scores == {1: pytest.approx(0.9)}
    assert not found.lesion_ids[4:8, 7, 1].any()


def test_the_slab_axis_is_put_back_in_its_place():
    found = link(NONE, detections((HERE, 0.9)), NONE, slab_axis=0)
    assert found.lesion_ids.shape == (3, *PLANE)
    assert (found.lesion_ids[1, 4:8, 4:8] == 1).all()


def test_more_than_255_lesions_keep_their_ids():
    cells = [((x, y, x + 1, y + 1), 0.5) for y in range(0, 20, 2) for x in range(0, 24, 2)]
    found = link(detections(*cells), NONE, NONE, detections(*cells), NONE, NONE, detections(*cells))
    assert len(found.scores) == 360
    assert found.lesion_ids.dtype == np.int32
    assert found.lesion_ids.max() == 360


def test_a_piece_that_shares_half_of_the_smaller_one_is_linked():
    half = (6, 4, 10, 8)  # two columns of four with HERE
    assert len(link(detections((HERE, 0.9)), detections((half, 0.8))).scores) == 1
    tall = (6, 4, 10, 20)  # the same two columns, but of its own 64 pixels
    assert len(link(detections((HERE, 0.9)), detections((tall, 0.8))).scores) == 1
    assert len(link(detections((tall, 0.9)), detections((tall, 0.8))).scores) == 1


def test_a_missed_slice_is_filled_where_both_neighbours_are_and_with_their_mean():
    low, high = detections(((4, 4, 8, 8), 0.9)), detections(((5, 4, 9, 8), 0.8))
    low.masks[:], high.masks[:] = 0.9, 0.5
    found = link(low, NONE, high)
    expected = np.zeros(PLANE, np.float32)
    expected[4:8, 5:8] = 0.7
    np.testing.assert_allclose(found.probability[:, :, 1], expected, atol=1e-6)
    np.testing.assert_array_equal(found.lesion_ids[:, :, 1] == 1, expected > 0)


def test_a_lesion_in_the_missed_slice_keeps_its_own_pixels():
    other = (4, 4, 5, 20)  # mostly elsewhere, so it is no piece of the lesion around it
    found = link(detections((HERE, 0.9)), detections((other, 0.6)), detections((HERE, 0.8)))
    assert found.scores == {1: pytest.approx(0.9), 2: pytest.approx(0.6)}
    assert (found.lesion_ids[4:20, 4, 1] == 2).all()
    assert (found.lesion_ids[4:8, 5:8, 1] == 1).all()


def test_a_detection_hidden_by_a_better_one_is_no_lesion():
    found = link(detections((HERE, 0.9), ((5, 5, 7, 7), 0.5)))
    assert found.scores == {1: pytest.approx(0.9)}
    assert set(np.unique(found.lesion_ids)) == {0, 1}


def test_a_faint_mask_keeps_its_peak():
    faint = detections((HERE, 0.9))
    faint.masks[:] = 0.1
    faint.masks[0, 1, 2] = 0.2
    found = link(faint)
    assert np.argwhere(found.lesion_ids).tolist() == [[5, 6, 0]]
    assert found.probability[5, 6, 0] == pytest.approx(0.2)


def test_a_box_over_the_border_is_painted_inside_it_and_one_outside_is_nothing():
    found = link(detections(((-2, -2, 2, 2), 0.9), ((30, 5, 34, 9), 0.8)))
    assert found.scores == {1: pytest.approx(0.9)}
    assert np.argwhere(found.lesion_ids).tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]


def slow_link(slices, min_overlap):
    """Pieces slice by slice, best first; then again and again the two that fit best are joined."""
    volume = np.zeros((len(slices), *PLANE), int)
    scores, slice_of = [], []
    for z, found in enumerate(slices):
        first = len(scores) + 1
        for number, box in reversed(list(enumerate(found.boxes.int().tolist(), first))):
            x1, y1, x2, y2 = box
            volume[z, y1:y2, x1:x2] = number
        scores += found.scores.tolist()
        slice_of += [z] * len(found.scores)
    masks = [volume[z] == number for number, z in enumerate(slice_of, 1)]
    above, below = {}, {}
    for gap in (1, 2):
        fits = []
        for a, b in itertools.combinations(range(len(masks)), 2):
            shared = (masks[a] & masks[b]).sum()
            enough = shared and shared >= min_overlap * min(masks[a].sum(), masks[b].sum())
            if slice_of[b] - slice_of[a] == gap and enough:
                fits.append((-shared / (masks[a] | masks[b]).sum(), a, b))
        for _, a, b in sorted(fits):
            if a not in above and b not in below:
                above[a], below[b] = b, a
    expected, best = np.zeros_like(volume), {}
    for piece in range(len(masks)):
        if piece in below or not masks[piece].any():
            continue
        lesion = piece + 1
        while True:
            expected[slice_of[piece]][masks[piece]] = lesion
            best[lesion] = max(best.get(lesion, 0.0), scores[piece])
            after = above.get(piece)
            if after is None:
                break
            if slice_of[after] == slice_of[piece] + 2:
                middle = slice_of[piece] + 1
                both = masks[piece] & masks[after] & (volume[middle] == 0)
                expected[middle][both] = lesion
            piece = after
    return np.moveaxis(expected, 0, 2), best


@pytest.mark.parametrize("min_overlap", [0.2, 0.5, 0.9])
def test_crowded_scans_are_linked_as_by_the_loop_over_pairs(min_overlap):
    bridged = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        slices = []
        for _ in range(6):
            low = rng.integers(0, (20, 16), (rng.integers(0, 7), 2))
            boxes = np.hstack([low, low + rng.integers(1, 5, low.shape)]).astype(float)
            slices.append(detections(*zip(boxes.tolist(), rng.permutation(40)[: len(low)] / 40)))
        expected, scores = slow_link(slices, min_overlap)
        found = link(*slices, min_overlap=min_overlap)
        pairs = set(zip(expected.ravel().tolist(), found.lesion_ids.ravel().tolist()))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        names = {b: a for a, b in pairs if a}
        assert {names[i]: s for i, s in found.scores.items()} == pytest.approx(scores)
        bridged += len(scores) < sum(len(one.scores) for one in slices)
    assert bridged > 10
