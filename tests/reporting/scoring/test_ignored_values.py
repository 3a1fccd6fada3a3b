"""Reference values of voxels that nobody judged, in the scores of a report."""

import numpy as np
import pytest
from class_cohort import TWO, box, case_of, classes_of, predict, reference_of_two, written_as

from lesionseg.reporting import ScoringOptions
from lesionseg.reporting.scoring.score_cases import score_cases


def scored(case, **options):
    return score_cases([case], ScoringOptions(draws=50, **options), workers=1)


@pytest.mark.parametrize("several", [False, True])
def test_an_ignored_lesion_changes_no_figure(tmp_path, several):
    """With a prediction on it, and in the candidates too."""
    reference = reference_of_two() if several else (reference_of_two() > 0).astype(np.uint8)
    labels = TWO if several else (1,)
    name = "oedema" if several else "lesion"
    value = 2 if several else 1

    def made(case, reference, mask, **options):
        ids = np.where(mask > 0, mask, 0).astype(int)
        ids[mask == value] = 2
        ids[30:33, 30:33, 16:19] = np.where(mask[30:33, 30:33, 16:19] > 0, 8, 0)
        known = np.unique(ids[ids > 0])
        rows = [(i, 0.5, "core" if several and i in (1, 3) else name, 0) for i in known]
        record = classes_of(TWO) if several else None
        mask = written_as(mask) if several else mask
        files = predict(tmp_path / case, case, mask, record, ids, rows, ids, rows)
        return scored(case_of(tmp_path, reference, {"net": files}, case), labels=labels, **options)

    before = made("a", reference, reference)
    with_ignored, with_prediction = reference.copy(), reference.copy()
    box(with_ignored, (30, 30, 16), (4, 4, 4), 4)
    box(with_prediction, (30, 30, 16), (3, 3, 3), value)
    after = made("b", with_ignored, with_prediction, ignore=(4,))
    assert after.cases["num_on_ignored"].tolist() == [1]
    changed = ["case", "patient", "reference_file", "prediction_file", "num_on_ignored"]
    for table in ("lesions", "predictions", "cases"):
        one, other = (
            getattr(m, table).drop(columns=changed, errors="ignore") for m in (before, after)
        )
        assert one.equals(other), table
    for key in ("ids", "score", "owner", "reference_mm3"):
        one, other = before.candidates["net"]["a"], after.candidates["net"]["b"]
        np.testing.assert_array_equal(getattr(one, key), getattr(other, key))


def test_a_reference_of_ignored_voxels_alone_has_no_lesion(tmp_path):
    reference = np.zeros_like(reference_of_two())
    box(reference, (4, 4, 4), (2, 2, 2), 4)
    files = predict(tmp_path / "net", "a", reference_of_two())
    made = scored(case_of(tmp_path, reference, {"net": files}), labels=(2,), ignore=(4,))
    assert made.notes == ()
    assert made.cases[["num_reference", "num_predicted"]].to_numpy().tolist() == [[0, 2]]


def test_values_that_nobody_named_are_lesions_but_the_ignored_ones(tmp_path):
    reference = (reference_of_two() == 2).astype(np.uint8)
    box(reference, (30, 4, 4), (2, 2, 2), 4)
    files = predict(tmp_path / "net", "a", (reference == 1).astype(np.uint8))
    made = scored(case_of(tmp_path, reference, {"net": files}), ignore=(4,))
    assert made.cases["num_reference"].tolist() == [2]
    assert made.cases["dice"].tolist() == [1]
