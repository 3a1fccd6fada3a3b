"""DICOM series: read by position, refused with figures, resampled on request."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_slices import PATIENT, slice_bytes, write_series
from refusals import refusal, says
from scipy.spatial.transform import Rotation

from lesionseg.datasets.dataset import MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.geometry import to_canonical
from lesionseg.io import read_volume, write_mask
from lesionseg.io.reading import content_files
from lesionseg.reading.scans import load_scan

VOXELS = np.random.default_rng(0).integers(-900, 900, (6, 5, 7)).astype(np.int16)
SECRETS = (PATIENT, "JOHN", "1.2.3")
UPWARD = [(10, 20, 30 + 2.5 * index) for index in range(6)]


def test_slices_are_sorted_by_position_and_come_out_in_ras(tmp_path):
    folder = write_series(tmp_path / "ct", VOXELS, UPWARD, spacing=(0.5, 0.25))
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.array, VOXELS.transpose(2, 1, 0))
    # PixelSpacing is from row to row first; DICOM's x and y point left and back
    expected = [[-0.25, 0, 0, -10], [0, -0.5, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.affine, expected, atol=1e-6)
    assert volume.notes == ()


def test_an_oblique_series_lies_where_its_headers_say(tmp_path):
    turn = Rotation.from_euler("xyz", (20, -15, 40), degrees=True).as_matrix()
    row, column, normal = turn.T
    positions = [np.array([5, -7, 90]) + 3 * index * normal for index in range(6)]
    folder = write_series(tmp_path / "ct", VOXELS, positions, orientation=(*row, *column))
    volume = read_volume(folder)
    place = np.array([5, -7, 90]) + 6 * row + 2 * column + 3 * 4 * normal
    np.testing.assert_allclose((volume.affine @ [6, 2, 4, 1])[:3], place * (-1, -1, 1), atol=1e-4)
    assert volume.array[6, 2, 4] == VOXELS[4, 2, 6]


def test_a_series_stacked_downward_is_turned(tmp_path):
    folder = write_series(tmp_path / "ct", VOXELS[::-1], UPWARD[::-1])
    np.testing.assert_array_equal(read_volume(folder).array, VOXELS.transpose(2, 1, 0))


def test_compressed_slices_padded_with_zeros_are_whole(tmp_path):
    voxels = np.random.default_rng(0).integers(-900, 900, (3, 40, 44)).astype(np.int16)
    folder = write_series(tmp_path / "ct", voxels, UPWARD, packed=True)
    path = folder / "001.dcm"
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(4096))
    np.testing.assert_array_equal(read_volume(folder).array, voxels.transpose(2, 1, 0))
    path.write_bytes(whole[:-8] + bytes(4096))
    with pytest.raises(CaseError, match=r"001\.dcm is cut short or garbled"):
        read_volume(folder)


def test_a_mask_for_it_is_nifti_in_the_same_place(tmp_path):
    volume = read_volume(write_series(tmp_path / "ct", VOXELS, UPWARD))
    write_mask(tmp_path / "mask.nii.gz", volume.array > 0, like=volume)
    back = read_volume(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-5)
    np.testing.assert_array_equal(back.array, volume.array > 0)


def drifting(step):
    return [(10, 20 + step * index, 30 + 2.5 * index) for index in range(6)]


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        (drifting(1.0), ("tilted by 21.8 degrees",)),  # atan(1 / 2.5)
        ([(0, 0, z) for z in (0, 2, 4, 6, 11, 13)], ("unequal gaps of 2.00 to 5.00 mm",)),
        ([(0, 0, z) for z in (0, 2, 4, 8, 10, 12)], ("1 missing slices", "2.00 to 4.00 mm")),
        ([(0, 0, 2 * n) if n != 2 else (1, 0, 4) for n in range(6)], ("shifted in their plane",)),
    ],
)
def test_irregular_stacks_are_refused_with_their_figures(tmp_path, positions, words):
    assert says(
        refusal(write_series(tmp_path / "ct", VOXELS, positions), secrets=SECRETS),
        *words,
        "dicom.irregular=resample",
    )


def test_gaps_that_differ_by_rounding_alone_are_regular(tmp_path):
    positions = [(0, 0, round(z, 2)) for z in np.arange(6) * 10 / 3]
    assert read_volume(write_series(tmp_path / "ct", VOXELS, positions)).notes == ()


@pytest.mark.parametrize("irregular", ["refuse", "resample"])
def test_what_resampling_cannot_mend_is_refused_either_way(tmp_path, irregular):
    def folder(name, *series):
        for index, (positions, tags) in enumerate(series):
            place = tmp_path / name / str(index)
            write_series(place, VOXELS, positions, first=1 + 100 * index, **tags)
            for path in (tmp_path / name / str(index)).iterdir():
                path.rename(tmp_path / name / f"{index}-{path.name}")
            (tmp_path / name / str(index)).rmdir()
        return tmp_path / name

    turned = {"orientation": (0, 1, 0, 0, 0, -1)}
    cases = [
        (folder("repeated", (UPWARD, {}), (UPWARD, {})), ("12 slices at 6 positions",)),
        (folder("series", (UPWARD, {}), (UPWARD, {"series": "1.2.4"})), ("2 stacks", "6, 6")),
        (folder("scout", (UPWARD, {}), (UPWARD, turned)), ("2 stacks",)),
        (folder("mosaic", (UPWARD, {"kind": "ORIGINAL\\MOSAIC"})), ("mosaic",)),
        (folder("frames", (UPWARD, {"frames": 3})), ("3 frames",)),
        (folder("nowhere", ([None] * 6, {})), ("no position",)),
        (folder("garbled", (UPWARD, {"spacing": (0, 1)})), ("pixel spacing",)),
        (folder("skew", (UPWARD, {"orientation": (1, 0, 0, 1, 0, 0)})), ("unit vectors",)),
        (folder("one", (UPWARD[:1], {})), ("one slice",)),
    ]
    for path, words in cases:
        assert says(refusal(path, secrets=SECRETS, dicom_irregular=irregular), *words)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    folder = write_series(tmp_path / "ct", VOXELS, UPWARD)
    whole = (folder / "003.dcm").read_bytes()
    for length in (140, 400, len(whole) - 30, len(whole) - 1):
        (folder / "003.dcm").write_bytes(whole[:length])
        assert says(refusal(folder, secrets=SECRETS), "003.dcm")
    (folder / "003.dcm").write_bytes(slice_bytes(VOXELS[0][:4], UPWARD[3]))
    assert says(refusal(folder, secrets=SECRETS), "several sizes")
    (tmp_path / "empty").mkdir()
    assert says(refusal(tmp_path / "empty", secrets=SECRETS), "no DICOM file")


def test_what_is_not_dicom_is_passed_over(tmp_path):
    folder = write_series(tmp_path / "ct", VOXELS, UPWARD)
    (folder / "LICENSE").write_text("text")
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    assert read_volume(folder).array.shape == (7, 5, 6)


def test_a_tilted_series_is_straightened_onto_planes_through_every_slice(tmp_path):
    """Each slice is a ramp of its own true world position, so the result must be that ramp too."""
    count, rows, columns = 6, 24, 9
    gaps = np.cumsum([0, 4, 4, 1, 7, 7])
    positions = [(-4.0, -10 + 0.25 * z, 50.0 + z) for z in gaps]
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    voxels = np.stack([2 * (px + x) + 10 * (py + y) + 8 * pz for px, py, pz in positions])
    folder = write_series(tmp_path / "ct", np.rint(voxels).astype(np.int16), positions)
    assert says(refusal(folder, secrets=SECRETS), "tilted by 14.0 degrees", "1.00 to 7.00 mm")
    volume = read_volume(folder, dicom_irregular="resample")
    (note,) = volume.notes
    assert "6 slices onto 24 planes 1 mm apart" in note
    planes = volume.affine[2, 3] + volume.affine[2, 2] * np.arange(volume.array.shape[2])
    for _, _, z in positions:
        assert np.abs(planes - z).min() < 0.1
    grid = np.stack(np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij"), -1)
    world = grid @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    expected = -2 * world[..., 0] - 10 * world[..., 1] + 8 * world[..., 2]
    inner = (slice(1, -1), slice(7, 17))  # where every slice has voxels
    np.testing.assert_allclose(volume.array[inner], expected[inner], atol=1.5)
    assert volume.array.shape[0] == columns
    assert len(positions) == count


def test_a_missing_slice_is_interpolated_on_request_and_noted(tmp_path):
    positions = [(0, 0, z) for z in (0, 2, 4, 8, 10, 12)]
    folder = write_series(tmp_path / "ct", VOXELS, positions)
    volume = read_volume(folder, dicom_irregular="resample")
    assert volume.array.shape == (7, 5, 7)
    np.testing.assert_array_equal(volume.array[:, :, [0, 1, 2, 4, 5, 6]], VOXELS.transpose(2, 1, 0))
    middle = (VOXELS[2].astype(float) + VOXELS[3]).T / 2
    np.testing.assert_allclose(volume.array[:, :, 3], middle, atol=1e-3)
    assert "1 missing slices" in volume.notes[0]


def test_a_series_and_its_nifti_mask_are_one_scan(tmp_path):
    folder = write_series(tmp_path / "ct", VOXELS, UPWARD)
    volume = read_volume(folder)
    write_mask(tmp_path / "mask.nii.gz", volume.array > 700, like=volume)
    files = ScanFiles("case7", "case7", "train", (folder,), tmp_path / "mask.nii.gz")
    scan = load_scan(files, MaskLabels())
    assert len(content_files(folder)) == 6
    turned, _ = to_canonical(VOXELS.transpose(2, 1, 0), volume.affine)
    np.testing.assert_array_equal(scan.channels[0], turned)
    np.testing.assert_array_equal(scan.lesion_ids > 0, turned > 700)
