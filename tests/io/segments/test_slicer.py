"""Segmentations for 3D Slicer, read again by SimpleITK."""

import gzip

import numpy as np
import pytest
import SimpleITK as sitk
from oriented_grids import GRIDS, LESIONS, centres, lesion_ids

from lesionseg.io.segments.segment import Segment, numbered_colour
from lesionseg.io.segments.slicer import write_seg_nrrd


def segment(number, *, name=None, layer=0, lesion_class="lesion"):
    colour = numbered_colour(number)
    name = name or f"lesion {number}"
    return Segment(number, name, lesion_class, colour, 0.5, 8.0, 2.48, layer)


SEGMENTS = [segment(number) for number in LESIONS]


@pytest.mark.parametrize("name", GRIDS)
def test_lesions_lie_where_they_lay_in_every_orientation(tmp_path, name):
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(path, [lesion_ids()], SEGMENTS, GRIDS[name])
    image = sitk.ReadImage(str(path))
    voxels = sitk.GetArrayFromImage(image)
    for lesion, centre in centres(GRIDS[name]).items():
        places = [tuple(map(int, index[::-1])) for index in np.argwhere(voxels == lesion)]
        points = np.array([image.TransformIndexToPhysicalPoint(place) for place in places])
        assert len(points) == len(LESIONS[lesion])
        np.testing.assert_allclose(points.mean(axis=0) * (-1, -1, 1), centre, atol=0.01)


def fields(path):
    head = path.read_bytes().partition(b"\n\n")[0].decode()
    lines = [line for line in head.splitlines() if ":=" in line]
    return dict(line.split(":=", 1) for line in lines)


def test_a_segment_has_the_fields_that_slicer_reads(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    named = segment(3, name="mass \\ 3 (0.50)", lesion_class="mass: left|right")
    write_seg_nrrd(path, [lesion_ids()], [*SEGMENTS[:2], named], np.eye(4))
    found = fields(path)
    assert found["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert found["Segment0_ID"] == "lesion_1"
    assert found["Segment2_Name"] == "mass \\\\ 3 (0.50)"  # NRRD escapes a backslash
    assert found["Segment2_LabelValue"] == "3"
    assert found["Segment2_Layer"] == "0"
    assert found["Segment2_Extent"] == "4 5 0 1 5 6"
    assert [0 <= float(part) <= 1 for part in found["Segment2_Color"].split()] == [True] * 3
    assert found["Segment2_Tags"].endswith("|LesionClass:mass- left/right|Score:0.5|")
    assert sitk.ReadImage(str(path)).GetMetaData("Segment1_Name") == "lesion 2"


def test_lesions_inside_others_are_whole_in_layers_of_their_own(tmp_path):
    outer, inner = np.zeros((2, 4, 5, 6), np.int32)
    outer[0:3, 1:4, 2:5] = 1
    inner[1, 2, 3] = 300
    path = tmp_path / "a.seg.nrrd"
    parts = [segment(1), segment(300, layer=1)]
    write_seg_nrrd(path, [outer, inner], parts, np.diag([2.0, 2.0, 3.0, 1.0]))
    head, _, body = path.read_bytes().partition(b"\n\n")
    lines = head.decode().splitlines()
    assert "dimension: 4" in lines
    assert "sizes: 2 4 5 6" in lines
    assert "type: unsigned short" in lines
    assert "kinds: list domain domain domain" in lines
    assert "space directions: none (-2,0,0) (0,-2,0) (0,0,3)" in lines
    voxels = np.frombuffer(gzip.decompress(body), "<u2").reshape((2, 4, 5, 6), order="F")
    np.testing.assert_array_equal(voxels[0], outer)
    np.testing.assert_array_equal(voxels[1], inner)
    assert fields(path)["Segment1_Layer"] == "1"


def test_a_scan_without_lesions_is_a_segmentation_without_segments(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(path, [np.zeros((4, 5, 6), np.int32)], [], np.eye(4))
    assert not sitk.GetArrayFromImage(sitk.ReadImage(str(path))).any()
    assert not any(key.startswith("Segment0") for key in fields(path))
