"""Values of masks that are no lesion ids: classes are asked about, images are refused."""

import numpy as np
import pytest
from report_cohort import SHAPE, lesions, save

from lesionseg.errors import UsageError
from lesionseg.evaluation import label_components
from lesionseg.reporting import PredictionFiles, ReportCase, ScoringOptions, write_report
from lesionseg.reporting.scoring.class_labels import look_at_values, refuse_classes
from lesionseg.reporting.scoring.score_cases import score_cases

QUICK = {"draws": 50, "viewer": 0, "atlas": 0}


def look(mask, spacing=(1, 1, 2)):
    return look_at_values(mask, spacing, folder="reference", role="reference", case="a")


def case_of(root, reference, prediction=None, name="a"):
    path = save(root / "ref" / f"{name}.nii.gz", reference)
    guess = save(root / "net" / f"{name}.nii.gz", lesions(1) if prediction is None else prediction)
    return ReportCase(name, name, path, {"net": PredictionFiles(guess)})


def report(root, cases, **options):
    return write_report(cases, root / "out", ScoringOptions(**QUICK, **options), workers=1)


def box(*sides):
    """Voxels of a box, first and last along each axis."""
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(a, b) for a, b in sides)] = True
    return mask


CORE, SHELL = box((4, 6), (4, 6), (4, 6)), box((2, 8), (2, 8), (2, 8))
NESTED = np.where(CORE, 2, np.where(SHELL, 1, 0)).astype(np.uint8)
TWO_OF_THREE = np.where(box((2, 4), (2, 4), (2, 4)), 1, 0).astype(np.uint8)
TWO_OF_THREE[30:32, 2:4, 2:4] = 1
TWO_OF_THREE[16:18, 2:4, 2:4] = 2
IDS = label_components(lesions(1))


def test_lesion_ids_do_not_look_like_classes():
    assert IDS.max() == 9
    assert not look(IDS).looks_like_classes
    touching = np.where(box((2, 5), (2, 8), (2, 8)), 1, np.where(SHELL, 2, 0))
    assert look(touching).enclosed == ()
    assert not look(touching).looks_like_classes


def test_a_lesion_of_two_near_pieces_keeps_its_id():
    near = np.where(box((2, 4), (2, 4), (2, 4)) | box((6, 8), (2, 4), (2, 4)), 1, 0)
    near[30:32] = 2
    assert look(near).num_pieces == 3
    assert not look(near).looks_like_classes


def test_one_value_inside_another_and_pieces_far_apart():
    assert look(NESTED).enclosed == (2,)
    assert look(TWO_OF_THREE).apart == (1,)  # 26 voxels of 1 mm between its pieces
    assert look(TWO_OF_THREE, (0.3, 1, 1)).apart == ()
    assert look(NESTED).looks_like_classes
    assert look(TWO_OF_THREE).looks_like_classes


@pytest.mark.parametrize(
    ("mask", "why"),
    [(NESTED, "where 2 lies inside others"), (TWO_OF_THREE, "where 1 lies in pieces far apart")],
)
@pytest.mark.parametrize("side", ["reference", "predictions.net"])
def test_a_folder_of_classes_is_asked_about_in_one_line(tmp_path, mask, why, side):
    pair = (mask, None) if side == "reference" else (lesions(1), mask)
    with pytest.raises(UsageError) as caught:
        report(tmp_path, [case_of(tmp_path, *pair)])
    said = str(caught.value)
    assert said.startswith(f"{side} holds the values 1, 2, which look like classes")
    assert why in said
    assert "labels=[1,2]" in said
    assert "instances=true" in said


def test_the_same_few_values_in_every_mask_are_no_chance(tmp_path):
    apart = np.where(IDS <= 2, IDS, 0).astype(np.uint8)
    cases = [case_of(tmp_path, apart, name=f"c{i}") for i in range(3)]
    with pytest.raises(UsageError, match="the same in all 3 masks"):
        report(tmp_path, cases)
    assert report(tmp_path, cases[:2]) is not None


