"""Which files belong together, whichever way they are named."""

import json

import numpy as np
import pytest
from report_cohort import lesions, save

from lesionseg.errors import NoInputError, UsageError
from lesionseg.evaluation import label_components
from lesionseg.reporting import ScoringOptions, match_folders
from lesionseg.reporting.scoring.name_words import case_names
from lesionseg.reporting.scoring.pairing import pair_names
from lesionseg.reporting.scoring.score_cases import score_cases
from lesionseg.structures import OperatingPoint

MASK = lesions(0)[:6, :6, :6]


def folder(root, *names):
    for name in names:
        save(root / name, MASK)
    return root


@pytest.mark.parametrize(
    ("stem", "key"),
    [
        ("lung_001", "lung_001"),
        ("LUNG_001_pred", "lung_001"),
        ("case7_seg", "case7"),
        ("b07m25_lesion_mask", "b07m25"),
        ("sub-01_ses-2_space-T1w_label-lesion_mask", "sub-01_ses-2"),
        ("sub-01_ses-2_desc-unet_dseg", "sub-01_ses-2"),
        ("sub-01_ses-2_run-1_FLAIR", "sub-01_ses-2_run-1"),
        ("BraTS-GLI-00005-000-seg", "brats-gli-00005-000-seg"),
        ("liver_0001", "liver_0001"),
        ("mask", "mask"),
    ],
)
def test_the_case_id_in_a_name(stem, key):
    assert case_names([stem])[stem].lower() == key


def test_the_channel_number_belongs_to_images_only():
    lungs = pair_names(["lung_001"], ["lung_001_0000", "lung_001_0001"], any_of_several=True)
    assert lungs.partner == {"lung_001": "lung_001_0000"}
    liver = pair_names(["liver_0001"], ["liver_0001_0001", "liver_0002_0001"], any_of_several=True)
    assert liver.partner == {"liver_0001": "liver_0001_0001"}


def test_nnunet_names(tmp_path):
    reference = folder(tmp_path / "labelsTs", "ms_001.nii.gz", "ms_002.nii.gz")
    images = folder(
        tmp_path / "imagesTs", *(f"ms_00{i}_000{c}.nii.gz" for i in (1, 2) for c in (0, 1))
    )
    found = match_folders(reference, {"a": reference}, images=images)
    assert [c.case for c in found.cases] == ["ms_001", "ms_002"]
    assert [c.image.name for c in found.cases] == ["ms_001_0000.nii.gz", "ms_002_0000.nii.gz"]
    assert found.unmatched == ()


def test_bids_names_in_nested_folders(tmp_path):
    reference = tmp_path / "derivatives" / "manual"
    folder(reference, "sub-01/ses-1/anat/sub-01_ses-1_space-FLAIR_label-lesion_mask.nii.gz")
    folder(reference, "sub-01/ses-2/anat/sub-01_ses-2_space-FLAIR_label-lesion_mask.nii.gz")
    folder(reference, "sub-02/ses-1/anat/sub-02_ses-1_space-FLAIR_label-lesion_mask.nii.gz")
    images = folder(tmp_path / "raw", "sub-02/ses-1/anat/sub-02_ses-1_FLAIR.nii.gz")
    flat = folder(
        tmp_path / "pred", *(f"sub-0{s}_ses-{t}.nii.gz" for s, t in ((1, 1), (1, 2), (2, 1)))
    )
    found = match_folders(reference, {"net": flat}, images=images)
    assert [c.case for c in found.cases] == ["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1"]
    assert [c.patient for c in found.cases] == ["sub-01", "sub-01", "sub-02"]
    assert [c.image is not None for c in found.cases] == [False, False, True]
    assert "no image for sub-01_ses-1, sub-01_ses-2" in found.unmatched[0]


def test_suffixes_and_formats_may_differ(tmp_path):
    reference = folder(tmp_path / "ref", "P1_gt.nii.gz", "P2_gt.nii.gz")
    prediction = folder(tmp_path / "pred", "p1_pred.nii", "P2_seg.nii.gz")
    found = match_folders(reference, {"a": prediction})
    assert [c.case for c in found.cases] == ["P1", "P2"]
    assert [c.predictions["a"].mask.name for c in found.cases] == ["p1_pred.nii", "P2_seg.nii.gz"]


