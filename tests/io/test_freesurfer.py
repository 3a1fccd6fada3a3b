"""FreeSurfer's .mgh and .mgz, written by nibabel and broken by hand."""

from __future__ import annotations

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer import MGHImage
from oblique_niftis import OBLIQUE

from lesionseg.errors import CaseError
from lesionseg.io import read_volume

VOXELS = np.random.default_rng(0).integers(0, 200, (5, 6, 7))


def save(path, array=VOXELS, dtype=np.float32):
    nib.save(MGHImage(array.astype(dtype), OBLIQUE), path)
    return path


@pytest.mark.parametrize("name", ["T1.mgz", "T1.mgh"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_voxels_and_place_are_those_that_were_written(tmp_path, name, dtype):
    volume = read_volume(save(tmp_path / name, dtype=dtype))
    np.testing.assert_array_equal(volume.array, VOXELS)
    assert volume.array.dtype == dtype
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-4)
    assert volume.notes == ()


def test_the_centre_is_where_the_header_says(tmp_path):
    """c_ras is the place of voxel (width, height, depth) / 2, counted from the first centre."""
    head = struct.pack(">7i", 1, 4, 6, 8, 1, 0, 0) + struct.pack(">h", 1)
    head += struct.pack(">15f", 1, 2, 3, *(-1, 0, 0, 0, 0, -1, 0, 1, 0), 10, 20, 30)
    voxels = np.arange(4 * 6 * 8, dtype=np.uint8)
    (tmp_path / "a.mgh").write_bytes(head + bytes(284 - len(head)) + voxels.tobytes())
    volume = read_volume(tmp_path / "a.mgh")
    np.testing.assert_allclose(volume.affine @ [2, 3, 4, 1], [10, 20, 30, 1])
    np.testing.assert_allclose(volume.affine[:3, :3], [[-1, 0, 0], [0, 0, 3], [0, -2, 0]])
    assert volume.array[1, 2, 3] == 1 + 4 * 2 + 24 * 3


def test_one_of_several_frames(tmp_path):
    path = save(tmp_path / "a.mgz", np.stack([VOXELS, VOXELS + 1], axis=-1))
    with pytest.raises(CaseError, match=r"several volumes \(2 of 5x6x7\)"):
        read_volume(path)
    volume = read_volume(path, volume=1)
    np.testing.assert_array_equal(volume.array, VOXELS + 1)
    assert (volume.num_volumes, volume.notes) == (2, ())
    with pytest.raises(CaseError, match="no volume 2; it holds 2"):
        read_volume(path, volume=2)


def test_without_a_valid_position_it_is_refused_or_assumed(tmp_path):
    path = save(tmp_path / "a.mgh")
    content = bytearray(path.read_bytes())
    content[28:30] = b"\0\0"
    path.write_bytes(content)
    with pytest.raises(CaseError, match=r"goodRASFlag.*data\.assume_affine=true"):
        read_volume(path)
    volume = read_volume(path, assume_affine=True)
    assert "position assumed" in volume.notes[0]
    np.testing.assert_allclose(volume.affine[:3, 3], 0)


def changed(at, content):
    def change(data):
        return data[:at] + content + data[at + len(content) :]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:100], "an MGH header alone takes 284"),
        (lambda data: data[:500], "is cut short in volume 0"),
        (changed(0, struct.pack(">i", 2)), "is not MGH: version 2"),
        (changed(4, struct.pack(">i", -5)), r"dimensions \[-5, 6, 7, 1\]"),
        (changed(4, struct.pack(">3i", 100_000, 100_000, 6)), "mm large; want at most"),
        (changed(4, struct.pack(">3i", 4000, 4000, 3000)), "of memory|is cut short"),
        (changed(20, struct.pack(">i", 7)), "voxel type 7"),
        (changed(30, struct.pack(">f", 1e6)), "no usable position in the world"),
        (changed(30, struct.pack(">f", float("nan"))), "is not finite"),
        (lambda data: data + bytes(70_000_000), "goes on after its voxels"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_wrong_is_one_line(tmp_path, change, said, zipped):
    data = change(save(tmp_path / "a.mgh").read_bytes())
    path = tmp_path / ("b.mgz" if zipped else "b.mgh")
    path.write_bytes(gzip.compress(data, 1) if zipped else data)
    with pytest.raises(CaseError, match=said) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_stream_is_refused(tmp_path):
    data = save(tmp_path / "a.mgz").read_bytes()
    for broken in (data[:-9], data[:-8] + b"\0\0\0\0" + data[-4:], data[: len(data) // 2]):
        (tmp_path / "a.mgz").write_bytes(broken)
        with pytest.raises(CaseError, match="gzip stream"):
            read_volume(tmp_path / "a.mgz")
