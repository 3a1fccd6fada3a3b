"""Folders of masks of several classes: what is read, scored by class, and refused."""

import numpy as np
import pytest
from class_cohort import (
    NESTED,
    TWO,
    box,
    case_of,
    classes_of,
    predict,
    reference_of_two,
    written_as,
)
from report_cohort import AFFINE, SHAPE, save

from lesionseg.reporting import ScoringOptions, match_folders, prediction_files
from lesionseg.reporting.scoring.score_cases import score_cases

QUICK = {"draws": 50, "viewer": 0, "atlas": 0}


def scored(case, **options):
    return score_cases([case], ScoringOptions(**QUICK, **options), workers=1)


def test_lesions_are_components_within_a_class(tmp_path):
    reference = reference_of_two()
    files = {"net": predict(tmp_path / "net", "a", reference)}
    made = scored(case_of(tmp_path, reference, files), labels=TWO)
    assert list(made.by_class) == ["core", "oedema"]
    assert made.by_class["core"].lesions["volume_mm3"].tolist() == [16]
    assert made.by_class["oedema"].lesions["volume_mm3"].tolist() == [54, 54]
    assert made.lesions["class"].tolist() == ["core", "oedema", "oedema"]
    assert made.lesions["lesion_id"].tolist() == [1, 2, 3]
    assert made.lesions["found"].all()
    assert made.cases["class"].tolist() == ["all classes"]
    assert made.cases["num_found"].tolist() == [3]


def test_a_list_of_labels_is_a_class_each(tmp_path):
    reference = reference_of_two()
    files = {"net": predict(tmp_path / "net", "a", reference)}
    made = scored(case_of(tmp_path, reference, files), labels=(1, 2, 3))
    assert [len(one.lesions) for one in made.by_class.values()] == [1, 2, 1]


def test_regions_hold_what_lies_inside_them(tmp_path):
    reference = reference_of_two()
    files = {"net": predict(tmp_path / "net", "a", reference)}
    made = scored(case_of(tmp_path, reference, files), labels=NESTED, regions=True)
    assert made.by_class["whole"].lesions["volume_mm3"].tolist() == [16 + 54, 54]
    assert made.by_class["core"].lesions["volume_mm3"].tolist() == [16]
    assert made.cases["num_reference"].tolist() == [3]
    assert made.confusion.empty


def test_masks_of_lesionseg_hold_their_own_values_and_ids(tmp_path):
    """Ids part the two touching cubes that a class of one component would join."""
    reference = np.zeros(SHAPE, np.uint8)
    box(reference, (4, 4, 4), (4, 2, 2), 3)
    ids = np.zeros(SHAPE, np.int32)
    box(ids, (4, 4, 4), (2, 2, 2), 7)
    box(ids, (6, 4, 4), (2, 2, 2), 5)
    rows = [(7, 0.75, "core", 0), (5, 0.5, "core", 0)]
    mask = (ids > 0).astype(np.uint8)
    files = {"net": predict(tmp_path / "net", "a", mask, classes_of(TWO), ids, rows)}
    made = scored(case_of(tmp_path, reference, files), labels=TWO)
    table = made.predictions
    assert table["prediction_id"].tolist() == [5, 7]
    assert table["score"].tolist() == [0.5, 0.75]
    assert table["class"].tolist() == ["core", "core"]
    assert made.by_class["oedema"].cases["num_predicted"].tolist() == [0]


def test_what_a_value_of_a_mask_means_is_said_by_its_record(tmp_path):
    """Oedema first; core written as 3, where the labels name core first, and 1 before 3."""
    reference = reference_of_two()
    mask = np.choose(written_as(reference), (0, 3, 2)).astype(np.uint8)
    record = classes_of({"oedema": (2,), "core": (1, 3)}, written=(2, 3))
    files = {"net": predict(tmp_path / "net", "a", mask, record)}
    made = scored(case_of(tmp_path, reference, files), labels=TWO)
    assert made.rejected == ()
    assert made.cases["dice"].tolist() == [1]


