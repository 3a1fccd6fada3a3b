"""New scans by trees of empty files: which are predicted, by which names, and which are not."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_slices import write_series
from enhanced_dicoms import write_enhanced
from layout_trees import BIDS_FILES, MSD, MSD_FILES, NNUNET, tree

from lesionseg.datasets.dataset import load_card
from lesionseg.datasets.new_scans import find_new_scans
from lesionseg.errors import CaseError, NoInputError, UsageError
from lesionseg.reading.scans import read_channels

TWO, T2 = ("FLAIR", "T1"), ("T2",)


def slices(*folders):
    return [f"{folder}/{number}.dcm" for folder in folders for number in (1, 2)]


def found(root, channels, *sources, **how):
    made = find_new_scans([root / one for one in sources or ("",)], channels, root / "out", **how)
    places = {
        scan.case: [path.relative_to(root).as_posix() for path in scan.images]
        for scan in made.scans
    }
    assert all(scan.mask is None for scan in made.scans)
    return places, made


def images(*names):
    return [f"{name}.nii.gz" for name in names]


@pytest.mark.parametrize(
    ("channels", "names", "cases"),
    [
        (T2, slices("p1/t2", "p2/t2"), {"p1", "p2"}),
        (T2, slices("p1/s1/t2", "p1/s1/adc", "p1/s1/localizer", "p1/s1/dce_1"), {"p1_s1"}),
        (T2, slices("ann", "bob"), {"ann", "bob"}),
        (T2, images("a", "b", "b_mask"), {"a", "b"}),
        (T2, images("P1_T2", "P2_T2", "P2_ADC", "P3"), {"P1_T2", "P2_T2", "P3"}),
        (T2, images("a/t2", "a/other", "a/adc", "b/image"), {"a", "b"}),
        (T2, images("p1/t2", "p1/lesion_mask", "masks/p1"), {"p1"}),
        (T2, images("siteA/p1/t2", "siteB/p1/t2"), {"siteA_p1", "siteB_p1"}),
        (T2, images("p1/t2_tse", "p1/t2_flair", "p1/T1"), {"p1"}),
        (T2, images("out/p1/t2", "p2/t2"), {"p2"}),  # masks of before are no scans
        (T2, images("p2/t2", "old/p2", "old/instances/p2", "old/lesions/x/p2"), {"p2"}),
        (("PET",), images("p1/SUV", "p1/CT"), {"p1"}),
        (TWO, images(*(f"P1/s{n}/{c}" for n in (1, 2) for c in TWO)), {"P1_s1", "P1_s2"}),
        (TWO, images("a_flair", "a_t1w", "b_flair", "b_t1w", "b_t1ce"), {"a", "b"}),
        (TWO, images("FLAIR/a", "T1/a", "FLAIR/b", "T1/b"), {"a", "b"}),
        (TWO, images("P1/ax_flair_3", "P1/sag_t1_5", "P1/ax_t1_post_gd_6"), {"P1"}),
        (TWO, images("P1/P1_0000", "P1/P1_0001"), {"P1"}),
        (("t2f", "t1n"), images(*(f"B-1-0/B-1-0-{c}" for c in ("t1c", "t1n", "t2f"))), {"B-1-0"}),
    ],
)
def test_scans_of_a_folder_without_a_layout(tmp_path, channels, names, cases):
    tree(tmp_path, *names)
    places, made = found(tmp_path, channels)
    assert set(places) == cases
    assert not made.rejected
    assert all(len(set(paths)) == len(channels) for paths in places.values())
    others = ("adc", "mask", "dce", "t1ce", "t1c", "post", "CT", "out/", "old/")
    assert not any(word in path for paths in places.values() for path in paths for word in others)


def test_images_keep_the_order_of_the_models_channels(tmp_path):
    tree(tmp_path, *images("P1/FLAIR", "P1/T1"))
    assert found(tmp_path, TWO)[0] == {"P1": ["P1/FLAIR.nii.gz", "P1/T1.nii.gz"]}
    assert found(tmp_path, TWO[::-1])[0] == {"P1": ["P1/T1.nii.gz", "P1/FLAIR.nii.gz"]}


@pytest.mark.parametrize(
    ("names", "case", "said"),
    [
        (images("P1/flair", "P2/t1"), "P1", "missing channel T1: got P1/flair.nii.gz"),
        (images("a_flair", "b_t1"), "b_t1", "missing channel FLAIR: got b_t1.nii.gz"),
        (
            images("P1/ax_flair", "P1/sag_flair", "P1/t1"),
            "P1",
            "2 images for channel FLAIR: P1/ax_flair.nii.gz, P1/sag_flair.nii.gz; give the files",
        ),
        (images("P1/P1_0000", "P2/P2_0000", "P2/P2_0001"), "P1", "missing channel T1"),
        (images("P1/a_0000", "P1/a_0001", "P1/a_0002"), "P1_a", "got 3 channels, want 2"),
    ],
)
def test_what_is_missing_is_named_and_never_taken_from_another_patient(tmp_path, names, case, said):
    tree(tmp_path, *names)
    made = found(tmp_path, TWO)[1]
    assert said in made.rejected[case]
    assert case not in {scan.case for scan in made.scans}


@pytest.mark.parametrize("kind", ["dcm", "nii.gz"])
def test_two_series_t2_of_two_patients_have_two_names(tmp_path, kind):
    """Each given by itself: the second must not replace the masks of the first."""
    names = slices("p1/t2", "p2/t2") if kind == "dcm" else images("p1/t2", "p2/t2")
    tree(tmp_path, *names)
    end = "" if kind == "dcm" else ".nii.gz"
    assert [set(found(tmp_path, T2, f"{p}/t2{end}")[0]) for p in ("p1", "p2")] == [
        {"p1_t2"},
        {"p2_t2"},
    ]


def test_a_visit_or_a_series_number_alone_is_no_name(tmp_path):
    tree(tmp_path, *slices("p1/20240102/SE000003/T2"), *images("p1/ses-2/t2"))
    assert set(found(tmp_path, T2, "p1/20240102/SE000003")[0]) == {"p1_20240102_SE000003"}
    assert set(found(tmp_path, T2, "p1/ses-2")[0]) == {"p1_ses-2"}


def test_several_files_are_one_scan_in_their_order(tmp_path):
    tree(tmp_path, *images("p1/v1_flair", "p1/v1_t1", "p1/FLAIR", "p1/T1"))
    assert set(found(tmp_path, TWO, "p1/FLAIR.nii.gz", "p1/T1.nii.gz")[0]) == {"p1"}
    assert set(found(tmp_path, TWO, "p1/v1_flair.nii.gz", "p1/v1_t1.nii.gz")[0]) == {"p1_v1"}
    with pytest.raises(UsageError, match=r"gives T1\.nii\.gz as FLAIR, and its name says T1"):
        found(tmp_path, TWO, "p1/T1.nii.gz", "p1/FLAIR.nii.gz")
    with pytest.raises(UsageError, match="gives 2 files, the model wants 3 channels"):
        found(tmp_path, (*TWO, "T2"), "p1/FLAIR.nii.gz", "p1/T1.nii.gz")
    with pytest.raises(UsageError, match="input gives one file twice"):
        found(tmp_path, TWO, "p1/FLAIR.nii.gz", "p1/../p1/FLAIR.nii.gz")
    with pytest.raises(UsageError, match=r"input none\.nii does not exist"):
        found(tmp_path, TWO, "p1/FLAIR.nii.gz", "none.nii")
    assert set(found(tmp_path, T2, "p1/T1.nii.gz", "p1/FLAIR.nii.gz")[0]) == {"p1_T1", "p1_FLAIR"}
    tree(tmp_path, *images("p2/v1/T2", "p2/v2/T2", "p3/T2", "p4/p3/T2"))
    assert set(found(tmp_path, T2, "p2", "p3")[0]) == {"p2_v1", "p2_v2", "p3"}
    with pytest.raises(UsageError, match="two scans named p3; predict them one by one"):
        found(tmp_path, T2, "p3", "p4/p3")


def test_layouts_are_read_as_training_reads_them_and_need_no_masks(tmp_path):
    bids = tree(tmp_path / "bids", *(name for name in BIDS_FILES if name.startswith("sub-")))
    assert set(found(bids, TWO)[0]) == {"sub-01_ses-a", "sub-01_ses-b", "sub-02"}
    msd = tree(tmp_path / "msd", *(f for f in MSD_FILES if "labels" not in f), dataset=MSD)
    places, made = found(msd, TWO)
    assert set(places) == {"BRATS_001", "BRATS_002", "BRATS_009"}
    assert made.scans[0].volumes == (0, 1)
    nnunet = tree(
        tmp_path / "nn", "imagesTr/a_0000.nii.gz", "imagesTs/b_0000.nii.gz", dataset=NNUNET
    )
    assert set(found(nnunet, ("FLAIR",))[0]) == {"a", "b"}
    with pytest.raises(UsageError, match="has channels FLAIR, of which none is T1; the model"):
        found(nnunet, ("T1",))


def test_a_table_needs_the_columns_of_the_model_alone(tmp_path):
    tree(tmp_path, *images("f/a1", "f/a2"))
    (tmp_path / "t.csv").write_text(
        "case,T1w,FLAIR,ADC,mask\na,f/a1.nii.gz,f/a2.nii.gz,f/gone.nii.gz,f/none.nii.gz\n"
    )
    for source in ("t.csv", ""):
        assert found(tmp_path, TWO, source)[0] == {"a": ["f/a2.nii.gz", "f/a1.nii.gz"]}
    with pytest.raises(UsageError, match=r"t\.csv has channels .* none is T2"):
        found(tmp_path, T2, "t.csv")


def test_a_data_card_says_where_images_lie_that_names_do_not_tell(tmp_path):
    tree(tmp_path, *images("p1/aa", "p1/bb", "p2/aa", "p2/bb"))
    text = (
        "name: x\nversion: x\nurl: x\nlicence: x\ncitation: x\nedges_mm: [3]\ncollection: x\n"
        "annotation: x\nraters: x\nknown_problems: [x]\npersonal_data: x\nlimits: [x]\n"
        "splits: {patient: layout, test_patients: layout, reason: x}\nreading:\n"
        "  layout: patterns\n  labels: {lesion: 1}\n  mask: '{patient}/none.nii.gz'\n"
        "  spacing_mm: varies\n  channels:\n"
        "  - {name: T1, modality: mri, pattern: '{patient}/aa.nii.gz'}\n"
        "  - {name: FLAIR, modality: mri, pattern: '{patient}/bb.nii.gz'}\n"
    )
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(NoInputError, match=r"says that it is FLAIR, T1; it holds 4 images"):
        found(tmp_path, TWO)
    card = load_card(tmp_path / "card.yaml")
    assert found(tmp_path, TWO, card=card)[0] == {
        f"p{n}": [f"p{n}/bb.nii.gz", f"p{n}/aa.nii.gz"] for n in (1, 2)
    }


def test_enhanced_files_of_one_folder_are_series_by_their_descriptions(tmp_path):
    voxels, places = np.ones((2, 4, 5), np.uint16), [(0, 0, 0), (0, 0, 2)]
    for number, text in enumerate(("ADC", "T1w 3D", "FLAIR")):
        write_enhanced(
            tmp_path / f"p1/{number}.dcm",
            voxels,
            places,
            SeriesInstanceUID=f"1.{number}",
            StudyInstanceUID="1.9",
            SeriesDescription=text,
        )
    assert found(tmp_path, TWO)[0] == {"p1": ["p1/2.dcm", "p1/1.dcm"]}
    assert found(tmp_path, ("ADC",))[0] == {"p1": ["p1/0.dcm"]}
    assert found(tmp_path, T2, "p1/0.dcm")[0] == {"p1_0": ["p1/0.dcm"]}  # given by itself
    (tmp_path / "p1/0.dcm").unlink()
    (tmp_path / "p1/1.dcm").unlink()
    assert found(tmp_path, ("FLAIR",))[0] == {"p1": ["p1"]}


def test_series_of_one_folder_are_told_by_their_descriptions_or_asked_for(tmp_path):
    places = [(0, 0, 0), (0, 0, 2)]
    for number, text in enumerate(("AX T2 TSE", "AX T1 FLAIR", "ADC", "sag scout")):
        write_series(
            tmp_path / str(number), np.zeros((2, 4, 5), np.int16), places, first=10 * number,
            series=f"1.{number}", series_number=number, description=text,
        )  # fmt: skip
        for path in (tmp_path / str(number)).iterdir():
            (tmp_path / "p1").mkdir(exist_ok=True)
            path.rename(tmp_path / "p1" / f"{number}{path.name}")
        (tmp_path / str(number)).rmdir()
    (scan,) = found(tmp_path, T2)[1].scans
    assert (scan.case, scan.series) == ("p1", ("1.0",))
    (scan,) = found(tmp_path, ("T1",), "p1")[1].scans  # T1 FLAIR is T1-weighted
    assert scan.series == ("1.1",)
    (scan,) = found(tmp_path, T2, series="adc")[1].scans
    assert scan.series == ("1.2",)
    with pytest.raises(NoInputError, match=r"no scan in .* that it is T2; it holds"):
        found(tmp_path, T2, series="nine")


def described(root, **texts):
    """A DICOM folder for each description, without the UID of a study."""
    for number, (name, text) in enumerate(texts.items()):
        voxels, places = np.zeros((2, 4, 5), np.int16), [(0, 0, 0), (0, 0, 2)]
        write_series(root / name, voxels, places, series=f"1.{number}", description=text)
    return root


def test_patients_are_not_joined_where_descriptions_alone_tell_their_images(tmp_path):
    made = found(described(tmp_path / "a", ann="FLAIR", bob="T1"), TWO)[1]
    assert not made.scans
    assert set(made.rejected) == {"ann", "bob"}
    places, _ = found(described(tmp_path / "b", SE3="FLAIR", SE4="T1"), TWO)
    assert list(places.values()) == [["SE3", "SE4"]]


def test_a_patient_whose_series_says_nothing_is_predicted_beside_one_whose_does(tmp_path):
    places, _ = found(described(tmp_path / "a", ann="T2", bob="sequence 4"), T2)
    assert places == {"ann": ["ann"], "bob": ["bob"]}
    described(tmp_path / "b/cid", SE3="T2", SE4="sequence 4")  # another series of one patient
    assert found(tmp_path / "b", T2)[0] == {"cid_SE3": ["cid/SE3"]}


def test_of_series_that_say_nothing_in_one_folder_none_is_taken(tmp_path):
    described(tmp_path, p1="sequence 1", p2="sequence 2")
    for path in (tmp_path / "p2").iterdir():
        path.rename(tmp_path / "p1" / f"b{path.name}")
    (tmp_path / "p2").rmdir()
    (scan,) = found(tmp_path, T2)[1].scans
    with pytest.raises(CaseError, match=r"case p1: p1 holds 2 stacks"):
        read_channels(scan)
