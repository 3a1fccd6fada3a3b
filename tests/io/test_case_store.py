"""Stored cases: whole or absent, and the same numbers out as in."""

from __future__ import annotations

import json

import blosc2
import numpy as np
import pytest
from odd_files import KINDS, make_odd_file

from lesionseg.errors import CaseError, OutputError
from lesionseg.io.case_record import signed
from lesionseg.io.case_store import is_complete, list_cases, open_case, write_case
from lesionseg.storage.hashes import sha256_of_file
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
    "class": 1.0,
    "inside": 0.0,
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


def change_sidecar(folder, change):
    """Change p1_s1.json, and let its own sha256 fit again, as somebody who means it would."""
    path = folder / "p1_s1.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    path.write_text(json.dumps(signed(change(content))))


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

    monkeypatch.setattr("lesionseg.io.stored_array.blosc2.asarray", full)
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
    change_sidecar(tmp_path, lambda content: content | {"shape": [2, 71, 66, 9]})
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


def nan_corner(content):
    content["affine"][0][0] = float("nan")
    return content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nan_corner, "p1_s1.json.affine is"),
        (lambda c: c | {"affine": "here"}, "p1_s1.json.affine is 'here'"),
        (lambda c: c | {"affine": [[0.0] * 4] * 4}, "affine has voxels of 0x0x0"),
        (
            lambda c: c | {"original_affine": np.diag([1e4, 1, 1, 1]).tolist()},
            "original_affine has voxels of 1e+04x1x1 mm; want 0.001 to 50",
        ),
        (lambda c: c | {"slab_axis": 7}, "p1_s1.json.slab_axis is 7; want a whole number"),
        (lambda c: c | {"slab_axis": True}, "p1_s1.json.slab_axis is true"),
        (lambda c: {k: v for k, v in c.items() if k != "shape"}, "p1_s1.json.shape is missing"),
        (lambda c: c | {"shape": [3, 70, 66, 9]}, "2 channels are named, 3 stored"),
        (lambda c: c | {"shape": [2, -70, 66, 9]}, "p1_s1.json.shape is [2, -70, 66, 9]"),
        (lambda c: c | {"channels": ["FLAIR"]}, "1 channels are named, 2 stored"),
        (lambda c: c | {"files": {}}, "its files are []"),
        (lambda c: c | {"has_reference": False}, "its files are"),
        (lambda c: c | {"more": 1}, "has no setting 'more'"),
    ],
)
def test_a_sidecar_that_describes_no_case_is_one_line_and_made_again(tmp_path, change, said):
    write_case(tmp_path, make(), key="k")
    change_sidecar(tmp_path, change)
    with pytest.raises(CaseError, match=r"case p1_s1: .*; run preprocess again") as caught:
        open_case(tmp_path, "p1_s1")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not is_complete(tmp_path, "p1_s1", "k")


@pytest.mark.parametrize("place", ["affine", "slab_axis", "patient", "audit", "num_lesions"])
def test_a_changed_sidecar_is_not_complete(tmp_path, place):
    write_case(tmp_path, make(), key="k", audit={"1": [2.0], "10": None})
    assert is_complete(tmp_path, "p1_s1", "k")
    path = tmp_path / "p1_s1.json"
    content = json.loads(path.read_text())
    content[place] = {"affine": np.eye(4).tolist(), "slab_axis": 1, "num_lesions": 3}.get(place)
    path.write_text(json.dumps(content))
    assert not is_complete(tmp_path, "p1_s1", "k")


def test_an_audit_with_numbers_as_keys_is_complete(tmp_path):
    write_case(tmp_path, make(), key="k", audit={"lost": {1: 0, 2: 0, 10: 1}})
    assert is_complete(tmp_path, "p1_s1", "k")


def stored_code(path, ran):
    """A blosc2 file of a case's shape and type that holds a function in place of its voxels."""
    path.with_name("operand.b2nd").unlink(missing_ok=True)
    shape = make().image.shape
    operand = blosc2.zeros(shape, np.float16, urlpath=str(path.with_name("operand.b2nd")))
    array = blosc2.empty(shape, np.float16, urlpath=str(path), mode="w", meta={"LazyArray": 1})
    array.schunk.vlmeta["_LazyArray"] = {
        "UDF": f"def f(inputs, output, offset):\n    open({str(ran)!r}, 'w')\n",
        "operands": {"o0": operand.schunk.urlpath},
        "name": "f",
    }


def stored_metadata(path, ran):
    """The case's own array, with metadata behind it."""
    array = blosc2.open(str(path), mode="a")
    array.schunk.vlmeta["note"] = str(ran)


def stored_mark(path, ran):
    """An array that says of itself that it is to be made from something else."""
    array = make().image
    blosc2.asarray(array, urlpath=str(path), mode="w", meta={"LazyArray": str(ran)})


def bytes_behind(path, ran):
    """The case's own array, and something behind its end."""
    path.write_bytes(path.read_bytes() + path.read_bytes()[-200:])


def hidden_metadata(path, ran):
    """The same, and the file's head says that there is none."""
    stored_metadata(path, ran)
    content = bytearray(path.read_bytes())
    content[68] = 0xC2
    path.write_bytes(content)


@pytest.mark.parametrize(
    "put", [stored_code, stored_metadata, stored_mark, bytes_behind, hidden_metadata]
)
def test_a_stored_array_with_more_than_voxels_is_refused_before_it_is_opened(
    tmp_path, monkeypatch, put
):
    write_case(tmp_path, make())
    path = tmp_path / "p1_s1_image.b2nd"
    put(path, tmp_path / "ran")
    change_sidecar(
        tmp_path, lambda c: c | {"files": c["files"] | {"_image.b2nd": sha256_of_file(path)}}
    )
    monkeypatch.setattr("lesionseg.io.stored_array.blosc2.open", None)  # not reached
    with pytest.raises(CaseError, match=r"p1_s1_image.b2nd is damaged or no plain array"):
        open_case(tmp_path, "p1_s1")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["p1_s1.json", "p1_s1_image.b2nd", "p1_s1_lesions.csv"])
def test_a_stored_case_with_an_odd_file_is_one_line(tmp_path, kind, name):
    write_case(tmp_path, make(), key="k")
    (tmp_path / name).unlink()
    make_odd_file(kind, tmp_path / name)
    with pytest.raises(CaseError, match="run preprocess again"):
        open_case(tmp_path, "p1_s1")
    assert not is_complete(tmp_path, "p1_s1", "k")
