import numpy as np
import pytest

from lesionseg.inference import link_slices
from lesionseg.structures import Detections

PLANE = (20, 24)


def detections(*found):
    """Each: (x1, y1, x2, y2), score; the mask fills the box."""
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    order = np.argsort(-scores, kind="stable")
    masks = np.ones((len(found), 4, 4), np.float32)
    return Detections(boxes[order], scores[order], np.ones(len(found), np.int64), masks)


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
        np.array([HERE, HERE], np.float32),
        np.array([0.9, 0.2], np.float32),
        np.ones(2, np.int64),
        masks,
    )
    found = link(both)
    np.testing.assert_allclose(found.probability[4:8, 4:8, 0], 0.4, rtol=1e-5)


def test_pieces_that_share_too_little_are_two_lesions():
    shifted = (7, 4, 11, 8)  # shares one column of four with HERE
    assert len(link(detections((HERE, 0.9)), detections((shifted, 0.8))).scores) == 2
    loose = link(detections((HERE, 0.9)), detections((shifted, 0.8)), min_overlap=0.25)
    assert len(loose.scores) == 1


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
