"""What prediction writes in further formats, what it says of them and what it keeps."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from dicom_slices import write_series
from dicom_sources import in_a_study
from scan_forms import integer_scan, mixed_series
from tiny_run import predict

from lesionseg.settings.common import EXTRAS, FORMATS
from lesionseg.stages.new_predictions import PLACES

CASE = "phantom_test000"
LOW = "score_threshold=0"  # after six steps nothing scores much


def test_formats_are_written_beside_the_masks_and_again_only_when_asked_for(finished):
    out = finished / "out"
    low = "score_threshold=0"
    assert predict(finished, low, "formats=[seg_nrrd,itk_snap,overview]") == 0
    made = [out / "overview.html", out / "seg_nrrd/phantom_test000.seg.nrrd"]
    made.append(out / "instances/phantom_test001.label.txt")
    assert all(path.is_file() for path in made)
    stamps = [path.stat().st_mtime_ns for path in made[1:]]
    assert predict(finished, low, "formats=[seg_nrrd]") == 0
    assert [path.stat().st_mtime_ns for path in made[1:]] == stamps
    assert not made[0].exists()
    assert predict(finished, low, "formats=[nrrd]") == 2


def test_scans_that_are_no_dicom_have_no_dicom_seg_and_are_refused_by_name(finished, capsys):
    pytest.importorskip("highdicom", reason="the extra dicom is not installed")
    assert predict(finished, "formats=[dicom_seg]") == 4
    said = capsys.readouterr().err
    assert "phantom_test000_0000.nii.gz is not DICOM, so that no DICOM SEG can refer to it" in said
    assert not list((finished / "out").glob("*.nii.gz"))


def test_a_dicom_scan_has_a_segmentation_and_a_report_beside_its_masks(finished, tmp_path):
    highdicom = pytest.importorskip("highdicom", reason="the extra dicom is not installed")
    for channel in ("0000", "0001"):
        image = nib.load(finished / f"phantom/imagesTs/phantom_test000_{channel}.nii.gz")
        image = nib.as_closest_canonical(image)
        array, size = np.asarray(image.dataobj), image.header.get_zooms()
        start = image.affine[:3, 3] * (-1, -1, 1)
        positions = [np.add(start, (0, 0, size[2] * k)) for k in range(array.shape[2])]
        folder = tmp_path / f"in/p_{channel}"
        voxels = array.transpose(2, 1, 0).astype(np.int16)
        turned = {"orientation": (-1, 0, 0, 0, -1, 0), "spacing": (size[1], size[0])}
        in_a_study(write_series(folder, voxels, positions, series=f"1.2.1{channel[-1]}", **turned))
    words = (f"input={tmp_path / 'in'}", "formats=[dicom_seg]", "score_threshold=0")
    assert predict(finished, *words) == 0
    ids = nib.load(finished / "out/instances/p.nii.gz")
    seg = highdicom.seg.segread(finished / "out/dicom_seg/p.dcm")
    report = highdicom.sr.srread(finished / "out/dicom_sr/p.dcm")
    found = np.asarray(ids.dataobj)
    assert found.max() == len(seg.SegmentSequence) > 0
    assert len(report.content.get_volumetric_roi_measurement_groups()) == found.max()
    volume = seg.get_volume(combine_segments=True)
    for number in range(1, int(found.max()) + 1):
        own = nib.affines.apply_affine(ids.affine, np.argwhere(found == number)).mean(axis=0)
        at = nib.affines.apply_affine(volume.affine, np.argwhere(volume.array == number))
        np.testing.assert_allclose(at.mean(axis=0) * (-1, -1, 1), own, atol=0.01)


def test_the_last_line_names_what_was_written_beside_the_masks(finished, capfd):
    assert set(PLACES) == {*EXTRAS, *FORMATS}
    words = ("save=[candidates]", "formats=[overview,seg_nrrd,itk_snap,bids]")
    assert predict(finished, *words) == 0
    said, out = capfd.readouterr().out, finished / "out"
    named = (
        "masks, candidates/, seg_nrrd/*.seg.nrrd, instances/*.label.txt, bids/ and overview.html"
    )
    assert said.endswith(f"; {named} in {out}\n")
    for place in named.replace(" and", ",").split(", ")[1:]:
        assert list(out.glob(place.rstrip("/"))), place


def test_a_scan_of_odd_name_has_files_in_every_format(finished):
    """Names of cases come from folders that people name."""
    images, out = finished / "phantom/imagesTs", finished / "out"
    for path in images.glob(f"{CASE}*"):
        path.rename(images / path.name.replace(CASE, "Müller [1] & co"))
    words = (LOW, "formats=[seg_nrrd,itk_snap,bids,overview]")
    assert predict(finished, *words) == 0
    case = "Müller [1] & co"
    made = [f"seg_nrrd/{case}.seg.nrrd", f"instances/{case}.label.txt"]
    made.append("bids/sub-Muller1co/anat/sub-Muller1co_desc-unet_dseg.tsv")
    assert all((out / name).is_file() for name in made)
    assert "Müller [1] &amp; co" in (out / "overview.html").read_text(encoding="utf-8")
    bad = images / f"{case}_0001.nii.gz"
    bad.write_bytes(bad.read_bytes()[:-100])
    assert predict(finished, *words) == 5
    assert not any((out / name).exists() for name in made)
    page = (out / "overview.html").read_text(encoding="utf-8")
    assert "Müller [1] &amp; co: rejected: " in page
    assert "1 of 2; those that could not be predicted" in page


def test_a_segmentation_changed_in_3d_slicer_is_never_replaced(finished, tmp_path, capsys):
    """It saves a segmentation to where it was opened."""
    seg = finished / f"out/seg_nrrd/{CASE}.seg.nrrd"
    assert predict(finished, LOW, "formats=[seg_nrrd]") == 0
    made = seg.read_bytes()
    head, _, body = made.partition(b"\n\n")
    edited = head + b"\n\n" + gzip.compress(bytes(len(gzip.decompress(body))))
    seg.write_bytes(edited)
    capsys.readouterr()
    assert predict(finished, LOW, "formats=[seg_nrrd]") == 0
    assert "was changed after it was written, and is kept" in capsys.readouterr().err
    assert predict(finished, "score_threshold=0.01", "formats=[seg_nrrd]") == 2
    assert f"seg_nrrd/{CASE}.seg.nrrd was changed" in capsys.readouterr().err
    scan = finished / f"phantom/imagesTs/{CASE}_0001.nii.gz"
    kept = scan.rename(tmp_path / "kept.nii.gz")
    scan.symlink_to(tmp_path / "nowhere")
    assert predict(finished, LOW, "formats=[seg_nrrd]") == 2
    said = capsys.readouterr().err
    assert f"rejected: case {CASE}" in said
    assert "would be replaced or removed; move it away" in said
    assert seg.read_bytes() == edited
    scan.unlink()
    kept.rename(scan)
    seg.write_bytes(made[:-30])
    assert predict(finished, LOW, "formats=[seg_nrrd]") == 0
    assert seg.read_bytes() == made


def test_series_of_one_folder_are_drawn_and_referred_to_as_they_were_read(finished, tmp_path):
    pytest.importorskip("highdicom", reason="the extra dicom is not installed")
    images = [finished / f"phantom/imagesTs/{CASE}_000{number}.nii.gz" for number in (0, 1)]
    root, out = tmp_path / "data", finished / "out"
    root.mkdir()
    mixed_series(integer_scan(images), root)
    in_a_study(root / "p1")
    words = (f"input={root}", LOW, "voxel_threshold=0.05")
    assert predict(finished, *words, "formats=[dicom_seg,overview,seg_nrrd,itk_snap,bids]") == 0
    page = (out / "overview.html").read_text(encoding="utf-8")
    assert "No pictures" not in page
    assert page.count('<img src="data:image/png') > 0
    carried = [path for path in out.rglob("*") if path.is_file() and named_doe(path)]
    assert {path.relative_to(out).parts[0] for path in carried} == {"dicom_seg", "dicom_sr"}


def named_doe(path):
    """Whether a file holds the patient's name."""
    content = path.read_bytes()
    if path.name.endswith(".gz"):
        content = gzip.decompress(content)
    return b"DOE" in content
