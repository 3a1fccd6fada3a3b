"""From slices to a volume, and from a volume to lesions at a threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from lesionseg.inference import Detections, lesion_maps
from lesionseg.inference.lesion_maps import keep_scored, lesions_at, predict_lesion_maps
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case, Grid, LesionMap

CPU = torch.device("cpu")


def make(slab_axis, shape=(6, 7, 8)):
    """The only channel holds 100 x + 10 y + z."""
    x, y, z = np.indices(shape)
    return Case(
        name="a",
        patient="a",
        image=(100 * x + 10 * y + z)[None].astype(np.float16),
        lesion_ids=None,
        affine=np.eye(4),
        slab_axis=slab_axis,
        original=Grid(shape, np.eye(4)),
        channels=("c",),
    )


class Semantic:
    """Says of each pixel what the middle slice holds, in thousandths."""

    detects, scored_by = False, "peak"

    def __init__(self):
        self.sizes = []

    def predict(self, images):
        self.sizes.append(len(images))
        assert images.dtype == torch.float32
        return list(images[:, images.shape[1] // 2, None] / 1000)


class Detector:
    """Finds the brightest pixel of the middle slice, scored by its thousandths."""

    detects = True

    def predict(self, images):
        answers = []
        for image in images[:, images.shape[1] // 2]:
            row, column = divmod(int(image.argmax()), image.shape[1])
            box = torch.tensor([[column, row, column + 1.0, row + 1]])
            score = torch.tensor([float(image.max()) / 1000])
            answers.append(
                Detections(box, score, torch.ones(1, dtype=torch.long), torch.ones(1, 2, 2))
            )
        return answers


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
def test_each_slice_goes_back_where_it_came_from(slab_axis):
    case = make(slab_axis)
    (found,) = predict_lesion_maps(Semantic(), case, SlabRule(1, 1.0), CPU)
    expected = case.image[0].astype(np.float32) / 1000
    np.testing.assert_allclose(found.probability, expected, atol=1e-6)
    assert found.probability.dtype == np.float32
    assert (found.conditional, found.scores, found.lesion_ids.shape) == (False, {}, case.shape)
    assert not found.lesion_ids.any()
    np.testing.assert_array_equal(found.affine, case.affine)


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
def test_detections_land_where_they_were_made(slab_axis):
    case = make(slab_axis)
    (found,) = predict_lesion_maps(Detector(), case, SlabRule(1, 1.0), CPU)
    corner = [5, 6, 7]  # in each slice the brightest pixel is in the far corner
    where = np.argwhere(found.lesion_ids)
    assert len(where) == case.shape[slab_axis]
    assert sorted(where[:, slab_axis]) == list(range(case.shape[slab_axis]))
    for axis in {0, 1, 2} - {slab_axis}:
        assert (where[:, axis] == corner[axis]).all()
    assert found.conditional
    assert found.scores == {1: pytest.approx(0.567)}  # linked, with the best of their scores


def test_slices_come_in_batches_of_bounded_size_and_progress_counts_them(monkeypatch):
    monkeypatch.setattr(lesion_maps, "PIXELS_PER_BATCH", 3 * 6 * 7 + 5)
    model, case, counted = Semantic(), make(2), []
    predict_lesion_maps(model, case, SlabRule(0, 1.0), CPU, progress=counted.append)
    assert model.sizes == counted == [3, 3, 2]
    monkeypatch.setattr(lesion_maps, "PIXELS_PER_BATCH", 1)  # a slice is the least
    model = Semantic()
    predict_lesion_maps(model, case, SlabRule(0, 1.0), CPU)
    assert model.sizes == [1] * 8


def test_the_cpu_computes_as_before_when_the_network_is_done():
    tiny, within = np.array([1e-310]), []

    class Spy(Semantic):
        def predict(self, images):
            within.append((tiny * 1.0).any())
            return super().predict(images)

    predict_lesion_maps(Spy(), make(2), SlabRule(0, 1.0), CPU)
    assert within
    assert not any(within)
    assert (tiny * 1.0).any()


def test_context_beyond_the_first_slice_replicates():
    seen = []

    class Spy(Semantic):
        def predict(self, images):
            seen.extend(images[:, :, 0, 0].tolist())
            return super().predict(images)

    predict_lesion_maps(Spy(), make(2), SlabRule(1, 2.0), CPU)
    assert seen[0] == [0, 0, 2]
    assert seen[3] == [1, 3, 5]
    assert seen[7] == [5, 7, 7]


def semantic(probability):
    empty = np.zeros(probability.shape, np.int32)
    return LesionMap(probability, empty, {}, np.eye(4), False)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9, 1.1])
def test_lesions_of_a_semantic_map_are_its_components_and_their_peaks(threshold, order):
    probability = np.random.default_rng(0).random((9, 10, 11)) ** 0.3
    probability = np.asarray(probability, np.float32, order=order)
    expected, num = ndimage.label(probability >= threshold, np.ones((3, 3, 3)))
    ids, scores = lesions_at(probability, threshold, semantic(probability))
    assert ids.dtype == np.int32
    pairs = set(zip(expected.ravel().tolist(), ids.ravel().tolist()))
    assert len(pairs) == num + (threshold > 0) == len({b for _, b in pairs})
    names = {b: a for a, b in pairs if a}
    assert len(scores) == num
    for lesion, score in scores.items():
        assert score == pytest.approx(probability[expected == names[lesion]].max())


def test_a_voxel_at_the_threshold_is_inside():
    probability = np.array([[[0.5, 0.4999, 0.0]]], np.float32)
    ids, scores = lesions_at(probability, 0.5, semantic(probability))
    assert ids.tolist() == [[[1, 0, 0]]]
    assert scores == {1: 0.5}


def test_lesions_of_a_detector_keep_their_ids_and_scores_and_may_vanish():
    ids = np.array([[[1, 1, 2, 7, 0]]], np.int32)
    probability = np.array([[[0.9, 0.4, 0.4, 0.6, 0.95]]], np.float32)
    detector = LesionMap(probability, ids, {1: 0.7, 2: 0.6, 7: 0.1}, np.eye(4), True)
    found, scores = lesions_at(probability, 0.5, detector)
    assert found.tolist() == [[[1, 0, 0, 7, 0]]]  # the last voxel belongs to no lesion
    assert scores == {1: 0.7, 7: 0.1}


def test_nothing_stays_nothing():
    nothing = np.zeros((3, 4, 5), np.float32)
    empty = np.zeros(nothing.shape, np.int32)
    for conditional in (True, False):
        like = LesionMap(nothing, empty, {}, np.eye(4), conditional)
        ids, scores = lesions_at(nothing, 0.5, like)
        assert not ids.any()
        assert scores == {}
        kept, kept_scores = keep_scored(ids, scores, 0.5)
        assert not kept.any()
        assert kept_scores == {}


def test_a_score_at_the_threshold_is_kept_and_ties_keep_their_order():
    ids = np.array([[[4, 2, 9, 3, 0]]], np.int32)
    kept, scores = keep_scored(ids, {2: 0.5, 3: 0.4, 4: 0.8, 9: 0.5}, 0.5)
    assert kept.tolist() == [[[1, 2, 3, 0, 0]]]
    assert scores == {1: 0.8, 2: 0.5, 3: 0.5}
    assert kept.dtype == np.int32
