"""Data cards: what is shipped loads, what is not a card is refused in one line."""

from __future__ import annotations

from importlib import resources

import pytest
import yaml
from layout_trees import nnunet_with_labels as nnunet

from lesionseg.datasets.cards.drafts import card_yaml
from lesionseg.datasets.dataset import card_terms, find_scans, load_card
from lesionseg.errors import NoInputError, UsageError

CARD = """
name: mine
version: "1"
url: unknown
licence: unknown
citation: unknown
reading:
  layout: patterns
  channels:
    - {name: FLAIR, modality: mri, pattern: "{patient}/{session}/flair.nii"}
  mask: "{patient}/{session}/mask.nii"
  labels: {lesion: 1, vessel: 7}
  lesions: [lesion]
  spacing_mm: unknown
edges_mm: [3, 5, 10]
splits: {patient: layout, test_patients: [], reason: unknown}
collection: unknown
annotation: unknown
raters: unknown
known_problems: [none known]
personal_data: unknown
limits: [unknown]
"""


def card(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    return load_card(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("phantom", "phantom"),
        ("open_ms", "open_ms"),
        ("nnunet", "nnunet"),
        ("msd", "msd"),
        ("bids", "bids"),
        ("mslesseg", "MSLesSeg"),
        ("isles2022", "ISLES-2022"),
        ("luna16", "LUNA16"),
        ("brats_mets", "BraTS-METS"),
        ("wmh", "WMH"),
    ],
)
def test_shipped_cards_load_by_name_and_can_be_printed(name, says):
    shipped = load_card(name)
    assert shipped.name == says
    terms = card_terms(shipped)
    assert all(terms.values())
    assert terms["known problems"].startswith(shipped.known_problems[0])
    group = yaml.safe_load(
        resources.files("lesionseg.conf").joinpath(f"data/{name}.yaml").read_text()
    )
    assert group["card"] == name


