"""Names of two folders pair one to one, or a name is left out."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lesionseg.reporting.scoring.name_words import case_names, contradict
from lesionseg.reporting.scoring.pairing import pair_names

MSLESSEG = [f"P{p}/P{p}_T{t}/P{p}_T{t}_MASK" for p in (1, 2, 10) for t in (1, 2)]
BIDS = [
    f"sub-0{s}/ses-0{v}/anat/sub-0{s}_ses-0{v}_acq-x_run-1_label-lesion_mask"
    for s in (1, 2)
    for v in (1, 2)
]


@pytest.mark.parametrize(
    ("references", "others", "partner"),
    [
        # folders alone tell the cases apart; the first has no prediction
        (
            ["P0/mask", "P1/mask", "P2/mask"],
            ["P1/mask", "P2/mask"],
            {"P1/mask": "P1/mask", "P2/mask": "P2/mask"},
        ),
        (["P0/mask", "P1/mask"], ["P1/pred"], {"P1/mask": "P1/pred"}),
        (["P0/mask"], ["P1/mask"], {}),
        # time points
        (
            ["P0_T1_MASK", "P0_T2_MASK", "P1_T1_MASK", "P1_T2_MASK"],
            ["P0_T1", "P1_T1"],
            {"P0_T1_MASK": "P0_T1", "P1_T1_MASK": "P1_T1"},
        ),
        (["P0_T1_MASK", "P0_T2_MASK", "P1_T1_MASK"], ["P0", "P1"], {}),
        (["P0_T1_MASK", "P1_T1_MASK"], ["P0_T2", "P1_T2"], {}),
        (["P0_T1_MASK"], ["P0_T2"], {}),
        (["P0_T1_MASK"], ["P0_T1", "P0_T2"], {"P0_T1_MASK": "P0_T1"}),
        (["P1", "P2"], ["P1_T1", "P1_T2", "P2_T1"], {"P2": "P2_T1"}),
        # the only visit of each, which the other side does not name
        (
            ["sub-01_ses-2020_mask", "sub-02_ses-2021_mask"],
            ["sub-01", "sub-02"],
            {"sub-01_ses-2020_mask": "sub-01", "sub-02_ses-2021_mask": "sub-02"},
        ),
        (["sub-01_mask"], ["sub-02"], {}),
        # what kind of file it is may differ from file to file
        (["P1_gt", "P2_manual"], ["P1_seg", "p2"], {"P1_gt": "P1_seg", "P2_manual": "p2"}),
        (["P1_FLAIR_gt", "P2_T1_gt"], ["P1", "P2"], {"P1_FLAIR_gt": "P1", "P2_T1_gt": "P2"}),
        (["a-000-seg", "b-000-seg"], ["a-000", "c-000"], {"a-000-seg": "a-000"}),
        # a number is never cut in two
        (["P1", "P2"], ["P11", "P12"], {}),
        (["P01", "P02"], ["xP02", "xP03"], {}),
        (["P01", "P02"], ["xP01y", "xP02y"], {"P01": "xP01y", "P02": "xP02y"}),
        # a word that says nothing of the file is in all names of a folder, or of another case
        (["P0", "P1"], ["P0_failed"], {}),
        (["P0", "P1"], ["P0_failed", "P1"], {"P1": "P1"}),
        (["P0", "P1"], ["P0_failed", "P0_pred"], {"P0": "P0_pred"}),
        (["P0"], ["P0_failed"], {}),
        (["P0"], ["P0_pred"], {"P0": "P0_pred"}),
        (["P0"], ["P0_prob"], {"P0": "P0_prob"}),
        (["1", "2", "3"], ["fold1_1", "fold1_3"], {"1": "fold1_1", "3": "fold1_3"}),
        (["P1", "P2", "P3"], ["unet2_P1", "unet2_P2"], {"P1": "unet2_P1", "P2": "unet2_P2"}),
        (["P1_gt", "P2_gt"], ["unet2_P1", "unet2_P2"], {"P1_gt": "unet2_P1", "P2_gt": "unet2_P2"}),
        (["fold1_1", "fold1_2", "fold1_3"], ["1", "2"], {"fold1_1": "1", "fold1_2": "2"}),
        # and in the names of one side alone
        (["siteA-1", "siteA-2"], ["siteB-1", "siteB-2"], {}),
        (["siteA-1", "siteA-2", "siteA-3"], ["siteB-1", "siteB-2"], {}),
        (["siteA-1"], ["siteB-1"], {}),
        ([], ["a"], {}),
        (["a"], [], {}),
    ],
)
def test_pairs_are_one_to_one_or_left_out(references, others, partner):
    assert pair_names(references, others).partner == partner


def test_several_that_fit_equally_are_named():
    pairs = pair_names(["a", "b"], ["a_seg", "a_pred", "b"])
    assert pairs.partner == {"b": "b"}
    assert pairs.doubtful == {"a": ("a_pred", "a_seg")}


@pytest.mark.parametrize("references", [MSLESSEG, BIDS])
def test_longitudinal_folders_match_flat_names_and_images(references):
    flat = {name: name.rpartition("/")[2].rpartition("_")[0] for name in references}
    assert pair_names(references, list(flat.values())).partner == flat
    some = list(flat.values())[1:4]
    assert set(pair_names(references, some).partner.values()) == set(some)
    assert all(flat[n] == o for n, o in pair_names(references, some).partner.items())
    images = {
        name: f"{name.rpartition('/')[0]}/{flat[name].replace('_label-lesion', '')}_FLAIR"
        for name in references
    }
    assert pair_names(references, list(images.values()), any_of_several=True).partner == images
    others = [name.replace("FLAIR", kind) for name in images.values() for kind in ("FLAIR", "T2")]
    assert pair_names(references, others, any_of_several=True).partner == images


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["P0/mask", "P1/mask"], ["P0", "P1"]),
        (["P0/consensus_gt", "P1/consensus_gt"], ["P0", "P1"]),
        (["site/P0/anat/mask", "site/P1/anat/mask"], ["P0", "P1"]),
        (["P0_T1_MASK", "P0_T2_MASK"], ["P0_T1", "P0_T2"]),
        (["P0_T1_MASK", "P1_T1_MASK"], ["P0", "P1"]),
        (MSLESSEG, ["P1_T1", "P1_T2", "P2_T1", "P2_T2", "P10_T1", "P10_T2"]),
        (["a/x", "A/x"], ["a_x", "A_x"]),
        (["mask"], ["mask"]),
    ],
)
def test_cases_are_named_by_what_differs_in_their_paths(names, short):
    assert list(case_names(names).values()) == short


LETTERS = st.text("ab_T12-/", min_size=1, max_size=8)
NAMES = st.one_of(
    LETTERS.filter(lambda name: name.strip("/_-") == name and "//" not in name),
    st.sampled_from(["T1", "T2", "FLAIR", "mask", "P1_T1", "P1_T2", "P2_T1", "sub-01", "pred"]),
    st.builds("{}_{}".format, st.integers(0, 12), st.sampled_from(["T1", "T2", "mask"])),
)
AFFIX = st.sampled_from(["", "_pred", "_T1", "pred_", "x", "-seg", "net_", "_space-T1w", "_0000"])


@settings(deadline=None, max_examples=200)
@given(st.lists(NAMES, min_size=2, max_size=7, unique_by=str.lower), AFFIX, AFFIX, st.randoms())
def test_no_renaming_of_the_cases_changes_the_pairs(names, before, after, generator):
    """Names that are the same on both sides, with more before and behind them on one side."""
    before = before.strip("_-") + "_" if before[:1] in "_-" else before
    assume(not (before[-1:].isdigit() and any(name[0].isdigit() for name in names)))
    assume(not (after[:1].isdigit() and any(name[-1].isdigit() for name in names)))
    others = {name: f"{before}{name}{after}" for name in names}
    assume(before == after == "" or not set(names) & set(others.values()))
    shuffled = generator.sample(list(others.values()), len(others))
    assert pair_names(names, shuffled).partner == others
    found = pair_names(shuffled, names).partner
    assert found == {other: name for name, other in others.items()}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("P1_pre", "P1_post"),
        ("P1/baseline", "P1_followup"),
        ("P1_bl", "P1_fu"),
        ("P1_fu1", "P1_fu2"),
        ("p1v1", "p1v2"),
        ("subj1scan1", "subj1scan2"),
        ("P1_2020-01", "P1_2021-02"),
        ("train_1", "test_1"),
    ],
)
def test_two_visits_of_a_patient_contradict_each_other(one, other):
    assert contradict(one, other)
    names = [one.replace("1", str(n), 1) for n in (1, 2, 3)]
    others = [other.replace("1", str(n), 1) for n in (1, 2, 3)]
    assert pair_names(names, others).partner == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("P1_pre", "P1_pre_seg"),
        ("P1_T1w", "P1_mask"),
        ("sub-01_T1w", "sub-01_T2w"),
        ("case_01", "case_1"),
        ("p1v1", "p01v01"),
    ],
)
def test_names_of_one_scan_do_not(one, other):
    assert not contradict(one, other)
