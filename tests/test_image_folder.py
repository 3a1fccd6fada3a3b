import pytest

from lesionseg.errors import NoInputError, UsageError
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
