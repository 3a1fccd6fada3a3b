"""BIDS folders as labs have them: what is taken, and what is said."""

from __future__ import annotations

import pytest
from layout_trees import tree

from lesionseg.datasets.dataset import find_scans, load_card
from lesionseg.datasets.layouts import detect_layout, read_bids
from lesionseg.errors import UsageError

LESION = "derivatives/manual/sub-{n}/anat/sub-{n}_label-lesion_mask.nii"
BRAIN = "mask whose name does not say lesion"


def bids(root, *patterns, numbers=("1", "2")):
    """Files of each subject, below sub-N/anat where the pattern names no folder."""
    full = [p if "/" in p else f"sub-{{n}}/anat/sub-{{n}}_{p}.nii" for p in patterns]
    return tree(root, *(pattern.format(n=n) for n in numbers for pattern in full))


def taken(root, **options):
    """Names of images and mask of the first scan."""
    scan = read_bids(root, **options).scans[0]
    return [path.name for path in scan.images], scan.mask and scan.mask.name


@pytest.mark.parametrize(
    "mask",
    [
        "sub-{n}/anat/sub-{n}_label-lesion_roi.nii",
        "sub-{n}/anat/sub-{n}_T1w_label-lesion_roi.nii",
        "derivatives/labels/sub-{n}/anat/sub-{n}_T1w_label-lesion_seg.nii",
        "derivatives/lab/v2/sub-{n}/anat/sub-{n}_desc-lesions_mask.nii",
        "derivatives/labels/sub-{n}/anat/sub-{n}_T1w_lesion-manual.nii",
        "derivatives/atlas/sub-{n}/anat/sub-{n}_label-L_desc-T1lesion_mask.nii",
        "derivatives/lesions/sub-{n}/sub-{n}_dseg.nii",
        "derivatives/manual_masks/sub-{n}/sub-{n}_mask.nii",
        "derivatives/sub-{n}/sub-{n}_msk.nii",
        "derivatives/manual/sub-{n}/anat/sub-{n}_space-orig_label-WMH_mask.nii",
    ],
)
def test_masks_whose_names_or_folders_say_lesion(tmp_path, mask):
    root = bids(tmp_path, "T1w", mask)
    assert taken(root) == (["sub-1_T1w.nii"], mask.rpartition("/")[2].format(n=1))
    assert find_scans(None, root).unused == {}


@pytest.mark.parametrize(
    "other",
    [
        "derivatives/fmriprep/sub-{n}/anat/sub-{n}_desc-ribbon_mask.nii",
        "derivatives/fmriprep/sub-{n}/anat/sub-{n}_dseg.nii",
        "derivatives/synthstrip/sub-{n}/anat/sub-{n}_desc-synthstrip_mask.nii",
        "derivatives/bet/sub-{n}/anat/sub-{n}_mask.nii",
        "derivatives/hdbet/sub-{n}/anat/sub-{n}_T1w_bet_mask.nii",
        "derivatives/MASS/sub-{n}/anat/sub-{n}_mask.nii",
        "derivatives/lesion_pipeline/sub-{n}/anat/sub-{n}_mask.nii",
        "derivatives/lesion_pipeline/sub-{n}/anat/sub-{n}_dseg.nii",
        "sub-{n}/anat/sub-{n}_label-GM_mask.nii",
        "sub-{n}/anat/sub-{n}_defacemask.nii",
    ],
)
def test_any_other_mask_is_never_the_lesion(tmp_path, other):
    root = bids(tmp_path, "T1w", LESION)
    bids(root, "T1w", other, numbers=("3",))
    dataset = find_scans(None, root)
    assert [scan.case for scan in dataset.scans] == ["sub-1", "sub-2"]
    name = other.rpartition("/")[2].format(n=3)
    assert f"no mask of lesions (seen: {name}: {BRAIN}; if one is, " in dataset.rejected["sub-3"]
    assert dataset.unused == {other.format(n=3): BRAIN}
    assert "3 training scans, 0 test scans; 1 training scan without a mask" in dataset.found
    assert "lesion masks: label-lesion_mask in derivatives/manual (2)" in dataset.found


