"""Strict NIfTI reading, against nibabel and headers broken byte by byte."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
from oblique_niftis import OBLIQUE, patch, save, voxels
from refusals import refusal, says

from lesionseg.errors import CaseError
from lesionseg.io import read_volume


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_every_real_type_in_either_byte_order(tmp_path, dtype, order, name):
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    image = nib.Nifti1Image(voxels(dtype), OBLIQUE, header)
    nib.save(image, tmp_path / name)
    volume = read_volume(tmp_path / name)
    assert volume.array.dtype == np.dtype(dtype)
    assert volume.array.dtype.isnative
    np.testing.assert_array_equal(volume.array, voxels(dtype))
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-6)


def test_nifti_2_and_a_header_extension(tmp_path):
    image = nib.Nifti2Image(voxels(), OBLIQUE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 900))
    nib.save(image, tmp_path / "scan.nii")
    volume = read_volume(tmp_path / "scan.nii")
    np.testing.assert_array_equal(volume.array, voxels())
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-6)


def test_the_name_does_not_decide_the_format(tmp_path):
    zipped = save(tmp_path / "a.nii.gz", voxels()).rename(tmp_path / "a.nii")
    plain = save(tmp_path / "b.nii", voxels()).rename(tmp_path / "b.nii.gz")
    for path in (zipped, plain):
        np.testing.assert_array_equal(read_volume(path).array, voxels())


def test_scaling_follows_slope_and_intercept(tmp_path):
    path = save(tmp_path / "scan.nii", voxels())
    patch(path, 112, "<ff", 2.0, -1024.0)
    volume = read_volume(path)
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, voxels() * 2.0 - 1024)


@pytest.mark.parametrize("slope", [0.0, float("nan")])
def test_an_unset_slope_leaves_the_voxels_as_stored(tmp_path, slope):
    path = patch(save(tmp_path / "scan.nii", voxels()), 112, "<ff", slope, 0.0)
    assert read_volume(path).array.dtype == np.int16
    np.testing.assert_array_equal(read_volume(path).array, voxels())


@pytest.mark.parametrize(("slope", "inter"), [(float("nan"), 5.0), (1.0, float("inf"))])
def test_half_set_scaling_is_refused(tmp_path, slope, inter):
    path = patch(save(tmp_path / "scan.nii", voxels()), 112, "<ff", slope, inter)
    assert says(refusal(path), "scaling", f"{inter:g}")


def test_one_volume_of_a_4d_file_is_squeezed_and_more_are_refused(tmp_path):
    one = save(tmp_path / "one.nii.gz", voxels()[..., None])
    assert read_volume(one).array.shape == (5, 6, 7)
    assert says(
        refusal(save(tmp_path / "two.nii.gz", np.stack([voxels()] * 2, -1))),
        "several",
        "2 of 5x6x7",
    )


def test_colour_complex_and_flat_files_are_refused(tmp_path):
    colour = np.zeros((3, 3, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert says(refusal(save(tmp_path / "rgb.nii", colour)), "RGB")
    assert says(refusal(save(tmp_path / "complex.nii", voxels(np.complex64))), "complex")
    assert says(refusal(save(tmp_path / "flat.nii", voxels(shape=(5, 6)))), "dimensions", "three")


def test_the_sform_comes_first_then_the_qform(tmp_path):
    other = OBLIQUE + np.diag([0, 0, 0, 0.0])
    other[:3, 3] += 10
    for sform, qform, expected in ((1, 1, OBLIQUE), (0, 1, other), (3, 0, OBLIQUE)):
        image = nib.Nifti1Image(voxels(), OBLIQUE)
        image.set_qform(other, qform)
        image.set_sform(OBLIQUE, sform)
        nib.save(image, tmp_path / "scan.nii")
        np.testing.assert_allclose(read_volume(tmp_path / "scan.nii").affine, expected, atol=1e-5)


def test_a_singular_sform_falls_back_to_the_qform_and_then_is_refused(tmp_path):
    path = save(tmp_path / "scan.nii", voxels())
    patch(path, 280, "<12f", *[0.0] * 12)
    np.testing.assert_allclose(read_volume(path).affine, OBLIQUE, atol=1e-5)
    patch(path, 252, "<h", 0)
    assert says(
        refusal(path), "no usable position", "sform has voxels of 0x0x0", "qform has code 0"
    )
    patch(path, 254, "<h", 0)
    assert says(refusal(path), "no usable position", "sform has code 0")


@pytest.mark.parametrize(("code", "scale"), [(0, 1), (1, 1000), (2, 1), (3, 0.001)])
def test_units_become_mm(tmp_path, code, scale):
    written = OBLIQUE.copy()
    written[:3] /= scale  # a scan of the same size, in another unit
    path = patch(save(tmp_path / "scan.nii", voxels(), written), 123, "<b", code)
    np.testing.assert_allclose(read_volume(path).affine, OBLIQUE, rtol=1e-6)
    assert says(refusal(patch(path, 123, "<b", 5)), "unit code 5")


def test_headers_that_promise_what_is_not_there_are_refused(tmp_path):
    def fresh():
        return save(tmp_path / "scan.nii", voxels())

    assert says(
        refusal(patch(fresh(), 42, "<3h", 32767, 32767, 32767)), "header says 70,3", "copy it again"
    )
    assert says(refusal(patch(fresh(), 42, "<h", 6)), "header says")
    assert says(refusal(patch(fresh(), 42, "<h", 4)), "goes on after")
    assert says(refusal(patch(fresh(), 42, "<h", 0)), "dimensions")
    assert says(refusal(patch(fresh(), 42, "<h", -5)), "dimensions")
    assert says(refusal(patch(fresh(), 40, "<h", 9)), "dimensions")
    assert says(refusal(patch(fresh(), 70, "<h", 77)), "voxel type 77")
    assert says(refusal(patch(fresh(), 72, "<h", 8)), "8 bits a voxel")
    for offset in (0.0, 351.0, 400.5, float("nan"), 1e30):
        assert says(
            refusal(patch(fresh(), 108, "<f", offset)), "byte" if offset != 1e30 else "header says"
        )
    assert says(refusal(patch(fresh(), 344, "<4s", b"ni1\0")), ".hdr/.img pair")
    assert says(refusal(patch(fresh(), 344, "<4s", b"abc\0")), "not NIfTI")


def test_a_zipped_header_that_claims_terabytes_is_refused_before_memory_is_taken(tmp_path):
    path = patch(save(tmp_path / "scan.nii", voxels()), 42, "<3h", 32767, 32767, 32767)
    path = tmp_path / "big.nii.gz"
    path.write_bytes(gzip.compress((tmp_path / "scan.nii").read_bytes()))
    assert says(refusal(path), "header says 70,3")


def test_every_truncation_of_a_zipped_file_is_refused(tmp_path):
    whole = save(tmp_path / "scan.nii.gz", voxels()).read_bytes()
    path = tmp_path / "cut.nii.gz"
    for length in (0, 1, 2, 9, 50, 200, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert says(refusal(path), "cut.nii.gz")
    path.write_bytes(whole[: len(whole) // 2])
    assert says(refusal(path), "ends inside its gzip stream")


def test_a_wrong_checksum_and_flipped_bits_are_refused(tmp_path):
    whole = save(tmp_path / "scan.nii.gz", voxels()).read_bytes()
    path = tmp_path / "bad.nii.gz"
    path.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    assert says(refusal(path), "damaged gzip stream", "CRC")
    for place in range(20, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        assert says(refusal(path), "bad.nii.gz")
    path.write_bytes(whole + b"junk" * 9)
    assert says(refusal(path), "damaged gzip stream")


def test_truncated_plain_empty_foreign_and_missing_files_are_refused(tmp_path):
    path = save(tmp_path / "scan.nii", voxels())
    path.write_bytes(path.read_bytes()[:-10])
    assert says(refusal(path), "holds at most", "copy it again")
    path.write_bytes(b"")
    assert says(refusal(path), "0 bytes")
    path.write_bytes(b"<html><body>404 not found</body></html>" * 20)
    assert says(refusal(path), "not NIfTI")
    assert says(refusal(tmp_path / "absent.nii.gz"), "cannot be read", "no such file")
    assert says(refusal(tmp_path), "folder", "holds no DICOM file")


def test_without_a_case_the_file_names_it(tmp_path):
    with pytest.raises(CaseError, match="case scan12: "):
        read_volume(tmp_path / "scan12.nii.gz")
