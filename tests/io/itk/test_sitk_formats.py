"""MetaImage and NRRD, written by SimpleITK and broken by hand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from lesionseg.errors import CaseError
from lesionseg.io import read_volume, write_mask

VOXELS = np.random.default_rng(0).integers(-50, 100, (5, 6, 7)).astype(np.int16)


def save(path, compress=False, array=VOXELS):
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    image.SetSpacing((0.5, 0.7, 3))
    image.SetOrigin((10, 20, 30))
    rotation = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix()
    image.SetDirection(rotation.ravel().tolist())
    sitk.WriteImage(image, str(path), useCompression=compress)
    return path


@pytest.mark.parametrize("ending", [".mha", ".mhd", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("compress", [False, True])
def test_the_volume_comes_out_in_ras(tmp_path, ending, compress):
    volume = read_volume(save(tmp_path / f"scan{ending}", compress))
    np.testing.assert_array_equal(volume.array, VOXELS)
    image = sitk.ReadImage(str(tmp_path / f"scan{ending}"))
    for index in ((0, 0, 0), (4, 5, 6), (1, 0, 3)):
        x, y, z = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((volume.affine @ [*index, 1])[:3], (-x, -y, z), atol=1e-6)


def test_a_mask_for_it_is_nifti_in_the_same_place(tmp_path):
    volume = read_volume(save(tmp_path / "scan.mha"))
    write_mask(tmp_path / "mask.nii.gz", VOXELS > 0, like=volume)
    back = read_volume(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-6)
    assert back.forms.qform_code == back.forms.sform_code == 1
    assert back.forms.xyzt_units == 2


@pytest.mark.parametrize("ending", [".mha", ".nrrd"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(tmp_path, ending, compress, share):
    rng = np.random.default_rng(1)
    array = rng.integers(-30000, 30000, (25, 26, 27)).astype(np.int16)
    path = save(tmp_path / f"scan{ending}", compress, array)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CaseError, match="case scan: "):
        read_volume(path)


def test_voxels_outside_the_folder_are_refused(tmp_path):
    (tmp_path / "inner").mkdir()
    path = save(tmp_path / "inner" / "scan.mhd")
    (tmp_path / "inner" / "scan.raw").rename(tmp_path / "scan.raw")
    path.write_text(path.read_text().replace("scan.raw", "../scan.raw"))
    with pytest.raises(CaseError, match="leaves the data folder"):
        read_volume(path)


def test_colour_is_refused(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((4, 4, 4, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "scan.mha"))
    with pytest.raises(CaseError, match="one real number"):
        read_volume(tmp_path / "scan.mha")


def test_several_volumes_are_refused(tmp_path):
    sitk.WriteImage(sitk.Image([3, 4, 5, 2], sitk.sitkInt16), str(tmp_path / "scan.mha"))
    with pytest.raises(CaseError, match=r"several volumes \(2 of 3x4x5\)"):
        read_volume(tmp_path / "scan.mha")


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("LPS", (-1, -1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("LAS", (-1, 1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("RAS", (1, 1, 1)),
    ],
)
def test_an_nrrd_lies_where_its_space_says(tmp_path, space, signs):
    """The letters name the direction in which each number of the file rises."""
    directions = np.array([[0.5, 0, 0], [0, 0.7, 0], [0, 0, 3]])
    origin = np.array([10.0, 20, 30])
    head = (
        f"NRRD0004\ntype: short\ndimension: 3\nspace: {space}\nsizes: 5 6 7\n"
        "space directions: (0.5,0,0) (0,0.7,0) (0,0,3)\nspace origin: (10,20,30)\n"
        "endian: little\nencoding: raw\n\n"
    )
    (tmp_path / "scan.nrrd").write_bytes(head.encode() + VOXELS.astype("<i2").tobytes("F"))
    volume = read_volume(tmp_path / "scan.nrrd")
    np.testing.assert_array_equal(volume.array, VOXELS)
    np.testing.assert_allclose(volume.affine[:3, 3], origin * signs)
    np.testing.assert_allclose(volume.affine[:3, :3], (directions * signs).T)
