"""Tables of paths, written by hand."""

from __future__ import annotations

import pytest
from layout_trees import tree

from lesionseg.datasets.layouts import read_path_table
from lesionseg.errors import NoInputError, UsageError

FILES = ("a/f.nii", "a/m.nii", "b/f.nii", "b/m.nii", "c/f.nii")


def table(root, text, name="scans.csv"):
    (tree(root, *FILES) / name).write_bytes(text.encode())
    return root / name


@pytest.mark.parametrize(("delimiter", "name"), [(",", "x.csv"), (";", "x.csv"), ("\t", "x.tsv")])
def test_a_row_is_a_scan(tmp_path, delimiter, name):
    rows = [
        ["case", "patient", "FLAIR", "mask", "split"],
        ["a", "p1", "a/f.nii", "a/m.nii", "train"],
        ["b", "p1", "b\\f.nii", "b/m.nii", ""],
        ["c", "", "c/f.nii", "", "Test"],
        ["d", "", "d/f.nii", "", "test"],
    ]
    text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows)
    layout = read_path_table(table(tmp_path, text, name))
    assert layout.channels == ("FLAIR",)
    assert [(s.case, s.patient, s.split, s.mask) for s in layout.scans] == [
        ("a", "p1", "train", tmp_path / "a/m.nii"),
        ("b", "p1", "train", tmp_path / "b/m.nii"),
        ("c", "c", "test", None),
    ]
    assert list(layout.rejected) == ["d"]


def test_our_own_columns_are_known_in_capitals_too(tmp_path):
    layout = read_path_table(table(tmp_path, "Case,FLAIR,MASK\na,a/f.nii,a/m.nii\n"))
    assert layout.channels == ("FLAIR",)
    assert [(s.case, s.mask) for s in layout.scans] == [("a", tmp_path / "a/m.nii")]
    joined = "case,FLAIR,Mask_Anna\nb,b/f.nii,b/m.nii\n"
    assert read_path_table(table(tmp_path, joined)).scans[0].raters[0][0] == "Anna"


def test_columns_of_raters(tmp_path):
    layout = read_path_table(
        table(tmp_path, "case,T1,mask_ann,mask_bob\nx,a/f.nii,a/m.nii,b/m.nii\n"),
        consensus="staple",
    )
    (scan,) = layout.scans
    assert scan.raters == (("ann", tmp_path / "a/m.nii"), ("bob", tmp_path / "b/m.nii"))
    assert scan.consensus == "staple"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,F\na,../f.nii\n", "leaves the data folder"),
        ("case,F\na,/etc/f.nii\n", "leaves the data folder"),
        ("case,F\n../a,a/f.nii\n", "no slash"),
        ("case,F\na,a/f.nii\na,b/f.nii\n", "row 3 names case a a second time"),
        ("case,F\na,\n", "row 2 has no path for F"),
        ("case,F,split\na,a/f.nii,val\n", "split 'val'; want train or test"),
        ("case,F\na,a/f.nii,more\n", "more cells"),
        ("case,F,F\na,b,c\n", "each named, and once"),
        ("patient,F\na,a/f.nii\n", "want columns case"),
        ("case,mask\na,a/m.nii\n", "want columns case"),
        ('case,F\na,"a/f.nii\n', "no table"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        read_path_table(table(tmp_path, text))


def test_no_row_and_no_file(tmp_path):
    with pytest.raises(NoInputError, match="no row"):
        read_path_table(table(tmp_path, "case,F\n"))
    with pytest.raises(NoInputError, match="cannot be read"):
        read_path_table(tmp_path / "absent.csv")
