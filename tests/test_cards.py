"""Data cards: what is shipped loads, what is not a card is refused in one line."""

from __future__ import annotations

import json

import pytest

from lesionseg.data.cards import find_scans, load_card
from lesionseg.errors import UsageError

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
cautions: [none known]
"""


def card(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    return load_card(tmp_path / "mine.yaml")


@pytest.mark.parametrize("name", ["phantom", "open_ms", "nnunet"])
def test_shipped_cards_load_by_name(name):
    shipped = load_card(name)
    assert shipped.name == name
    assert shipped.edges_mm == (3, 5, 10)
    assert shipped.cautions


def test_a_card_of_ones_own_reads_ones_own_folder(tmp_path):
    mine = card(tmp_path, CARD + "splits: {test_patients: [p2], reason: follow-up}\n")
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
        ("cautions: [none known]", "cautions: [none known]\nedges_mm: [5, 3]", "ascending"),
        ("  lesions:", "  patient: '('\n  lesions:", "not a regular expression"),
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


def nnunet(tmp_path, channels, labels):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    for name in ("imagesTr/b1m2_0000.nii.gz", "labelsTr/b1m2.nii.gz"):
        (tmp_path / name).touch()
    (tmp_path / "dataset.json").write_text(
        json.dumps({"channel_names": channels, "labels": labels})
    )
    return tmp_path


def test_nnunet_takes_channels_and_labels_from_the_folder(tmp_path):
    labels = {"background": 0, "nodule": 1, "mass": [2, 3], "ignore": 9}
    root = nnunet(tmp_path, {"0": "CT"}, labels)
    dataset = find_scans(load_card("nnunet"), root, patient="^b[0-9]+")
    assert [(c.name, c.modality) for c in dataset.channels] == [("CT", "ct")]
    assert dataset.labels.known == {1, 2, 3, 9}
    assert dataset.labels.lesions == {1, 2, 3}
    assert dataset.scans[0].patient == "b1"


def test_a_card_that_fixes_channels_refuses_a_folder_with_others(tmp_path):
    root = nnunet(tmp_path, {"0": "T2"}, {"background": 0, "lesion": 1})
    with pytest.raises(UsageError, match=r"has channels \['T2'\].*wants \['FLAIR', 'T1'\]"):
        find_scans(load_card("phantom"), root)


def test_a_folder_without_lesion_labels_is_refused(tmp_path):
    root = nnunet(tmp_path, {"0": "T2"}, {"background": 0})
    with pytest.raises(UsageError, match="no label is a lesion"):
        find_scans(load_card("nnunet"), root)