def test_an_id_of_a_region_counts_with_what_lies_inside_it(tmp_path):
    """Lesion 4 is around lesion 9: of whole it has all 70 mm3, though its own voxels are fewer."""
    reference = reference_of_two()
    ids = np.zeros(SHAPE, np.int32)
    ids[np.isin(reference, (1, 3))] = 9
    ids[(reference == 2) & (np.arange(SHAPE[0])[:, None, None] < 15)] = 4
    mask = np.where(ids == 9, 1, np.where(ids == 4, 2, 0)).astype(np.uint8)
    record = classes_of(NESTED, written=(2, 1), regions=True)
    rows = [(4, 0.5, "whole", 0), (9, 0.25, "core", 4)]
    files = {"net": predict(tmp_path / "net", "a", mask, record, ids, rows)}
    made = scored(case_of(tmp_path, reference, files), labels=NESTED, regions=True)
    assert made.by_class["whole"].predictions["volume_mm3"].tolist() == [70]
    assert made.by_class["whole"].predictions["score"].tolist() == [0.5]
    assert made.by_class["core"].predictions["volume_mm3"].tolist() == [16]
    assert made.notes == ()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(9, 0.5, "core", 0)], "lesion 9 of net (core) lies inside no lesion of whole"),
        ([(1, 0.5, "core", 0)], "lesion 9 of net has no class in its table"),
        ([(9, 0.5, "rim", 0)], "a.csv: lesion 9 is of class rim; want whole, core"),
        ([(9, "nan", "core", 0)], "a.csv: lesion 9 has score nan"),
        ([(9, 0.5, "core", "x")], "a.csv: want columns id, score, class and inside"),
    ],
)
def test_a_table_that_does_not_say_whose_an_id_is_is_refused(tmp_path, rows, said):
    mask = np.zeros(SHAPE, np.uint8)
    box(mask, (4, 4, 4), (2, 2, 2), 1)
    record = classes_of(NESTED, written=(2, 1), regions=True)
    files = {"net": predict(tmp_path / "net", "a", mask, record, 9 * mask.astype(int), rows)}
    made = scored(case_of(tmp_path, mask, files), labels=NESTED, regions=True)
    ((_, _, reason),) = made.rejected
    assert said in reason


def test_a_class_that_was_changed_by_hand_counts_as_it_is_now(tmp_path):
    """One of two voxels of core was made oedema, where nothing was predicted before."""
    reference = reference_of_two()
    ids = np.where(np.isin(reference, (1, 3)), 3, 0)
    mask = (ids > 0).astype(np.uint8)
    mask[5] = np.where(mask[5] > 0, 2, 0)
    rows = [(3, 0.5, "core", 0)]
    files = {"net": predict(tmp_path / "net", "a", mask, classes_of(TWO), ids, rows, ids, rows)}
    made = scored(case_of(tmp_path, reference, files), labels=TWO)
    assert made.by_class["core"].predictions["volume_mm3"].tolist() == [8]
    assert made.by_class["oedema"].predictions["prediction_id"].tolist() == [1]
    assert any("class oedema was changed after lesionseg wrote it" in note for note in made.notes)
    assert not made.candidates


def test_candidates_hit_lesions_of_their_own_class(tmp_path):
    """Candidate 1 lies on the core and is called oedema: it hits nothing."""
    reference = reference_of_two()
    mask = written_as(reference) * 0
    candidates = np.where(np.isin(reference, (1, 3)), 1, 0)
    candidates[20:23, 20:23, 10:13] = 2
    table = [(1, 0.9, "oedema", 0), (2, 0.4, "oedema", 0)]
    files = predict(tmp_path / "net", "a", mask, classes_of(TWO), mask, [], candidates, table)
    made = scored(case_of(tmp_path, reference, {"net": files}), labels=TWO)
    assert made.by_class["oedema"].candidates["net"]["a"].owner.tolist() == [0, 3]
    assert made.by_class["core"].candidates["net"]["a"].owner.tolist() == []
    together = made.candidates["net"]["a"]
    assert together.owner.tolist() == [0, 3]
    assert together.reference_ids.tolist() == [1, 2, 3]


def test_probabilities_of_each_class_give_its_candidates(tmp_path):
    reference = reference_of_two()
    files = predict(tmp_path / "net", "a", reference)
    for name, values in TWO.items():
        likely = np.where(np.isin(reference, values), 0.75, 0.0).astype(np.float32)
        save(tmp_path / "likely" / name / "a.nii.gz", likely)
    case_of(tmp_path, reference, {"net": files})
    matches = match_folders(
        tmp_path / "reference",
        {"net": tmp_path / "net"},
        probabilities={"net": tmp_path / "likely"},
        classes=tuple(TWO),
    )
    assert matches.unmatched == ()
    made = score_cases(matches.cases, ScoringOptions(**QUICK, labels=TWO), workers=1)
    found = made.by_class["oedema"].candidates["net"]["a"]
    assert found.score.tolist() == [0.75, 0.75]
    assert found.owner.tolist() == [2, 3]
    assert made.candidates["net"]["a"].ids.tolist() == [1, 2, 3]
    assert made.lesions["score"].tolist() == [0.75] * 3


def test_a_model_without_a_prediction_scores_as_empty_in_every_class(tmp_path):
    case = case_of(tmp_path, reference_of_two(), {})
    other = case_of(
        tmp_path,
        reference_of_two(),
        {"net": predict(tmp_path / "net", "b", reference_of_two())},
        "b",
    )
    options = ScoringOptions(**QUICK, labels=TWO, missing="empty")
    made = score_cases([case, other], options, workers=1)
    assert made.cases["num_found"].tolist() == [0, 3]
    assert [len(one.cases) for one in made.by_class.values()] == [2, 2]


