"""RT structure sets as masks: outlines filled in on the scan that they were drawn on."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from dicom_slices import write_series
from scipy.spatial.transform import Rotation

from lesionseg.datasets.dataset import find_scans
from lesionseg.errors import CaseError
from lesionseg.io import read_volume
from lesionseg.io.reading import STRICT
from lesionseg.reading.masks_on_grid import read_ids
from lesionseg.reading.scans import load_scan
from lesionseg.reporting import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.reporting.scoring.masks import read_reference
from lesionseg.settings.data import DataSettings

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
from structure_sets import write_structures

STRAIGHT = np.eye(3)
OBLIQUE = Rotation.from_euler("xyz", (20, -15, 40), degrees=True).as_matrix()
COLUMNS, ROWS, SLICES = 30, 28, 12
SPACING = (0.8, 0.7, 2.0)  # mm along columns, rows and slices
FIRST = np.array([5.0, -7.0, 90.0])  # LPS
CORNERS = np.linspace(0, 2 * np.pi, 200, endpoint=False)


def scan(folder, turn=STRAIGHT):
    row, column, normal = turn.T
    return write_series(
        folder,
        np.zeros((SLICES, ROWS, COLUMNS), np.int16),
        [FIRST + SPACING[2] * n * normal for n in range(SLICES)],
        orientation=(*row, *column),
        spacing=(SPACING[1], SPACING[0]),
    )


def place(turn, column, row, number):
    """mm LPS of a point given in voxels."""
    x, y, z = turn.T
    return FIRST + SPACING[0] * column * x + SPACING[1] * row * y + SPACING[2] * number * z


def circle(turn, number, centre=(14.3, 12.6), radius_mm=4.0):
    """The corners of a circle in slice `number` around a point in voxels."""
    return np.array(
        [
            place(
                turn,
                centre[0] + radius_mm * np.cos(angle) / SPACING[0],
                centre[1] + radius_mm * np.sin(angle) / SPACING[1],
                number,
            )
            for angle in CORNERS
        ]
    )


def sphere(turn, centre=(14.3, 12.6, 5.2), radius_mm=7.0):
    outlines = []
    for number in range(SLICES):
        beside = radius_mm**2 - (SPACING[2] * (number - centre[2])) ** 2
        if beside > 0:
            outlines.append(circle(turn, number, centre[:2], np.sqrt(beside)))
    return outlines


def distances(centre):
    """mm of each voxel centre from a point given in voxels; (columns, rows, slices)."""
    index = np.indices((COLUMNS, ROWS, SLICES))
    return np.sqrt(sum(((index[n] - centre[n]) * SPACING[n]) ** 2 for n in range(3)))


def mask_of(path, series, *structures):
    rule = dataclasses.replace(STRICT, structures=structures)
    return read_ids(path, "case7", rule, read_volume(series).grid)[0]


@pytest.mark.parametrize("turn", [STRAIGHT, OBLIQUE], ids=["straight", "oblique"])
def test_a_sphere_comes_back_where_it_was_outlined(tmp_path, turn):
    series, centre = scan(tmp_path / "ct", turn), np.array([14.3, 12.6, 5.2])
    path = write_structures(tmp_path / "rs.dcm", {"GTV": sphere(turn)})
    mask = mask_of(path, series)
    there = distances(centre) < 7
    dice = 2 * np.count_nonzero(mask.array & there) / (mask.array.sum() + there.sum())
    assert dice > 0.99  # both ask for the centres of voxels
    assert (np.abs(np.argwhere(mask.array).mean(axis=0) - centre) < 0.5).all()
    np.testing.assert_array_equal(mask.affine, read_volume(series).affine)
    assert mask.notes == ()


@pytest.mark.parametrize("turn", [STRAIGHT, OBLIQUE], ids=["straight", "oblique"])
def test_a_hole_stays_a_hole(tmp_path, turn):
    outer, inner = circle(turn, 4, radius_mm=6.0), circle(turn, 4, radius_mm=3.0)
    keyhole = np.concatenate([outer, outer[:1], inner[:1], inner[::-1]])
    away = distances((14.3, 12.6, 4))[:, :, 4]
    ring = (away < 6) & (away > 3)
    for number, outlines in enumerate(([outer, inner], [keyhole])):
        path = write_structures(tmp_path / f"{number}.dcm", {"GTV": outlines})
        array = mask_of(path, scan(tmp_path / "ct", turn)).array
        wrong = array[:, :, 4].astype(bool) != ring
        assert (np.abs(away[wrong] - 6) < 0.01).all()  # 200 corners are no circle
        assert wrong.sum() < 3
        assert not np.delete(array, 4, axis=2).any()


def test_structures_are_chosen_by_name(tmp_path):
    series = scan(tmp_path / "ct")
    near, far = circle(STRAIGHT, 2, (8, 8)), circle(STRAIGHT, 8, (20, 18))
    marker = ("POINT", np.array([place(STRAIGHT, 3, 3, 3)]))
    path = write_structures(
        tmp_path / "rs.dcm", {"GTV 1": [near], "Brain": [far], "isocentre": [marker]}
    )
    for wanted, slices in ((("gtv 1",), {2}), (("Brain",), {8}), (("GTV 1", "Brain"), {2, 8})):
        array = mask_of(path, series, *wanted).array
        assert set(np.flatnonzero(array.any(axis=(0, 1)))) == slices
    question = r"outlines 2 structures, 'GTV 1', 'Brain', and it cannot be told which are lesions"
    with pytest.raises(CaseError, match=question + r".*data\.lesions=\['GTV 1'\]"):
        mask_of(path, series)
    with pytest.raises(CaseError, match="none of PTV; name those of the lesions"):
        mask_of(path, series, "PTV")


def test_one_structure_beside_markers_needs_no_name(tmp_path):
    marker = ("POINT", np.array([place(STRAIGHT, 3, 3, 3)]))
    path = write_structures(
        tmp_path / "rs.dcm", {"isocentre": [marker], "any": [circle(STRAIGHT, 2)]}
    )
    assert mask_of(path, scan(tmp_path / "ct")).array.any()


def moved(by):
    return circle(STRAIGHT, 3) + by


@pytest.mark.parametrize(
    ("outlines", "said"),
    [
        ([circle(STRAIGHT, 3.5)], "up to 0.5 voxels off the slices of its scan"),
        ([circle(STRAIGHT, 3), circle(STRAIGHT, 4.2)], "up to 0.2 voxels off the slices"),
        ([circle(OBLIQUE, 3)], "voxels off the slices of its scan"),
        ([circle(STRAIGHT, SLICES)], "an outline that leaves its scan"),
        ([moved((20, 0, 0))], "an outline that leaves its scan"),
        ([circle(STRAIGHT, 3), ("OPEN_PLANAR", circle(STRAIGHT, 4))], "of type OPEN_PLANAR"),
        ([("POINT", circle(STRAIGHT, 3)[:1])], "holds no closed outline"),
        ([np.full((3, 3), np.nan)], "cannot be read as RTSTRUCT: a corner that is no number"),
        ([], "holds no closed outline"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(tmp_path, caplog, outlines, said):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what is no number
        path = write_structures(tmp_path / "rs.dcm", {"GTV": outlines})
    caplog.clear()
    with pytest.raises(CaseError, match=said) as caught:
        mask_of(path, scan(tmp_path / "ct"))
    assert "\n" not in str(caught.value)
    assert "DOE" not in str(caught.value)
    assert caplog.text == ""  # pydicom's own words may quote a header


def test_outlines_rounded_to_a_tenth_of_a_millimetre_are_in_their_slice(tmp_path):
    path = write_structures(tmp_path / "rs.dcm", {"GTV": [moved((0, 0, 0.1))]})
    assert mask_of(path, scan(tmp_path / "ct")).array[:, :, 3].any()


def test_an_outline_that_holds_no_voxel_centre_keeps_its_nearest_voxel(tmp_path):
    small = circle(STRAIGHT, 3, centre=(14.5, 12.5), radius_mm=0.2)
    path = write_structures(tmp_path / "rs.dcm", {"GTV": [small, circle(STRAIGHT, 5)]})
    (note,) = mask_of(path, scan(tmp_path / "ct")).notes
    assert note.startswith(
        "rs.dcm: 1 outlines hold no voxel centre of the scan; each marks the nearest"
    )


def test_an_outline_stored_twice_counts_once(tmp_path):
    series, outline = scan(tmp_path / "ct"), circle(STRAIGHT, 4)
    turned = np.roll(outline[::-1], 50, axis=0)  # the same corners from elsewhere, backwards
    once = mask_of(write_structures(tmp_path / "1.dcm", {"GTV": [outline]}), series)
    twice = mask_of(write_structures(tmp_path / "2.dcm", {"GTV": [outline, turned]}), series)
    assert once.array.any()
    np.testing.assert_array_equal(once.array, twice.array)


def test_outlines_that_overlap_are_joined_around_their_holes(tmp_path):
    left, right = (11.3, 12.6), (16.3, 12.6)
    outlines = [
        circle(STRAIGHT, 4, left, 5.0),
        circle(STRAIGHT, 4, right, 5.0),
        circle(STRAIGHT, 4, left, 1.2),  # a hole outside the right one
        circle(STRAIGHT, 4, (13.8, 12.6), 1.2),  # a hole inside both
    ]
    array = mask_of(write_structures(tmp_path / "rs.dcm", {"GTV": outlines}), scan(tmp_path / "ct"))
    far = [distances((*centre, 4))[:, :, 4] for centre in (left, right, (13.8, 12.6))]
    want = ((far[0] < 5) | (far[1] < 5)) & ((far[0] > 1.2) | (far[1] < 5)) & (far[2] > 1.2)
    assert np.count_nonzero(want != array.array[:, :, 4]) < 4  # 200 corners are no circle


def test_what_lies_in_a_hole_is_filled_again(tmp_path):
    outlines = [circle(STRAIGHT, 4, radius_mm=radius) for radius in (2.0, 6.0, 4.0)]
    path = write_structures(tmp_path / "rs.dcm", {"GTV": outlines})
    far = distances((14.3, 12.6, 4))[:, :, 4]
    want = (far < 2) | ((far > 4) & (far < 6))
    array = mask_of(path, scan(tmp_path / "ct")).array
    assert np.count_nonzero(want != array[:, :, 4]) < 4


def test_a_structure_drawn_on_every_third_slice_is_refused(tmp_path):
    series = scan(tmp_path / "ct")
    path = write_structures(tmp_path / "rs.dcm", {"GTV": [circle(STRAIGHT, n) for n in (2, 5, 8)]})
    said = r"structure 'GTV' leaves up to 2 slices without an outline .* at 2 places; interpolate"
    with pytest.raises(CaseError, match=said):
        mask_of(path, series)


def test_a_slice_forgotten_in_a_lesion_is_refused_whatever_is_drawn_elsewhere(tmp_path):
    series = scan(tmp_path / "ct")
    outlines = [circle(STRAIGHT, n) for n in (2, 3, 5, 6)]
    outlines += [circle(STRAIGHT, n, (6, 6), 2.0) for n in (3, 4, 5)]  # another lesion, beside
    path = write_structures(tmp_path / "rs.dcm", {"GTV": outlines})
    with pytest.raises(CaseError, match=r"leaves up to 1 slice without an outline .* at 1 place;"):
        mask_of(path, series)


@pytest.mark.parametrize("upper", [(6, 7, 8), (6,)], ids=["of three slices", "of one slice"])
def test_a_lesion_that_ends_two_slices_below_another_is_a_lesion_of_its_own(tmp_path, upper):
    path = write_structures(
        tmp_path / "rs.dcm", {"GTV": [circle(STRAIGHT, n) for n in (2, 3, *upper)]}
    )
    array = mask_of(path, scan(tmp_path / "ct")).array
    assert set(np.flatnonzero(array.any(axis=(0, 1)))) == {2, 3, *upper}


def test_lesions_beside_each_other_may_leave_slices_between_them(tmp_path):
    lesions = [circle(STRAIGHT, n, (8, 8), 2.0) for n in (2, 3)]
    lesions += [circle(STRAIGHT, n, (20, 18), 2.0) for n in (7, 8)]
    path = write_structures(tmp_path / "rs.dcm", {"GTV": lesions})
    array = mask_of(path, scan(tmp_path / "ct")).array
    assert set(np.flatnonzero(array.any(axis=(0, 1)))) == {2, 3, 7, 8}


def test_training_and_report_read_the_same_lesions(tmp_path):
    for name in ("P1", "P2"):
        series = scan(tmp_path / "data" / name / "CT")
        write_structures(
            tmp_path / "data" / name / "lesion.dcm",
            {"GTV": sphere(STRAIGHT), "Brain": [circle(STRAIGHT, 10)]},
        )
    dataset = find_scans(None, tmp_path / "data", lesions=["GTV"])
    assert [one.mask.name for one in dataset.scans] == ["lesion.dcm"] * 2
    loaded = load_scan(dataset.scans[0], dataset.labels)
    assert loaded.lesion_ids.max() == 1
    case = ReportCase(
        "P1",
        "P1",
        dataset.scans[0].mask,
        {"net": PredictionFiles(dataset.scans[0].mask)},
        image=series,
    )
    reference = read_reference(case, ScoringOptions(structures=("GTV",)))
    assert np.count_nonzero(reference.array) == np.count_nonzero(loaded.lesion_ids) > 100
    with pytest.raises(CaseError, match=r"for example structures=\['GTV'\]"):
        read_reference(case, ScoringOptions())
    assert DataSettings(root="x", lesions=("GTV",)).lesions == ("GTV",)
