"""A folder with several DICOM series: which are there is said, and one can be chosen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from dicom_slices import PATIENT, write_series
from refusals import refusal

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.io import read_volume
from lesionseg.io.reading import STRICT, reading_rule
from lesionseg.preprocessing.measuring import scan_key
from lesionseg.settings.reading import DicomSettings, ReadingSettings

SECRETS = (PATIENT, "JOHN", "1.2.3")
RNG = np.random.default_rng(0)
FLAIR = RNG.integers(-900, 900, (6, 5, 7)).astype(np.int16)
T1 = RNG.integers(-900, 900, (4, 9, 8)).astype(np.int16)
FLAIR_UID, T1_UID = "1.2.3.11", "1.2.3.12"


def up(count, step):
    return [(10, 20, 30 + step * index) for index in range(count)]


def study(root, flair=("3", "AX FLAIR"), t1=("4", "T1 post")):
    """Two series in one folder; each named by (number, description), None where it has none."""
    for voxels, place, (number, words), uid, spacing in (
        (FLAIR, up(6, 2.5), flair, FLAIR_UID, (0.5, 0.25)),
        (T1, up(4, 3.0), t1, T1_UID, (1.0, 1.0)),
    ):
        part = root / f"part{uid}"
        write_series(
            part,
            voxels,
            place,
            first=100 * int(uid[-2:]),
            series=uid,
            spacing=spacing,
            series_number=number,
            description=words,
        )
        for path in part.iterdir():
            path.rename(root / f"{uid[-2:]}-{path.name}")
        part.rmdir()
    return root


@pytest.mark.parametrize(
    ("series", "voxels"),
    [
        ("3", FLAIR),
        ("4", T1),
        ("AX FLAIR", FLAIR),
        ("t1 POST", T1),
        (FLAIR_UID, FLAIR),
        (T1_UID, T1),
    ],
)
def test_a_series_is_chosen_by_number_description_or_uid(tmp_path, series, voxels):
    volume = read_volume(study(tmp_path), dicom_series=series)
    np.testing.assert_array_equal(volume.array, voxels.transpose(2, 1, 0))
    (note,) = volume.notes
    first = "12-001.dcm" if voxels is FLAIR else "11-001.dcm"
    assert note.startswith(f"{tmp_path.name}: passed over slices of other series: {first}, ")


def test_without_a_choice_each_series_is_named_with_what_tells_them_apart(tmp_path):
    said = refusal(study(tmp_path / "ct"), secrets=SECRETS)
    assert "CT series 3 'AX FLAIR', 6 slices of 7x5, 0.25x0.5x2.5 mm, like 11-001.dcm; " in said
    assert "CT series 4 'T1 post', 4 slices of 8x9, 1x1x3 mm, like 12-001.dcm)" in said
    assert "set dicom.series to its number or description, like dicom.series=3, or put" in said


def test_where_numbers_are_equal_a_description_is_proposed(tmp_path):
    folder = study(tmp_path / "ct", ("1", "AX FLAIR"), ("1", "T1 post"))
    assert "like dicom.series='AX FLAIR', or put" in refusal(folder, secrets=SECRETS)
    both = refusal(folder, secrets=SECRETS, dicom_series="1")
    assert "holds 2 stacks" in both


def test_where_nothing_tells_them_apart_only_another_folder_is_proposed(tmp_path):
    said = refusal(study(tmp_path / "ct", (None, None), (None, None)), secrets=SECRETS)
    assert "dicom.series" not in said
    assert "CT series without number, 6 slices of 7x5, 0.25x0.5x2.5 mm, like 11-001.dcm" in said


def test_a_series_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    said = refusal(study(tmp_path / "ct"), secrets=SECRETS, dicom_series="FLAIR")
    assert "ct holds no DICOM series 'FLAIR'; it holds CT series 3 'AX FLAIR', 6 slices" in said


def test_a_description_of_many_letters_is_cut_in_a_message(tmp_path):
    said = refusal(study(tmp_path / "ct", ("3", "x" * 64)), secrets=SECRETS)
    assert f"series 3 '{'x' * 40}...', 6 slices" in said


def test_the_choice_is_part_of_what_made_a_case(tmp_path):
    files = ScanFiles("c", "c", "train", (study(tmp_path / "ct"),), None)
    chosen = [
        dataclasses.replace(
            files, rule=reading_rule(ReadingSettings(), DicomSettings(series=series))
        )
        for series in (None, "3", "4")
    ]
    assert chosen[0].rule == STRICT
    assert len({scan_key(scan) for scan in chosen}) == 3
