"""Lesions as DICOM SEG and measurement report, read again by highdicom, pydicom and ourselves."""

import sys

import numpy as np
import pytest
from dicom_sources import FRAME, LESIONS, STUDY, centres, directions, lesion_frames, write_source
from dicom_sources import SPACING as PIXEL
from enhanced_dicoms import write_enhanced

from lesionseg.errors import CaseError, UsageError
from lesionseg.io import read_volume
from lesionseg.io.dicom.segmentation import read_dicom_seg
from lesionseg.io.dicom.segmentation_writing import write_dicom_seg
from lesionseg.io.dicom.source_slices import is_dicom_scan, source_slices
from lesionseg.io.segments.segment import Segment

DIRECTIONS = directions()
VOXEL_MM3 = 3.0 * PIXEL[0] * PIXEL[1]

highdicom = pytest.importorskip("highdicom", reason="the extra dicom is not installed")


def segment(number, **changes):
    values = {"name": f"lesion {number} (0.75)", "lesion_class": "lesion", "score": 0.75}
    return Segment(
        number=number, colour=(255, 64, 0), volume_mm3=12.5, diameter_mm=2.88, **values | changes
    )


SEGMENTS = [segment(number) for number in LESIONS]


def write(folder, path, segments=SEGMENTS, *, series=None):
    """Both files of a scan whose voxels are lesion ids."""
    volume = read_volume(path)
    ids = np.rint(volume.array).astype(np.int32)
    if not segments:
        ids[:] = 0
    source = source_slices(path, "case7", volume.array.shape, volume.affine, series=series)
    made = folder / "seg.dcm", folder / "sr.dcm"
    write_dicom_seg(*made, source, ids, segments, model="maskrcnn", weights="w" * 64)
    return made


def centres_by_frames(path):
    """LPS centre of each segment, from the attributes of the frames."""
    from pydicom import dcmread

    seg = dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    turn = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    down, across = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    places = {}
    for frame, mask in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array):
        number = int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        start = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        for row, column in np.argwhere(mask):
            place = start + column * across * turn[:3] + row * down * turn[3:]
            places.setdefault(number, []).append(place)
    return {number: np.mean(found, axis=0) for number, found in places.items()}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_lesions_lie_where_they_lay_in_every_orientation(tmp_path, name):
    expected = centres(*DIRECTIONS[name])
    path, _ = write(tmp_path, write_source(tmp_path / "ct", *DIRECTIONS[name]))
    assert set(centres_by_frames(path)) == set(LESIONS)
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    own = read_dicom_seg(path, "case7")
    lps = np.diag([-1, -1, 1, 1])
    for lesion, centre in expected.items():
        np.testing.assert_allclose(centres_by_frames(path)[lesion], centre, atol=0.01)
        for array, affine in ((volume.array, volume.affine), (own.array, lps @ own.affine)):
            places = np.argwhere(array == lesion)
            assert len(places) == len(LESIONS[lesion])
            centroid = affine[:3, :3] @ places.mean(axis=0) + affine[:3, 3]
            np.testing.assert_allclose(centroid, centre, atol=0.01)


def test_frames_of_an_enhanced_file_are_found_in_any_order(tmp_path):
    frames = lesion_frames(np.uint16)
    order = [3, 0, 5, 1, 4, 2]
    row, column = DIRECTIONS["LP-oblique"]
    places = [np.array((-31.25, 12.5, 55.0)) + 3.0 * k * np.cross(row, column) for k in order]
    path = tmp_path / "in" / "scan.dcm"
    path.parent.mkdir()
    write_enhanced(
        path,
        frames[order],
        places,
        orientation=(*row, *column),
        spacing=PIXEL,
        StudyInstanceUID=STUDY,
        FrameOfReferenceUID=FRAME,
    )
    seg, _ = write(tmp_path, path)
    for lesion, centre in centres(row, column).items():
        np.testing.assert_allclose(centres_by_frames(seg)[lesion], centre, atol=0.01)


