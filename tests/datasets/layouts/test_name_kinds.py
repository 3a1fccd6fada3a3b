"""What names say: a mask is of lesions because its name says so."""

from __future__ import annotations

import pytest

from lesionseg.datasets.layouts.name_kinds import holds_masks, kind_of

LESIONS = (
    *("lesion_mask", "label-lesion_roi", "plaques", "WMH", "lesionMask", "LesionSeg", "tumour_seg"),
    *("infarct", "stroke_lesion", "nodules", "les", "space-MNI_label-lesions_mask", "gtv_mask"),
    *("label-L_desc-T1lesion_mask", "lesionprob", "MSlesionMask", "wmhmask"),
    *("non-enhancing tumour", "brain_lesion_mask", "brain_tumour_seg", "lesion_prob_map"),
)
MASKS = ("mask", "MASK", "seg", "msk", "consensus_gt", "FLAIR_mask", "rater1_mask", "label2")
OTHER = (
    *("brain_mask", "brainmask", "desc-ribbon_mask", "desc-synthstrip_mask", "desc-bet_mask"),
    *("skull_mask", "aseg", "dseg", "synthseg", "lung_seg", "GM_mask", "defacemask", "cortex_roi"),
    *("nonlesion_mask", "wm_no_lesion_mask", "brain_mask_MASS", "brain_lesion_excluded_mask"),
    *("core_registration_mask", "brain_mask_lesion_study", "lesion_distance_mask", "no_tumour_seg"),
)
IMAGES = ("FLAIR", "t1ce", "P1_T2w", "image", "ct", "adc_map")
UNKNOWN = ("brain", "thing", "", "T1_lesion_filled", "lesionfilled", "P01", "lesion_distance_map")


@pytest.mark.parametrize(
    ("names", "kind"),
    [(LESIONS, "lesion"), (MASKS, "mask"), (OTHER, "other mask"), (IMAGES, "image")],
)
def test_names_of_a_kind(names, kind):
    assert {name: kind_of(name) for name in names} == dict.fromkeys(names, kind)


def test_names_that_say_nothing():
    assert {name: kind_of(name) for name in UNKNOWN} == dict.fromkeys(UNKNOWN, "unknown")


def test_a_name_of_any_length_is_looked_at():
    assert kind_of("seg" * 100_000) == "mask"
    assert kind_of("x" * 100_000) == "unknown"


def test_a_folder_named_after_a_disease_holds_no_masks_by_that():
    yes = ("masks", "labelsTr", "lesions", "lesion", "csPCa_lesion_delineations", "Segmentations")
    no = ("stroke", "BraTS-MET-00012-000", "images", "FLAIR", "tumor_study", "wmh")
    assert [name for name in (*yes, *no) if holds_masks(name)] == list(yes)