def test_the_answers_are_taken(tmp_path):
    case = case_of(tmp_path, NESTED, NESTED)
    answers = [
        ({"labels": {"lesion": (1, 2)}}, 1),
        ({"labels": (1, 2)}, 2),
        ({"instances": True}, 2),
    ]
    for options, number in answers:
        scored = score_cases([case], ScoringOptions(**QUICK, **options), workers=1)
        assert scored.cases["num_reference"].tolist() == [number]
        assert scored.notes == ()
        refuse_classes(scored.looks)


def test_one_odd_mask_among_many_is_a_note(tmp_path):
    cases = [case_of(tmp_path, IDS, name=f"c{i}") for i in range(3)]
    made = report(tmp_path, [*cases, case_of(tmp_path, NESTED, name="odd")])
    assert [note for note in made.notes if "odd has the values 1, 2 in 2 pieces" in note]


def image(seed=0):
    """Whole numbers as of a scanner, brighter in the lesions."""
    noise = np.random.default_rng(seed).integers(100, 400, SHAPE)
    return (noise * (np.indices(SHAPE).sum(axis=0) > 20) + 200 * lesions(seed)).astype(np.int16)


def test_an_image_among_the_masks_is_a_rejected_case(tmp_path):
    cases = [case_of(tmp_path, image(), name="scan"), case_of(tmp_path, lesions(1), name="b")]
    made = report(tmp_path, cases)
    ((model, case, reason),) = made.rejected
    assert (model, case) == ("", "scan")
    assert "as an image does and no mask" in reason
    guess = score_cases([case_of(tmp_path, lesions(1), image())], ScoringOptions(), workers=1)
    assert guess.rejected[0][:2] == ("net", "a")
    labelled = ScoringOptions(labels=(1,))
    guess = score_cases([case_of(tmp_path, lesions(1), image())], labelled, workers=1)
    assert guess.rejected[0][:2] == ("net", "a")


def test_many_lesion_ids_are_no_image(tmp_path):
    """More ids than an image of few grey levels has values, each in one piece."""
    many = np.zeros(SHAPE, np.uint16)
    many[::2, ::2, ::2] = np.arange(1, 20 * 20 * 12 + 1).reshape(20, 20, 12)
    scored = score_cases([case_of(tmp_path, many, many)], ScoringOptions(**QUICK), workers=1)
    assert scored.rejected == ()
    assert scored.cases["num_reference"].tolist() == [4800]


def test_labels_that_no_reference_holds_are_refused(tmp_path):
    classes = (lesions(1) * 3).astype(np.uint8)
    case = case_of(tmp_path, classes)
    with pytest.raises(UsageError, match=r"labels is \[1,2\].*no mask of reference.*but 3"):
        report(tmp_path, [case], labels={"lesion": (1, 2)})
    other = case_of(tmp_path, lesions(2), name="b")
    made = score_cases([case, other], ScoringOptions(labels={"lesion": (1, 2)}), workers=1)
    assert "reference of a holds 3 and none of the labels 1, 2" in made.notes[0]
    empty = case_of(tmp_path, np.zeros(SHAPE, np.uint8), name="c")
    assert len(score_cases([empty], ScoringOptions(labels=(1,)), workers=1).cases) == 1


def test_labels_that_no_prediction_holds_are_refused(tmp_path):
    """A binary prediction of class 3, scored as if it were empty."""
    classes = (lesions(1) * 3).astype(np.uint8)
    case = case_of(tmp_path, classes, lesions(1))
    with pytest.raises(UsageError, match=r"no mask of predictions\.net holds any of them, but 1"):
        score_cases([case], ScoringOptions(labels=(3,)), workers=1)


def test_known_labels_alone_are_said_to_do_nothing(tmp_path):
    case = case_of(tmp_path, lesions(1))
    (note,) = score_cases([case], ScoringOptions(known_labels=(1, 2)), workers=1).notes
    assert note.startswith("known_labels has no effect without labels")
    both = ScoringOptions(known_labels=(1, 2), labels=(1,))
    assert score_cases([case], both, workers=1).notes == ()