def test_a_folder_of_lesionseg_brings_instances_scores_and_candidates(tmp_path):
    reference = folder(tmp_path / "ref", "a.nii.gz")
    mine = folder(tmp_path / "mine", "a.nii.gz", "instances/a.nii.gz", "candidates/a.nii.gz")
    for kind in ("lesions", "candidates"):
        (mine / kind).mkdir(exist_ok=True)
        (mine / kind / "a.csv").write_text("id,score\n")
    files = match_folders(reference, {"mine": mine}).cases[0].predictions["mine"]
    for path in (files.instances, files.lesions, files.candidates, files.candidate_table):
        assert path is not None
        assert path.is_file()
    assert match_folders(reference, {"x": reference}).cases[0].predictions["x"].instances is None


def test_what_is_left_over_is_named(tmp_path):
    reference = folder(tmp_path / "ref", "a.nii.gz", "b.nii.gz", "c.nii.gz")
    one = folder(tmp_path / "one", "a.nii.gz", "b.nii.gz", "z.nii.gz")
    two = folder(tmp_path / "two", "a.nii.gz")
    found = match_folders(reference, {"one": one, "two": two})
    assert [c.case for c in found.cases] == ["a", "b"]
    assert set(found.unmatched) == {
        "two has no prediction for b",
        "reference c has no prediction",
        "prediction z of one has no reference",
    }


def test_a_word_in_all_names_of_a_folder_is_left_out_and_said(tmp_path):
    reference = folder(tmp_path / "ref", "P1_gt.nii.gz", "P2_gt.nii.gz", "P3_gt.nii.gz")
    one = folder(tmp_path / "one", "fold1_P1_pred.nii.gz", "fold1_P2_pred.nii.gz")
    two = folder(tmp_path / "two", "P1.nii.gz", "P2.nii.gz", "P3_failed.nii.gz")
    found = match_folders(reference, {"one": one, "two": two})
    assert [(c.case, sorted(c.predictions)) for c in found.cases] == [
        ("P1", ["one", "two"]),
        ("P2", ["one", "two"]),
    ]
    assert found.notes == ("names of one and of the reference are paired without fold1",)
    assert "prediction P3_failed of two has no reference" in found.unmatched


def test_nothing_in_common_names_both_sides(tmp_path):
    reference = folder(tmp_path / "ref", "a.nii.gz", "b.nii.gz")
    prediction = folder(tmp_path / "pred", "x.nii.gz")
    with pytest.raises(NoInputError, match="reference has a, b; net has x") as caught:
        match_folders(reference, {"net": prediction})
    assert caught.value.exit_code == 3
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NoInputError, match="net has no volume"):
        match_folders(reference, {"net": tmp_path / "nothing"})


def test_a_missing_folder_is_a_usage_error(tmp_path):
    reference = folder(tmp_path / "ref", "a.nii.gz")
    with pytest.raises(UsageError, match=r"predictions\.net"):
        match_folders(reference, {"net": tmp_path / "nowhere"})
    with pytest.raises(UsageError, match="NAME=DIR"):
        match_folders(reference, {})


def test_two_files_that_could_be_the_same_case_are_not_guessed(tmp_path):
    reference = folder(tmp_path / "ref", "a.nii.gz", "b.nii.gz")
    prediction = folder(tmp_path / "pred", "a_seg.nii.gz", "a_pred.nii.gz", "b.nii.gz")
    found = match_folders(reference, {"net": prediction})
    assert [c.case for c in found.cases] == ["b"]


def test_patients_by_pattern(tmp_path):
    reference = folder(tmp_path / "ref", "P07_v1.nii.gz", "P07_v2.nii.gz")
    found = match_folders(reference, {"a": reference}, patient=r"P\d+")
    assert {c.patient for c in found.cases} == {"P07"}
    with pytest.raises(UsageError, match="pattern"):
        match_folders(reference, {"a": reference}, patient=r"X\d+")