def test_an_unnamed_value_is_refused_beside_several_classes(tmp_path):
    reference = reference_of_two()
    reference[30, 30, 20] = 7
    files = {"net": predict(tmp_path / "net", "a", reference_of_two())}
    case = case_of(tmp_path, reference, files)
    ((_, _, reason),) = scored(case, labels=TWO).rejected
    assert reason == (
        "reference has unknown labels 7; want 0, 1, 2, 3, or name the others in labels, "
        "known_labels or ignore"
    )
    known = scored(case, labels=TWO, known_labels=(1, 2, 3, 7))
    assert known.rejected == ()
    assert known.cases["num_reference"].tolist() == [3]


def test_a_class_that_no_reference_has_is_said(tmp_path):
    reference = np.where(reference_of_two() == 2, 2, 0).astype(np.uint8)
    files = {"net": predict(tmp_path / "net", "a", reference_of_two())}
    made = scored(case_of(tmp_path, reference, files), labels=TWO)
    assert "no reference holds a lesion of core: what is found of such" in made.notes[0]
    assert made.by_class["core"].cases["num_false_positive"].tolist() == [1]


def test_fractions_are_of_no_class(tmp_path):
    files = {"net": predict(tmp_path / "net", "a", reference_of_two())}
    case = case_of(tmp_path, reference_of_two() * np.float32(0.3), files)
    ((_, _, reason),) = scored(case, labels=TWO, threshold=0.5).rejected
    assert "holds fractions, which cannot say which of" in reason


def test_candidates_of_regions_without_inside_give_no_curve(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    box(mask, (4, 4, 4), (2, 2, 2), 1)
    files = predict(
        tmp_path / "net", "a", mask, None, candidates=mask, scored=[(1, 0.5, "core", 0)]
    )
    table = tmp_path / "net" / "candidates" / "a.csv"
    table.write_text("id,score,class\n1,0.5,core\n")
    made = scored(case_of(tmp_path, mask, {"net": files}), labels=NESTED, regions=True)
    assert made.rejected == ()
    assert made.candidates == {}
    assert made.notes == (
        "the candidates of net do not say which lies inside which (column inside): they give "
        "regions no curve over scores",
    )


def test_probabilities_of_nnunet_are_summed_by_class(tmp_path):
    """Channels are background and labels 1 to 3, of which 1 and 3 are core; axes (C, Z, Y, X)."""
    reference = reference_of_two()
    likely = np.stack([np.where(reference == value, 0.7, 0.1) for value in range(4)])
    save(tmp_path / "net" / "a.nii.gz", reference)
    np.savez(tmp_path / "net" / "a.npz", probabilities=likely.transpose(0, 3, 2, 1))
    files = prediction_files(tmp_path / "net", tmp_path / "net" / "a.nii.gz")
    case = case_of(tmp_path, reference, {"net": files})
    made = scored(case, labels=TWO, candidate_threshold=0.5)
    assert made.by_class["core"].candidates["net"]["a"].score == pytest.approx([0.8])
    assert made.by_class["oedema"].candidates["net"]["a"].score == pytest.approx([0.7, 0.7])
    assert made.lesions["score"].tolist() == pytest.approx([0.8, 0.7, 0.7])


@pytest.mark.parametrize("with_ids", [False, True])
def test_classes_are_carried_to_the_grid_of_the_reference(tmp_path, with_ids):
    """The prediction has voxels of half the size along the first axis."""
    reference = reference_of_two()
    fine = written_as(reference).repeat(2, axis=0)
    affine = AFFINE @ np.diag([0.5, 1, 1, 1])
    affine[0, 3] += 0.25  # half of a half voxel: the first axis runs to the left
    ids = np.where(fine == 1, 5, np.where(fine == 2, 6, 0))
    ids[30:] = np.where(ids[30:] == 6, 7, 0)
    rows = [(5, 0.9, "core", 0), (6, 0.8, "oedema", 0), (7, 0.7, "oedema", 0)]
    extra = {"ids": ids, "rows": rows} if with_ids else {}
    files = predict(tmp_path / "net", "a", fine, classes_of(TWO), affine=affine, **extra)
    made = scored(case_of(tmp_path, reference, {"net": files}), labels=TWO, fix_grid=True)
    assert made.rejected == ()
    assert made.cases["dice"].tolist() == [1]
    assert any("resampled to the reference's grid" in note for note in made.notes)
    expected = [0.9, 0.8, 0.7] if with_ids else [None] * 3
    assert [None if np.isnan(s) else s for s in made.lesions["score"]] == expected
