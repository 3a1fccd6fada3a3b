import numpy as np
import pytest
from dicom_slices import write_series
from odd_files import make_odd_file

from lesionseg.errors import CaseError, NoInputError, UsageError
from lesionseg.io import read_volume
from lesionseg.io.image_folder import find_images


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_channels_of_a_case_are_gathered_in_their_order(tmp_path):
    touch(tmp_path, "b_0001.nii.gz", "b_0000.nii.gz", "a_0000.nii", "a_0001.mha", "notes.txt")
    found = find_images(tmp_path, 2)
    assert [case for case, _ in found] == ["a", "b"]
    assert [p.name for p in found[1][1]] == ["b_0000.nii.gz", "b_0001.nii.gz"]


def test_one_channel_needs_no_number(tmp_path):
    touch(tmp_path, "a.nii.gz", "b_0000.nrrd")
    assert [case for case, _ in find_images(tmp_path, 1)] == ["a", "b"]


def test_one_file_stands_for_all_channels_of_its_case(tmp_path):
    touch(tmp_path, "a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz")
    ((case, paths),) = find_images(tmp_path / "a_0001.nii.gz", 2)
    assert case == "a"
    assert [p.name for p in paths] == ["a_0000.nii.gz", "a_0001.nii.gz"]


def test_a_missing_channel_is_left_for_reading_to_name(tmp_path):
    touch(tmp_path, "a_0000.nii.gz")
    ((_, paths),) = find_images(tmp_path, 2)
    assert len(paths) == 1


def test_no_folder_and_an_empty_folder_are_different_errors(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        find_images(tmp_path / "gone", 1)
    with pytest.raises(NoInputError, match="no scan"):
        find_images(tmp_path, 1)


@pytest.mark.parametrize(
    ("numbers", "kept"),
    [((0, 2), (0,)), ((1, 2), (1,)), ((2, 3), ()), ((1,), (1,)), ((0, 1, 2), (0, 1, 2))],
)
def test_a_later_channel_is_not_taken_for_a_missing_one(tmp_path, numbers, kept):
    touch(tmp_path, *(f"a_{number:04d}.nii.gz" for number in numbers))
    ((case, paths),) = find_images(tmp_path, 2)
    assert case == "a"
    assert [p.name for p in paths] == [f"a_{number:04d}.nii.gz" for number in kept]


def test_with_one_channel_other_numbers_are_part_of_the_name(tmp_path):
    touch(tmp_path, "sub_2023.nii.gz", "sub_2024.nii.gz", "b_0000.nii.gz")
    assert [case for case, _ in find_images(tmp_path, 1)] == ["b", "sub_2023", "sub_2024"]
    ((case, paths),) = find_images(tmp_path / "sub_2024.nii.gz", 1)
    assert (case, len(paths)) == ("sub_2024", 1)


@pytest.mark.parametrize(
    "names", [("a.nii.gz", "a_0000.nii.gz"), ("a.nii", "a.nii.gz"), ("a_0000.mha", "a_0000.nrrd")]
)
def test_two_files_for_one_image_are_refused(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(UsageError, match="are both case a"):
        find_images(tmp_path, 1)


def test_other_files_folders_and_hidden_ones_are_passed_over(tmp_path):
    touch(tmp_path, "a.nii.gz", "a.json", "b.txt", "c.hdr")
    (tmp_path / "d.nii.gz").mkdir()
    assert [case for case, _ in find_images(tmp_path, 1)] == ["a"]
    with pytest.raises(NoInputError, match=r"no scan in b\.txt; want files ending in"):
        find_images(tmp_path / "b.txt", 1)


def test_files_of_an_interrupted_export_are_no_scans(tmp_path):
    touch(tmp_path, ".partial-abc.nii.gz", "._a.nii.gz", "a.nii.gz")
    assert [case for case, _ in find_images(tmp_path, 1)] == ["a"]


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "dangling link", "link to a pipe"])
def test_what_is_named_like_an_image_and_is_none_is_left_for_reading_to_name(tmp_path, kind):
    touch(tmp_path, "a.nii.gz")
    make_odd_file(kind, tmp_path / "b.nii.gz")
    assert [case for case, _ in find_images(tmp_path, 1)] == ["a", "b"]
    ((case, (path,)),) = find_images(tmp_path / "b.nii.gz", 1)
    with pytest.raises(CaseError, match=r"case b: b\.nii\.gz (is no regular file|cannot be read)"):
        read_volume(path, case=case)


@pytest.mark.parametrize("kind", ["pipe", "dangling link", "device"])
def test_a_folder_of_slices_that_cannot_be_read_is_a_scan(tmp_path, kind):
    (tmp_path / "p1").mkdir()
    make_odd_file(kind, tmp_path / "p1" / "001.dcm")
    (tmp_path / "texts").mkdir()
    touch(tmp_path / "texts", "notes.txt")
    assert find_images(tmp_path, 1) == [("p1", [tmp_path / "p1"])]
    with pytest.raises(CaseError, match=r"case p1: 001\.dcm is"):
        read_volume(tmp_path / "p1")


def slices(folder, count=3):
    return write_series(
        folder, np.zeros((count, 4, 5), np.int16), [(0, 0, 2 * n) for n in range(count)]
    )


def test_folders_of_slices_beside_images_are_scans_too(tmp_path):
    touch(tmp_path, "b.nii.gz")
    slices(tmp_path / "a")
    slices(tmp_path / ".hidden")
    touch(tmp_path / "a", "notes.txt")
    (tmp_path / "texts").mkdir()
    assert find_images(tmp_path, 1) == [
        ("a", [tmp_path / "a"]),
        ("b", [tmp_path / "b.nii.gz"]),
    ]
    touch(tmp_path, "a.nii.gz")
    with pytest.raises(UsageError, match=r"a and a\.nii\.gz are both case a"):
        find_images(tmp_path, 1)


def test_folders_of_slices_are_channels_by_their_numbers(tmp_path):
    for name in ("p1_0000", "p1_0001"):
        slices(tmp_path / name)
    touch(tmp_path, "p2_0000.nii.gz", "p2_0001.nii.gz")
    slices(tmp_path / "p3")
    names = {case: [path.name for path in paths] for case, paths in find_images(tmp_path, 2)}
    assert names == {
        "p1": ["p1_0000", "p1_0001"],
        "p2": ["p2_0000.nii.gz", "p2_0001.nii.gz"],
        "p3": ["p3"],  # its number of channels says what is wrong
    }