def test_with_no_lesion_mask_at_all_the_folder_is_refused_with_the_masks_and_the_setting(tmp_path):
    root = bids(tmp_path, "T1w", "derivatives/x1/sub-{n}/anat/sub-{n}_desc-ribbon_mask.nii")
    with pytest.raises(UsageError) as caught:
        find_scans(None, root)
    assert f"desc-ribbon_mask (2, {BRAIN})" in str(caught.value)
    assert "data.mask=desc-ribbon_mask" in str(caught.value)
    assert len(find_scans(None, root, mask="desc-ribbon_mask").scans) == 2
    assert len(find_scans(load_card("bids"), root, mask="desc-ribbon_mask").scans) == 2
    with pytest.raises(UsageError, match="none is 'label-les_mask': desc-ribbon_mask"):
        find_scans(None, root, mask="label-les_mask")


@pytest.mark.parametrize("beside", ["ce-gad_T1w", "acq-STIR_T1w", "rec-norm_acq-a_T1w"])
def test_the_plain_image_is_taken_and_the_other_is_said(tmp_path, beside):
    root = bids(tmp_path, "T1w", beside, LESION)
    assert taken(root)[0] == ["sub-1_T1w.nii"]
    place = f"sub-1/anat/sub-1_{beside}.nii"
    assert find_scans(None, root).unused[place] == "image beside a plainer one of its suffix"
    assert taken(root, channels={"T1": beside})[0] == [f"sub-1_{beside}.nii"]


def test_an_image_with_contrast_agent_is_not_taken_for_one_without(tmp_path):
    root = bids(tmp_path, "T1w", LESION)
    bids(root, "ce-gad_T1w", LESION, numbers=("3",))
    words = "case sub-3: missing channel T1w; want T1w; got ce-gad_T1w"
    assert read_bids(root).rejected == {"sub-3": words}
    only = bids(tmp_path / "all", "ce-gad_T1w", LESION)
    assert taken(only)[0] == ["sub-1_ce-gad_T1w.nii"]


def test_channels_that_differ_from_scan_to_scan_are_said(tmp_path):
    root = bids(tmp_path, "T1w", LESION)
    bids(root, "acq-mprage_T1w", LESION, numbers=("3",))
    assert "T1w is plain in 2, acq-mprage in 1" in read_bids(root).found


def test_labels_may_hold_a_plus_and_a_mask_of_another_acquisition_is_not_taken(tmp_path):
    ours = "derivatives/m/sub-{n}/sub-{n}_acq-MPRAGE+PMC_label-lesion_mask.nii"
    root = bids(tmp_path, "acq-MPRAGE+PMC_T1w", ours)
    assert taken(root)[1] == "sub-1_acq-MPRAGE+PMC_label-lesion_mask.nii"
    other = bids(tmp_path / "b", "T1w", "acq-MPRAGE+PMC_T1w", ours)
    bids(other, "T1w", LESION, numbers=("3",))
    dataset = find_scans(None, other)
    assert [scan.case for scan in dataset.scans] == ["sub-3"]
    assert "mask of another image or run than those taken" in dataset.rejected["sub-1"]


def test_a_mask_in_another_space_is_not_taken(tmp_path):
    mni = LESION.replace("label", "space-MNI152NLin2009cAsym_label")
    assert taken(bids(tmp_path, "FLAIR", LESION, mni))[1] == "sub-1_label-lesion_mask.nii"
    root = bids(tmp_path / "b", "FLAIR", mni)
    with pytest.raises(UsageError, match="mask in another space than the images"):
        read_bids(root)
    asked = "space-MNI152NLin2009cAsym_label-lesion_mask"
    assert taken(root, mask=asked)[1] == f"sub-1_{asked}.nii"


def test_runs_are_numbers(tmp_path):
    names = [f"sub-{{n}}/anat/sub-{{n}}_run-0{run}_FLAIR.nii" for run in (1, 2)]
    masks = [f"derivatives/m/sub-{{n}}/sub-{{n}}_run-{r}_label-lesion_mask.nii" for r in (1, 2)]
    scans = read_bids(bids(tmp_path, *names, *masks)).scans
    assert [(s.case, s.mask.name) for s in scans[:2]] == [
        (f"sub-1_run-0{run}", f"sub-1_run-{run}_label-lesion_mask.nii") for run in (1, 2)
    ]


def test_one_mask_of_a_subject_serves_its_sessions_and_is_said(tmp_path):
    images = [f"sub-{{n}}/ses-{s}/anat/sub-{{n}}_ses-{s}_FLAIR.nii" for s in ("a", "b")]
    layout = read_bids(bids(tmp_path, *images, LESION))
    masks = {scan.case: scan.mask.name for scan in layout.scans}
    assert masks["sub-1_ses-a"] == masks["sub-1_ses-b"] == "sub-1_label-lesion_mask.nii"
    assert "2 of them serve several scans" in layout.masks
    own = "derivatives/manual/sub-1/ses-b/anat/sub-1_ses-b_label-lesion_mask.nii"
    masks = {s.case: s.mask.name for s in read_bids(tree(tmp_path, own)).scans}
    assert masks["sub-1_ses-b"] == "sub-1_ses-b_label-lesion_mask.nii"