MADE = {  # the files of one or two scans, as the public descriptions name them
    "mslesseg": (
        [
            *(f"train/P1/T1/P1_T1_{n}.nii.gz" for n in ("FLAIR", "T1", "T2", "MASK")),
            *(f"test/P54/P54_{n}.nii.gz" for n in ("FLAIR", "T1", "T2", "MASK")),
        ],
        [("P1_T1", "P1", "train"), ("P54", "P54", "test")],
    ),
    "isles2022": (
        [
            *(f"sub-s1/ses-0001/dwi/sub-s1_ses-0001_{n}.nii.gz" for n in ("dwi", "adc")),
            "sub-s1/ses-0001/anat/sub-s1_ses-0001_FLAIR.nii.gz",
            "derivatives/sub-s1/ses-0001/sub-s1_ses-0001_msk.nii.gz",
        ],
        [("sub-s1_ses-0001", "sub-s1", "train")],
    ),
    "luna16": (
        ["subset0/1.3.6.mhd", "subset0/1.3.6.raw", "masks/1.3.6.nii.gz"],
        [("1.3.6", "1.3.6", "train")],
    ),
    "brats_mets": (
        [
            f"BraTS-MET-00002-001/BraTS-MET-00002-001-{n}.nii.gz"
            for n in ("t1c", "t1n", "t2f", "t2w", "seg")
        ],
        [("BraTS-MET-00002_001", "BraTS-MET-00002", "train")],
    ),
    "wmh": (
        [
            *(f"training/Utrecht/0/{n}.nii.gz" for n in ("pre/FLAIR", "pre/T1", "wmh")),
            *(f"test/Amsterdam/GE3T/100/{n}.nii.gz" for n in ("pre/FLAIR", "pre/T1", "wmh")),
        ],
        [("Utrecht_0", "Utrecht_0", "train"), ("Amsterdam_GE3T_100",) * 2 + ("test",)],
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_shipped_cards_read_folders_as_they_are_described(tmp_path, name):
    files, expected = MADE[name]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    dataset = find_scans(load_card(name), tmp_path)
    assert dataset.rejected == {}
    assert [(s.case, s.patient, s.split) for s in dataset.scans] == expected
    assert all(scan.mask is not None for scan in dataset.scans)


def test_without_a_card_one_is_drafted_and_reads_the_same_folder(tmp_path):
    for patient in ("p1", "p2"):
        (tmp_path / patient).mkdir()
        for name in ("CT.nii", "mask.nii"):
            (tmp_path / patient / name).touch()
    dataset = find_scans(None, tmp_path)
    assert [(c.name, c.modality) for c in dataset.channels] == [("CT", "ct")]
    assert [scan.mask for scan in dataset.scans] == [
        tmp_path / p / "mask.nii" for p in ("p1", "p2")
    ]
    (tmp_path / "draft.yaml").write_text(card_yaml(dataset.card))
    again = find_scans(load_card(tmp_path / "draft.yaml"), tmp_path)
    assert again.scans == dataset.scans
    assert again.card.licence == "unknown"


def test_the_layout_of_a_card_can_be_replaced_by_looking(tmp_path):
    root = nnunet(tmp_path, {"0": "T2"}, {"background": 0, "lesion": 1})
    assert find_scans(load_card("msd"), root, layout="auto").found.startswith(
        "nnU-Net raw: 1 train"
    )
    with pytest.raises(NoInputError, match="not of layout 'table' but of 'nnunet'"):
        find_scans(None, root, layout="table")
    with pytest.raises(UsageError, match=r"data\.layout is 'zip'"):
        find_scans(load_card("nnunet"), root, layout="zip")


def test_a_training_scan_without_a_mask_is_no_scan_without_lesions(tmp_path):
    for case in ("sub-1", "sub-2"):
        (tmp_path / case / "anat").mkdir(parents=True)
        (tmp_path / case / "anat" / f"{case}_T1w.nii").touch()
    (tmp_path / "derivatives/a/sub-1").mkdir(parents=True)
    (tmp_path / "derivatives/a/sub-1/sub-1_mask.nii").touch()
    dataset = find_scans(load_card("bids"), tmp_path)
    assert [scan.case for scan in dataset.scans] == ["sub-1"]
    assert "sub-2: no mask" in dataset.rejected["sub-2"]


def test_a_card_of_ones_own_reads_ones_own_folder(tmp_path):
    mine = card(tmp_path, CARD.replace("test_patients: []", "test_patients: [p2]"))
    for scan in ("p1/a", "p1/b", "p2/a"):
        (tmp_path / scan).mkdir(parents=True)
        for name in ("flair.nii", "mask.nii"):
            (tmp_path / scan / name).touch()
    dataset = find_scans(mine, tmp_path)
    assert [(s.case, s.patient, s.split) for s in dataset.scans] == [
        ("p1_a", "p1", "train"),
        ("p1_b", "p1", "train"),
        ("p2_a", "p2", "test"),
    ]
    assert dataset.labels.known == {1, 7}
    assert dataset.labels.lesions == {1}


def test_test_patients_of_a_card_that_are_absent_are_named_and_never_replaced(tmp_path):
    for name in ("p1/a/flair.nii", "p1/a/mask.nii", "p2/a/flair.nii", "p2/a/mask.nii"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    some = card(tmp_path, CARD.replace("test_patients: []", "test_patients: [p2, p7, p8]"))
    dataset = find_scans(some, tmp_path)
    assert [scan.split for scan in dataset.scans] == ["train", "test"]
    assert "2 test patients of the card are absent: p7, p8" in dataset.found
    none = card(tmp_path, CARD.replace("test_patients: []", "test_patients: [p7]"))
    with pytest.raises(UsageError, match=r"none of the 1 test patients .* is there, like p7"):
        find_scans(none, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name: mine", "nom: mine", "nom: Extra inputs are not permitted"),
        ("licence: unknown", "", "licence: Field required"),
        ("modality: mri", "modality: pet", "reading.channels.0.modality"),
        ("lesions: [lesion]", "lesions: [tumour]", "'tumour'"),
        ("labels: {lesion: 1, vessel: 7}", "labels: {}", "wants labels"),
        ("lesion: 1", "lesion: 0", "greater than or equal to 1"),
        (', pattern: "{patient}/{session}/flair.nii"', "", "each with a pattern"),
        ("edges_mm: [3, 5, 10]", "edges_mm: [5, 3]", "ascending"),
        ("edges_mm: [3, 5, 10]", "", "edges_mm: Field required"),
        ("known_problems: [none known]", "known_problems: []", "write what is known"),
        ("personal_data: unknown", "personal_data: ''", "personal_data"),
        ("patient: layout", "patient: '('", "no regular expression"),
        ("modality: mri", "modality: mri, normalisation: best", "normalisation"),
        ("name: mine", "name: mine\nname: yours", "name is given twice"),
        ("  mask:", "  raters: {ann: '{patient}/{session}/a.nii'}\n  mask:", "not both"),
        ("name: mine", "name: !!python/object/apply:os.getcwd []", "not YAML"),
        (CARD, "[1, 2]", "valid dictionary"),
        (CARD, "a: [", "not YAML"),
    ],
)
def test_what_is_not_a_card_is_refused_in_one_line(tmp_path, old, new, words):
    assert old in CARD
    with pytest.raises(UsageError) as caught:
        card(tmp_path, CARD.replace(old, new))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_and_absent_files():
    with pytest.raises(UsageError, match=r"no data card 'phantoms'; want one of .*'phantom'"):
        load_card("phantoms")
    with pytest.raises(UsageError, match="cannot be read"):
        load_card("absent.yaml")
