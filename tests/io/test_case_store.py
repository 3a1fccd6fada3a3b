"""Stored cases: whole or absent, and the same numbers out as in."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lesionseg.errors import CaseError, OutputError
from lesionseg.io.case_store import is_complete, list_cases, open_case, write_case
from lesionseg.structures import Case, Grid

ROW = {
    "volume_mm3": 17.5,
    "diameter_mm": 3.22,
    "centroid_r_mm": -1.0,
    "centroid_a_mm": 2.0,
    "centroid_s_mm": 3.0,
    "row_extent_mm": 2.0,
    "column_extent_mm": 4.0,
    "num_slices": 2.0,
}


def make(name="p1_s1", shape=(70, 66, 9), slab_axis=2, reference=True):
    rng = np.random.default_rng(0)
    ids = np.zeros(shape, np.int32)
    ids[1:3, 2:6, 4:6] = 70_000
    affine = np.diag([0.5, 0.5, 3, 1.0])
    return Case(
        name=name,
        patient="p1",
        image=rng.standard_normal((2, *shape)).astype(np.float16),
        lesion_ids=ids if reference else None,
        affine=affine,
        slab_axis=slab_axis,
        original=Grid((30, 31, 32), np.diag([-1, 1, 3, 1.0])),
        channels=("FLAIR", "T1"),
        lesions={70_000: ROW} if reference else {},
    )


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
def test_a_case_comes_back_as_it_was(tmp_path, slab_axis):
    case = make(slab_axis=slab_axis)
    write_case(tmp_path, case, key="abc")
    back = open_case(tmp_path, "p1_s1")
    np.testing.assert_array_equal(back.image[:], case.image)
    np.testing.assert_array_equal(back.lesion_ids[:], case.lesion_ids)
    np.testing.assert_array_equal(back.image[:, 3:40, 2:5, 4:7], case.image[:, 3:40, 2:5, 4:7])
    assert back.image.dtype == np.float16
    assert back.lesion_ids.dtype == np.int32
    assert isinstance(back.image[0, :2], np.ndarray)
    np.testing.assert_array_equal(back.affine, case.affine)
    np.testing.assert_array_equal(back.original.affine, case.original.affine)
    assert back.original.shape == (30, 31, 32)
    assert (back.name, back.patient, back.slab_axis) == ("p1_s1", "p1", slab_axis)
    assert back.channels == ("FLAIR", "T1")
    assert back.lesions == {70_000: ROW}
    assert back.shape == (70, 66, 9)


def test_a_scan_without_reference_and_one_without_lesions(tmp_path):
    write_case(tmp_path, make("none", reference=False))
    back = open_case(tmp_path, "none")
    assert back.lesion_ids is None
    assert back.lesions == {}
    case = make("clean")
    write_case(
        tmp_path, Case(**{**case.__dict__, "lesions": {}, "lesion_ids": case.lesion_ids * 0})
    )
    assert not open_case(tmp_path, "clean").lesion_ids[:].any()


def test_a_case_is_complete_for_its_own_key_only(tmp_path):
    assert list_cases(tmp_path) == []
    write_case(tmp_path, make(), key="abc")
    write_case(tmp_path, make("a.b_c"), key="abc")
    assert list_cases(tmp_path) == ["a.b_c", "p1_s1"]
    assert is_complete(tmp_path, "p1_s1", "abc")
    assert not is_complete(tmp_path, "p1_s1", "abd")
    assert not is_complete(tmp_path, "p1", "abc")


def test_the_sidecar_makes_the_case(tmp_path):
    write_case(tmp_path, make(), key="abc")
    (tmp_path / "p1_s1.json").unlink()
    assert list_cases(tmp_path) == []
    assert not is_complete(tmp_path, "p1_s1", "abc")
    with pytest.raises(CaseError, match="not complete"):
        open_case(tmp_path, "p1_s1")
    (tmp_path / "p1_s1.json").write_text("{")
    assert not is_complete(tmp_path, "p1_s1", "abc")


def test_a_failure_half_way_leaves_an_incomplete_case_and_no_partial_file(tmp_path, monkeypatch):
    write_case(tmp_path, make(), key="old")

    def full(*args, **kwargs):
        raise RuntimeError("Error while appending: no space")

    monkeypatch.setattr("lesionseg.io.case_store.blosc2.asarray", full)
    with pytest.raises(OutputError, match="no space"):
        write_case(tmp_path, make(), key="new")
    assert not is_complete(tmp_path, "p1_s1", "old")
    assert not is_complete(tmp_path, "p1_s1", "new")
    assert list(tmp_path.glob(".partial*")) == []


def test_damaged_arrays_are_refused(tmp_path):
    write_case(tmp_path, make())
    path = tmp_path / "p1_s1_image.b2nd"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CaseError, match="run preprocess again"):
        open_case(tmp_path, "p1_s1")
    write_case(tmp_path, make())
    sidecar = tmp_path / "p1_s1.json"
    content = json.loads(sidecar.read_text())
    content["shape"][1] += 1
    sidecar.write_text(json.dumps(content))
    with pytest.raises(CaseError, match="not the array its sidecar says"):
        open_case(tmp_path, "p1_s1")


def test_same_case_same_bytes(tmp_path):
    for folder in ("a", "b"):
        write_case(tmp_path / folder, make())
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 4
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_no_flipped_bit_goes_unnoticed(tmp_path):
    """Most flipped bits of a compressed array decompress to other voxels without an error."""
    write_case(tmp_path, make(), key="k")
    path = tmp_path / "p1_s1_image.b2nd"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(whole), 40, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        assert not is_complete(tmp_path, "p1_s1", "k")
        with pytest.raises(CaseError, match="run preprocess again"):
            open_case(tmp_path, "p1_s1").image[:]
    path.write_bytes(whole)
    assert is_complete(tmp_path, "p1_s1", "k")
    assert np.array_equal(open_case(tmp_path, "p1_s1").image[:], make().image)


def test_a_case_of_another_attempt_is_not_opened(tmp_path):
    write_case(tmp_path, make(), key="old")
    with pytest.raises(CaseError, match="of other files or settings; run preprocess again"):
        open_case(tmp_path, "p1_s1", key="new")
    assert open_case(tmp_path, "p1_s1", key="old").name == "p1_s1"