def test_a_segment_says_its_name_score_and_code_and_refers_to_the_scan(tmp_path):
    from pydicom import dcmread

    series = write_source(
        tmp_path / "ct", PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 100"
    )
    segments = [*SEGMENTS[:2], segment(3, name="x" * 80, lesion_class="core", score=0.5)]
    seg = dcmread(write(tmp_path, series, segments)[0])
    assert (seg.StudyInstanceUID, seg.FrameOfReferenceUID, seg.PatientID) == (STUDY, FRAME, "77")
    assert str(seg.PatientName) == "Müller^Jörg"
    assert seg.SeriesInstanceUID != "1.2.3"
    first, _, third = seg.SegmentSequence
    assert first.SegmentLabel == "lesion 1 (0.75)"
    assert first.SegmentDescription == "lesion, score 0.75"
    assert third.SegmentLabel == "x" * 64
    assert third.SegmentDescription == "core, score 0.5"
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"  # SNOMED CT: lesion
    assert first.SegmentAlgorithmType == "AUTOMATIC"
    referred = {
        one.ReferencedSOPInstanceUID
        for one in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referred == {f"1.2.3.{number}" for number in range(1, 7)}


def test_the_report_measures_every_segment(tmp_path):
    seg, report = write(tmp_path, write_source(tmp_path / "ct"))
    found = highdicom.sr.srread(report)
    assert (found.StudyInstanceUID, found.PatientID) == (STUDY, "77")
    groups = found.content.get_volumetric_roi_measurement_groups()
    referred = [group.referenced_segment[0].ReferencedSOPSequence[0] for group in groups]
    assert [int(one.ReferencedSegmentNumber) for one in referred] == [1, 2, 3]
    uids = {one.ReferencedSOPInstanceUID for one in referred}
    assert uids == {highdicom.seg.segread(seg).SOPInstanceUID}
    values = {m.name.value: (m.value, m.unit.value) for m in groups[1].get_measurements()}
    assert values == {"118565006": (12.5, "mm3"), "81827009": (2.88, "mm"), "score": (0.75, "1")}


def test_lesions_whose_numbers_have_gaps_are_numbered_anew(tmp_path):
    voxels = np.where(lesion_frames() == 2, 0, lesion_frames())
    series = write_source(tmp_path / "ct", voxels=voxels)
    path, report = write(tmp_path, series, [SEGMENTS[0], SEGMENTS[2]])
    found = centres_by_frames(path)
    expected = centres(np.array([1, 0, 0]), np.array([0, 1, 0]))
    np.testing.assert_allclose(found[1], expected[1], atol=0.01)
    np.testing.assert_allclose(found[2], expected[3], atol=0.01)
    groups = highdicom.sr.srread(report).content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["lesion 1 (0.75)", "lesion 3 (0.75)"]


def test_a_scan_without_lesions_says_that_none_was_found(tmp_path):
    path, report = write(tmp_path, write_source(tmp_path / "ct"), [])
    seg = highdicom.seg.segread(path)
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["no lesion found"]
    assert not seg.pixel_array.any()
    assert not read_dicom_seg(path, "case7").array.any()
    content = highdicom.sr.srread(report).content
    assert content.get_volumetric_roi_measurement_groups() == []
    (group,) = content.get_image_measurement_groups()
    (measured,) = group.get_measurements()
    assert (measured.name.meaning, measured.value) == ("Number of lesions found", 0)


@pytest.mark.parametrize("key", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_a_series_without_a_study_or_frame_of_reference_is_refused(tmp_path, key):
    series = write_source(tmp_path / "ct", **{key: None})
    with pytest.raises(CaseError, match=rf"slices in ct have no {key}"):
        write(tmp_path, series)


def test_a_series_that_was_resampled_is_refused(tmp_path):
    series = write_source(tmp_path / "ct")
    volume = read_volume(series)
    for affine in (volume.affine @ np.diag([1, 1, 1.1, 1]), volume.affine + 0.2 * np.eye(4, k=1)):
        with pytest.raises(CaseError, match="was resampled from slices"):
            source_slices(series, "case7", volume.array.shape, affine)
    x, y, z = volume.array.shape
    with pytest.raises(CaseError, match="was resampled from slices"):
        source_slices(series, "case7", (x, y, z + 1), volume.affine)


def test_a_scan_that_is_no_dicom_is_refused(tmp_path):
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(b"none")
    assert not is_dicom_scan(path)
    assert not is_dicom_scan(tmp_path / "absent.nii.gz")
    with pytest.raises(CaseError, match=r"scan\.nii\.gz is not DICOM, so that no DICOM SEG"):
        source_slices(path, "case7", (1, 1, 1), np.eye(4))


def test_without_the_extra_the_message_names_it(tmp_path, monkeypatch):
    series = write_source(tmp_path / "ct")
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(UsageError, match=r"pip install 'lesionseg\[dicom\]'"):
        source_slices(series, "case7", (8, 7, 6), np.eye(4))