def test_rawdata_beside_derivatives_with_the_masks_of_isles(tmp_path):
    places = [
        *(f"rawdata/sub-{{n}}/ses-1/dwi/sub-{{n}}_ses-1_{name}.nii" for name in ("dwi", "adc")),
        "rawdata/sub-{n}/ses-1/anat/sub-{n}_ses-1_FLAIR.nii",
        "derivatives/sub-{n}/ses-1/sub-{n}_ses-1_msk.nii",
    ]
    root = bids(tmp_path, *places)
    assert detect_layout(root).layout == "bids"
    dataset = find_scans(load_card("isles2022"), root)
    assert dataset.rejected == {}
    assert dataset.scans[0].mask.name == "sub-1_ses-1_msk.nii"
    assert [channel.name for channel in dataset.channels] == ["DWI", "ADC"]


def test_functional_scans_and_series_of_diffusion_are_no_channels(tmp_path):
    others = [
        *("sub-{n}/func/sub-{n}_task-rest_bold.nii", "sub-{n}/fmap/sub-{n}_phasediff.nii"),
        *("sub-{n}/dwi/sub-{n}_dwi.nii", "sub-{n}/dwi/sub-{n}_dwi.bval"),
    ]
    root = bids(tmp_path, "FLAIR", LESION, *others)
    tree(root, "sub-9/func/sub-9_task-rest_bold.nii")
    dataset = find_scans(None, root)
    assert [channel.name for channel in dataset.channels] == ["FLAIR"]
    assert dataset.rejected == {}
    assert set(dataset.unused.values()) == {"of a kind that is no channel, like func and fmap"}
    assert len(dataset.unused) == 7


def test_two_lesion_masks_of_one_name_are_told_apart_by_their_folder(tmp_path):
    root = bids(tmp_path, "FLAIR", LESION, LESION.replace("manual", "second"))
    assert "data.mask=manual/label-lesion_mask" in read_bids(root).rejected["sub-1"]
    scan = read_bids(root, mask="second/label-lesion_mask").scans[0]
    assert scan.mask == root / "derivatives/second/sub-1/anat/sub-1_label-lesion_mask.nii"


def test_a_mask_is_asked_for_by_the_image_it_was_drawn_on(tmp_path):
    masks = [LESION.replace("label", f"{name}_label") for name in ("T1w", "FLAIR")]
    root = bids(tmp_path, "T1w", "FLAIR", *masks)
    assert "data.mask=manual/FLAIR_label-lesion_mask" in read_bids(root).rejected["sub-1"]
    asked = "manual/T1w_label-lesion_mask"
    assert taken(root, mask=asked)[1] == "sub-1_T1w_label-lesion_mask.nii"
    unread = set(find_scans(None, root, mask=asked).unused.values())
    assert unread == {"mask other than the one asked for"}


def test_images_that_nothing_singles_out_are_named_and_not_called_less_plain(tmp_path):
    dataset = find_scans(None, bids(tmp_path, "acq-sag_T2w", "acq-ax_T2w", LESION))
    assert "2 files for channel T2w: sub-1_acq-ax_T2w.nii" in dataset.rejected["sub-1"]
    assert set(dataset.unused.values()) == {"of no scan that is read"}


def test_folders_named_sub_with_other_names_within_are_read_as_patterns(tmp_path):
    names = [f"sub-{n}/{name}.nii" for n in (1, 2) for name in ("FLAIR", "lesion")]
    assert detect_layout(tree(tmp_path, *names)).layout == "patterns"


@pytest.mark.parametrize("side", ["hemi-{side}_label-lesion", "label-{side}_desc-lesion"])
def test_masks_of_two_sides_are_to_be_joined_and_not_one_chosen(tmp_path, side):
    names = [
        f"derivatives/m/sub-{{n}}/sub-{{n}}_{side.format(side=which)}_mask.nii" for which in "LR"
    ]
    rejected = read_bids(bids(tmp_path, "T1w", *names)).rejected["sub-1"]
    assert "join both into one mask" in rejected
    assert "data.mask" not in rejected