def test_nested_folders_are_named_by_what_differs(tmp_path):
    """The first patient has no prediction: nobody else's is taken for it."""
    reference = folder(tmp_path / "ref", *(f"P{i}/mask.nii.gz" for i in range(3)))
    some = folder(tmp_path / "pred", "P1/mask.nii.gz", "P2/mask.nii.gz")
    found = match_folders(reference, {"net": some})
    assert [(c.case, c.predictions["net"].mask.parent.name) for c in found.cases] == [
        ("P1", "P1"),
        ("P2", "P2"),
    ]
    assert found.unmatched == ("reference P0 has no prediction",)


def test_one_time_point_of_two_is_scored_once(tmp_path):
    reference = folder(tmp_path / "ref", "P0_T1_MASK.nii.gz", "P0_T2_MASK.nii.gz")
    one = folder(tmp_path / "one", "P0_T1.nii.gz")
    found = match_folders(reference, {"net": one}, images=folder(tmp_path / "im", "P0_T1.nii.gz"))
    assert [(c.case, c.image.name) for c in found.cases] == [("P0_T1", "P0_T1.nii.gz")]
    assert found.unmatched == ("reference P0_T2 has no prediction",)


def test_images_beside_their_masks_are_told_apart(tmp_path):
    names = [f"P{p}/P{p}_T{t}/P{p}_T{t}_" for p in (1, 2) for t in (1, 2)]
    root = folder(tmp_path / "lesions", *(f"{n}{k}.nii.gz" for n in names for k in KINDS))
    flat = folder(tmp_path / "net", *(f"P{p}_T{t}.nii.gz" for p in (1, 2) for t in (1, 2)))
    found = match_folders(root, {"net": flat}, images=root)
    assert [c.case for c in found.cases] == ["P1_T1", "P1_T2", "P2_T1", "P2_T2"]
    assert [c.reference.name for c in found.cases] == [f"{c.case}_MASK.nii.gz" for c in found.cases]
    assert [c.image.name for c in found.cases] == [f"{c.case}_FLAIR.nii.gz" for c in found.cases]
    assert [c.predictions["net"].mask.name for c in found.cases] == [
        f"{c.case}.nii.gz" for c in found.cases
    ]
    assert found.unmatched == ()


KINDS = ("FLAIR", "MASK", "T1", "T2")


@pytest.mark.parametrize("other", ["P0.nii", "P0.mha", "P0.nrrd"])
@pytest.mark.parametrize("place", ["reference", "predictions.net", "images", "probabilities.net"])
def test_two_files_of_one_name_are_refused_and_named(tmp_path, place, other):
    folders = {
        name: folder(tmp_path / name, "P0.nii.gz")
        for name in ("reference", "predictions.net", "images", "probabilities.net")
    }
    (folders[place] / other).write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        match_folders(
            folders["reference"],
            {"net": folders["predictions.net"]},
            images=folders["images"],
            probabilities={"net": folders["probabilities.net"]},
        )
    assert str(caught.value).startswith(f"{place} holds ")
    assert {"P0.nii.gz", other} <= set(str(caught.value).replace(",", " ").split())


def test_probabilities_of_no_model_are_refused_with_the_nearest_name(tmp_path):
    reference = folder(tmp_path / "ref", "a.nii.gz")
    with pytest.raises(UsageError, match=r"probabilities\.nett is of no model.*probabilities\.net"):
        match_folders(reference, {"net": reference}, probabilities={"nett": reference})


def test_missing_predictions_may_be_kept_to_be_counted_as_empty(tmp_path):
    reference = folder(tmp_path / "ref", "a.nii.gz", "b.nii.gz", "c.nii.gz")
    one = folder(tmp_path / "one", "a.nii.gz", "b.nii.gz")
    two = folder(tmp_path / "two", "b.nii.gz", "c.nii.gz")
    found = match_folders(reference, {"one": one}, missing="empty")
    assert [(c.case, len(c.predictions)) for c in found.cases] == [("a", 1), ("b", 1), ("c", 0)]
    apart = folder(tmp_path / "apart", "c.nii.gz")
    with pytest.raises(NoInputError, match=r"one has a, b; apart has c.*missing=empty"):
        match_folders(reference, {"one": one, "apart": apart})
    assert len(match_folders(reference, {"one": one, "two": two}).cases) == 3


