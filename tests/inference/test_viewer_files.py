"""The lesions of a prediction as files of viewers, beside the masks."""

import dataclasses

import nibabel as nib
import numpy as np
import pytest
from dicom_sources import write_source
from exported_predictions import LESIONS, MODEL, PLAIN, a_prediction, files, write

from lesionseg.errors import CaseError
from lesionseg.inference.class_lesions import ScoredLesions
from lesionseg.inference.export import export_case
from lesionseg.inference.export_record import export_record, withdraw_export
from lesionseg.inference.prediction import Prediction
from lesionseg.inference.viewer_files import lesion_segments
from lesionseg.io import read_volume
from lesionseg.io.dicom.source_slices import source_slices
from lesionseg.lesion_classes import named_classes
from lesionseg.lesion_kinds import LesionKinds
from lesionseg.reporting.pictures.slices import CLASS_COLOURS

VIEWERS = ["instances/s1.label.txt", "seg_nrrd/s1.seg.nrrd"]


def test_files_of_viewers_are_written_when_asked_for_and_go_with_the_case(scan, tmp_path):
    out = tmp_path / "out"
    write(out, scan, extras=("seg_nrrd", "itk_snap"))
    assert files(out) == sorted([*PLAIN, *VIEWERS])
    assert '"lesion 2 (0.75)"' in (out / VIEWERS[0]).read_text()
    write(out, scan)
    assert files(out) == PLAIN


def test_the_segments_are_the_lesions_that_are_reported(scan):
    found = a_prediction(scan[1].array.shape, LESIONS)
    layers, segments = lesion_segments(found.kept, found.classes, scan[1].affine)
    assert len(layers) == 1
    assert [(one.number, one.score) for one in segments] == [(1, 0.9), (2, 0.75)]
    voxel = abs(np.linalg.det(nib.load(scan[0]).affine[:3, :3]))
    np.testing.assert_allclose([s.volume_mm3 for s in segments], [voxel, 27 * voxel], rtol=1e-4)


def test_a_lesion_around_another_is_whole_and_each_class_has_its_colour():
    ids = np.zeros((6, 6, 6), np.int32)
    ids[1:5, 1:5, 1:5], ids[2:4, 2:4, 2:4] = 1, 2
    kinds = LesionKinds(np.array([0, 1, 2], np.int32), np.array([0, 0, 1], np.int32))
    lesions = ScoredLesions(ids, {1: 0.9, 2: 0.8}, kinds, frozenset({1, 2}))
    classes = named_classes({"whole": [1, 2], "core": [2]}, regions=True)
    layers, segments = lesion_segments(lesions, classes, np.eye(4))
    assert [int((layers[one.layer] == one.number).sum()) for one in segments] == [64, 8]
    assert [one.name for one in segments] == ["whole 1 (0.90)", "core 2 (0.80)"]
    assert [one.volume_mm3 for one in segments] == [64.0, 8.0]
    for one, colour in zip(segments, CLASS_COLOURS):
        full = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
        part = np.array(one.colour)[full > 0] / full[full > 0]
        assert np.ptp(part) < 0.02


def test_overlapping_regions_have_a_dicom_segmentation_each(tmp_path):
    highdicom = pytest.importorskip("highdicom", reason="the extra dicom is not installed")
    series = write_source(tmp_path / "ct")
    like = read_volume(series)
    ids = np.zeros(like.array.shape, np.int32)
    ids[1:5, 1:5, 1:5], ids[2:4, 2:4, 2:4] = 1, 2
    kinds = LesionKinds(np.array([0, 1, 2], np.int32), np.array([0, 0, 1], np.int32))
    lesions = ScoredLesions(ids, {1: 0.9, 2: 0.8}, kinds, frozenset({1, 2}))
    classes = named_classes({"whole": [1, 2], "core": [2]}, regions=True)
    probability = np.zeros(ids.shape, np.float32)
    found = Prediction(lesions, lesions, (probability,) * 2, like.grid, classes=classes)
    plan = dataclasses.replace(MODEL.plan, lesion_classes=classes)
    model = dataclasses.replace(MODEL, plan=plan, points=MODEL.points * 2)
    record = export_record("s1", model, [series])
    source = source_slices(series, "s1", ids.shape, like.affine)
    export_case(tmp_path, "s1", found, like, record, extras=("dicom_seg",), source=source)
    for name, voxels in (("whole", 64), ("core", 8)):
        seg = highdicom.seg.segread(tmp_path / f"dicom_seg/{name}/s1.dcm")
        (one,) = seg.SegmentSequence
        assert one.SegmentLabel.startswith(name)
        assert int(seg.pixel_array.sum()) == voxels
        assert (tmp_path / f"dicom_sr/{name}/s1.dcm").is_file()
    withdraw_export(tmp_path, "s1")
    assert not list(tmp_path.glob("dicom_*/**/*.dcm"))


def test_slices_of_two_studies_are_refused_without_a_word_of_their_headers(tmp_path):
    pytest.importorskip("highdicom", reason="the extra dicom is not installed")
    from pydicom import dcmread

    series = write_source(tmp_path / "ct", PatientName="DOE^JANE")
    path = next(series.glob("*.dcm"))
    image = dcmread(path)
    image.StudyInstanceUID = "1.2.78"
    image.save_as(path)
    like = read_volume(series)
    found = a_prediction(like.array.shape, (((1, 1, 1), 2, 0.9),))
    record = export_record("s1", MODEL, [series])
    source = source_slices(series, "s1", like.array.shape, like.affine)
    with pytest.raises(CaseError, match="their headers do not fit together") as caught:
        export_case(tmp_path, "s1", found, like, record, extras=("dicom_seg",), source=source)
    assert "DOE" not in str(caught.value)
    assert "1.2.78" not in str(caught.value)
