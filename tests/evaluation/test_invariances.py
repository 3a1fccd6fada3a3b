"""What must not change a figure, and what must change it in one way only."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_masks import mask_pairs

from lesionseg.evaluation import evaluate_case
from lesionseg.evaluation.matching import match_masks

FIGURES = ["volume_mm3", "found", "lesion_dice", "region_dice", "iou", "half_voxel_dice"]
quick = settings(max_examples=40, deadline=None, derandomize=True)


def score(reference, prediction, spacing):
    return evaluate_case(
        reference, prediction, spacing, reference_instances=True, prediction_instances=True
    )


def has_tie(reference, prediction, spacing):
    """Whether some prediction has two reference lesions alike in shared voxels and in IoU."""
    overlaps = match_masks(
        reference, prediction, spacing, reference_instances=True, prediction_instances=True
    ).overlaps
    keys = list(zip(overlaps.prediction, overlaps.voxels, overlaps.iou.round(12)))
    return len(keys) != len(set(keys))


def assert_same_figures(one, other):
    assert one.case == pytest.approx(other.case, nan_ok=True)
    for kind in ("reference", "false_positive"):
        tables = [
            r.lesions.loc[r.lesions["kind"] == kind, FIGURES].astype(float) for r in (one, other)
        ]
        rows = [np.sort(t.round(9).to_records(index=False)) for t in tables]
        assert len(rows[0]) == len(rows[1])
        for a, b in zip(*rows):
            assert list(a) == pytest.approx(list(b), nan_ok=True)


@quick
@given(mask_pairs(), st.integers(0, 1000))
def test_permuting_ids_changes_no_figure(masks, seed):
    reference, prediction, spacing = masks
    assume(not has_tie(*masks))  # a full tie goes to the smaller id, by definition
    generator = np.random.default_rng(seed)
    renumbered = [
        np.append(0, generator.permutation(np.arange(1, 40)))[m].astype(np.int32)
        for m in (reference, prediction)
    ]
    assert_same_figures(score(*masks), score(*renumbered, spacing))


@quick
@given(mask_pairs(), st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
def test_flipping_and_reorienting_change_no_figure(masks, axes, flips):
    reference, prediction, spacing = masks
    turn = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    turned = [m.transpose(axes)[turn] for m in (reference, prediction)]
    assert_same_figures(score(*masks), score(*turned, [spacing[a] for a in axes]))


@quick
@given(mask_pairs(min_reference=1, min_predicted=1))
def test_swapping_reference_and_prediction_swaps_precision_and_recall(masks):
    """Where each lesion meets at most one of the other side, so that both ways assign alike."""
    reference, prediction, spacing = masks
    overlaps = match_masks(
        reference, prediction, spacing, reference_instances=True, prediction_instances=True
    ).overlaps
    assume(len(set(overlaps.reference)) == len(overlaps.reference))
    assume(len(set(overlaps.prediction)) == len(overlaps.prediction))
    assume((overlaps.iou >= 0.1).all())
    there, back = score(*masks).case, score(prediction, reference, spacing).case
    assert there["recall"] == pytest.approx(back["precision"])
    assert there["precision"] == pytest.approx(back["recall"])
    for name in ("f1", "dice", "nsd_1mm", "hd95_mm"):
        assert there[name] == pytest.approx(back[name])


@quick
@given(mask_pairs())
def test_dice_surface_and_panoptic_figures_are_symmetric(masks):
    reference, prediction, spacing = masks
    there, back = score(*masks).case, score(prediction, reference, spacing).case
    for name in ("dice", "nsd_1mm", "hd95_mm", "pq", "sq", "rq"):
        assert there[name] == pytest.approx(back[name], nan_ok=True), name


@quick
@given(mask_pairs(min_reference=1))
def test_region_dice_of_a_single_lesion_is_the_dice_of_the_case(masks):
    reference, prediction, spacing = masks
    result = score((reference > 0).astype(np.int32), prediction, spacing)
    assert result.lesions["region_dice"][0] == pytest.approx(result.case["dice"])


@quick
@given(mask_pairs())
def test_region_dice_does_not_see_how_a_prediction_is_cut(masks):
    reference, prediction, spacing = masks
    whole = score(reference, (prediction > 0).astype(np.int32), spacing).lesions
    pieces = score(reference, prediction, spacing).lesions
    rows = [t.loc[t["kind"] == "reference", "region_dice"].to_list() for t in (whole, pieces)]
    assert rows[0] == pytest.approx(rows[1])


@quick
@given(mask_pairs())
def test_padding_changes_no_figure(masks):
    reference, prediction, spacing = masks
    padded = [np.pad(m, ((3, 0), (0, 5), (2, 2))) for m in (reference, prediction)]
    wide = score(*padded, spacing)
    wide.case["num_voxels"] = reference.size
    assert_same_figures(score(*masks), wide)


@quick
@given(mask_pairs())
def test_memory_order_and_dtype_change_no_figure(masks):
    reference, prediction, spacing = masks
    other = score(np.asfortranarray(reference), prediction.astype(np.uint16), spacing)
    assert_same_figures(score(*masks), other)