def test_lesion_ids_lie_beside_their_own_mask(tmp_path):
    """Two runs of a model in folders of their own, each mask called the same."""
    reference = folder(tmp_path / "ref", "P0/mask.nii.gz", "P1/mask.nii.gz")
    net = folder(tmp_path / "net", "P0/mask.nii.gz", "P1/mask.nii.gz", "P1/instances/mask.nii.gz")
    folder(net, "instances/mask.nii.gz")
    found = {c.case: c.predictions["net"] for c in match_folders(reference, {"net": net}).cases}
    assert found["P0"].instances is None
    assert found["P1"].instances == net / "P1" / "instances" / "mask.nii.gz"


@pytest.mark.parametrize(
    ("style", "other"),
    [
        ("P{}/mask.nii.gz", "P{}/pred.nii.gz"),
        ("P1_T{}_MASK.nii.gz", "P1_T{}.nii.gz"),
        ("sub-0{}/ses-01/anat/sub-0{}_ses-01_mask.nii.gz", "sub-0{}_ses-01.nii.gz"),
        ("x{}.nii.gz", "net/x{}_0000.nii.gz"),
    ],
)
def test_figures_do_not_depend_on_names(tmp_path, style, other):
    """Three scans, whose predictions lack one lesion of nine, two and three."""
    expected = []
    for i in range(3):
        mask = lesions(i)
        guess = np.where(label_components(mask) > i + 1, mask, 0).astype(np.uint8)
        expected.append(2 * int(guess.sum()) / int(guess.sum() + mask.sum()))
        save(tmp_path / "ref" / style.format(i, i), mask)
        save(tmp_path / "net" / other.format(i), guess)
    cases = match_folders(tmp_path / "ref", {"net": tmp_path / "net"}).cases
    scored = score_cases(cases, ScoringOptions(), workers=1).cases
    assert scored["num_found"].tolist() == [8, 7, 6]
    assert scored["dice"].tolist() == pytest.approx(expected)


def test_visits_are_one_patient_in_the_report_too(tmp_path):
    """Intervals are over patients: 3 patients with two visits each are 3, as in a run."""
    names = [f"P{patient}_T{visit}" for patient in (1, 2, 3) for visit in (1, 2)]
    for folder in ("ref", "net"):
        for name in names:
            save(tmp_path / folder / f"{name}.nii.gz", np.ones((3, 3, 3), np.uint8))
    found = match_folders(tmp_path / "ref", {"net": tmp_path / "net"})
    assert {case.patient for case in found.cases} == {"P1", "P2", "P3"}
    (note,) = found.notes
    assert note.startswith("6 scans are taken as visits of 3 patients: P1 (P1_T1, P1_T2)")
    assert note.endswith("; patient='.*' takes each as a patient of its own")
    alone = match_folders(tmp_path / "ref", {"net": tmp_path / "net"}, patient=".*")
    assert {case.patient for case in alone.cases} == set(names)
    assert alone.notes == ()


@pytest.mark.parametrize(
    ("weights", "score", "said"), [("a", 0.5, 0), ("b", 0.5, 1), ("a", 0.6, 1)]
)
def test_masks_of_two_models_in_one_folder_are_said(tmp_path, weights, score, said):
    """As a prediction leaves them that was stopped after another model's."""
    for name, by, threshold in (("x", "a", 0.5), ("y", weights, score)):
        for folder in ("ref", "net"):
            save(tmp_path / folder / f"{name}.nii.gz", np.ones((3, 3, 3), np.uint8))
        point = OperatingPoint(0.5, threshold).as_data
        record = {"case": name, "weights_sha256": by, "thresholds": [point]}
        (tmp_path / "net" / f"{name}.json").write_text(json.dumps(record))
    found = match_folders(tmp_path / "ref", {"net": tmp_path / "net"})
    assert len(found.notes) == said
    assert all("masks of net are of 2 different models or thresholds" in n for n in found.notes)
