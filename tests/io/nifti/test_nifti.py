"""Strict NIfTI reading and faithful writing, against nibabel and headers broken byte by byte."""

from __future__ import annotations

import gzip
import itertools
import struct

import nibabel as nib
import numpy as np
import pytest
from refusals import refusal, says
from scipy.spatial.transform import Rotation

from lesionseg.errors import CaseError, OutputError, UsageError
from lesionseg.io import read_volume, write_mask, write_probability
from lesionseg.io.nifti.forms import forms_of
from lesionseg.structures import Volume

GEOMETRY = (
    "pixdim",
    "qform_code",
    "sform_code",
    "xyzt_units",
    "quatern_b",
    "quatern_c",
    "quatern_d",
)
GEOMETRY += ("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", (12, -20, 31), degrees=True).as_matrix() * (
    0.5,
    0.7,
    3,
)
OBLIQUE[:3, 3] = (-12.5, 33.25, 7)


def voxels(dtype=np.int16, shape=(5, 6, 7)):
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


def save(path, array, affine=OBLIQUE, *, sform=1, qform=1, kind=nib.Nifti1Image, **fields):
    image = kind(array, affine)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform)
    image.header.set_xyzt_units("mm")
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def patch(path, offset, fmt, *values):
    """Overwrite bytes of an uncompressed file."""
    content = bytearray(path.read_bytes())
    struct.pack_into(fmt, content, offset, *values)
    path.write_bytes(content)
    return path


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
    path = patch(save(tmp_path / "scan.nii", voxels()), 123, "<b", code)
    expected = OBLIQUE.copy()
    expected[:3] *= scale
    np.testing.assert_allclose(read_volume(path).affine, expected, rtol=1e-6)
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


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_mask_has_the_geometry_of_its_scan_bit_for_bit_and_nothing_else(tmp_path, ending):
    fields = {"descrip": b"JOHN DOE", "aux_file": b"secret", "db_name": b"name", "cal_max": 9}
    path = save(tmp_path / "scan.nii.gz", voxels(), sform=2, qform=3, **fields)
    mask = voxels() > 50
    write_mask(tmp_path / f"mask{ending}", mask, like=read_volume(path))
    scan, written = nib.load(path), nib.load(tmp_path / f"mask{ending}")
    np.testing.assert_array_equal(np.asarray(written.dataobj), mask)
    assert written.get_data_dtype() == np.uint8
    for name in GEOMETRY:
        assert written.header[name].tobytes() == scan.header[name].tobytes(), name
    for name in ("descrip", "aux_file", "db_name", "intent_name"):
        assert bytes(written.header[name]).strip(b"\0") == b""
    assert [path.name for path in tmp_path.glob(".partial*")] == []


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_a_mask_goes_out_and_back_in_all_orientations(tmp_path, axes, signs):
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[list(axes)] * np.multiply(signs, (0.5, 0.8, 3.0))
    affine[:3, 3] = (1.5, -2.25, 4)
    scan = read_volume(save(tmp_path / "scan.nii", voxels(), affine))
    write_mask(tmp_path / "mask.nii.gz", (voxels() > 50).astype(np.int64), like=scan)
    back = read_volume(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(back.array, voxels() > 50)
    np.testing.assert_allclose(back.affine, affine, atol=1e-6)
    written = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(written.get_qform(), written.get_sform(), atol=1e-5)


def test_masks_are_uint8_and_ids_uint16_until_int32_is_needed(tmp_path):
    scan = Volume(voxels(), OBLIQUE)
    ids = np.zeros(scan.array.shape, np.int32)
    for top, dtype in ((0, np.uint16), (255, np.uint16), (65535, np.uint16), (65536, np.int32)):
        ids[1, 2, 3] = top
        write_mask(tmp_path / "ids.nii.gz", ids, like=scan)
        assert read_volume(tmp_path / "ids.nii.gz").array.dtype == dtype
        assert read_volume(tmp_path / "ids.nii.gz").array[1, 2, 3] == top
    for mask in (ids > 0, (ids > 0).astype(np.uint8)):
        write_mask(tmp_path / "mask.nii.gz", mask, like=scan)
        assert read_volume(tmp_path / "mask.nii.gz").array.dtype == np.uint8


def test_probabilities_are_float32(tmp_path):
    values = np.random.default_rng(1).random((5, 6, 7))
    write_probability(tmp_path / "p.nii.gz", values, like=Volume(voxels(), OBLIQUE))
    back = read_volume(tmp_path / "p.nii.gz").array
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, values.astype(np.float32))


def test_same_mask_same_bytes(tmp_path):
    scan = Volume(voxels(), OBLIQUE)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_mask(tmp_path / name, voxels(), like=scan)
    content = (tmp_path / "a.nii.gz").read_bytes()
    assert content == (tmp_path / "b.nii.gz").read_bytes()
    assert content[3] == 0  # no file name in the gzip header
    assert content[4:8] == bytes(4)  # no time


def test_what_is_not_a_mask_of_that_scan_is_our_own_mistake(tmp_path):
    scan = Volume(voxels(), OBLIQUE)
    with pytest.raises(ValueError, match="shape"):
        write_mask(tmp_path / "m.nii.gz", np.zeros((2, 2, 2), np.uint8), like=scan)
    with pytest.raises(ValueError, match="integers"):
        write_mask(tmp_path / "m.nii.gz", voxels(np.float32), like=scan)
    with pytest.raises(ValueError, match="-3"):
        write_mask(tmp_path / "m.nii.gz", voxels() * 0 - 3, like=scan)
    with pytest.raises(UsageError, match=r"\.nii\.gz"):
        write_mask(tmp_path / "m.png", voxels(), like=scan)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    scan = Volume(voxels(), OBLIQUE)
    write_mask(tmp_path / "m.nii.gz", voxels(), like=scan)
    before = (tmp_path / "m.nii.gz").read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lesionseg.storage.atomic.os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_mask(tmp_path / "m.nii.gz", voxels() * 0, like=scan)
    assert [path.name for path in tmp_path.iterdir()] == ["m.nii.gz"]
    assert (tmp_path / "m.nii.gz").read_bytes() == before


def test_made_forms_read_back_as_the_affine_by_nibabel():
    rng = np.random.default_rng(3)
    for _ in range(50):
        affine = np.eye(4)
        affine[:3, :3] = Rotation.random(random_state=rng.integers(1 << 31)).as_matrix()
        affine[:3, :3] *= rng.uniform(0.3, 5, 3) * rng.choice([-1, 1], 3)
        affine[:3, 3] = rng.uniform(-99, 99, 3)
        forms = forms_of(affine)
        header = nib.Nifti1Header()
        header["pixdim"] = forms.pixdim
        header["qform_code"] = 1
        for name, value in zip("bcd", forms.quatern):
            header[f"quatern_{name}"] = value
        for name, value in zip("xyz", forms.qoffset):
            header[f"qoffset_{name}"] = value
        np.testing.assert_allclose(header.get_qform(), affine, atol=2e-4)
        np.testing.assert_allclose(forms.srow, affine[:3], rtol=1e-6)
