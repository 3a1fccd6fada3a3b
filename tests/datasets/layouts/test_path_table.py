"""Tables of paths, written by hand."""

from __future__ import annotations

import os
import sys

import pytest
from layout_trees import tree

from lesionseg.datasets.layouts import detect_layout, read_path_table
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
        ("case,F,\na,a/f.nii,a/m.nii\n", "row 2 has 'a/m.nii' below no head"),
        ("case,F,split\na,a/f.nii,held\n", "split 'held'; want train, val or test"),
        ("case,F\na,a/f.nii,more\n", "more cells"),
        ("case,F,F\na,b,c\n", "each named, and once"),
        ("patient,F\na,a/f.nii\n", "want columns case"),
        ("case,mask\na,a/m.nii\n", "want columns case"),
        ('case,F\na,"a/f.nii\n', "no table"),
        (f"case,F\na,{'x' * 200_000}\n", "no table: field larger"),
        ("case,F\0\na,a/f.nii\n", "no table: it holds a NUL"),
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


PLAIN = "case,FLAIR,mask\na,a/f.nii,a/m.nii\nb,b/f.nii,b/m.nii\n"
WRITTEN = {
    "columns of ages and sites": "case,age,FLAIR,site,mask\n"
    "a,40,a/f.nii,x,a/m.nii\nb,,b/f.nii,a,b/m.nii\n",
    "pandas' index": ",case,FLAIR,mask\n0,a,a/f.nii,a/m.nii\n1,b,b/f.nii,b/m.nii\n",
    "another index": PLAIN.replace("case", "Unnamed: 0,case").replace("\n", "\n7,")[:-2],
    "empty rows and columns": PLAIN.replace("\n", ",,\n") + ",,,,\n\n,,,,\n",
    "semicolons and a mark": "\ufeff" + PLAIN.replace(",", ";").replace("\n", "\r\n") + ";;\r\n",
    "tabs": PLAIN.replace(",", "\t"),
    "the case as subject": PLAIN.replace("case", "subject"),
    "the case as participant_id": PLAIN.replace("case", "participant_id"),
    "the mask as label": PLAIN.replace("mask", "label"),
    "the mask as lesion_path": PLAIN.replace("mask", "lesion_path"),
    "a mask of the brain beside": "case,FLAIR,brain_mask,mask\n"
    "a,a/f.nii,b/m.nii,a/m.nii\nb,b/f.nii,a/m.nii,b/m.nii\n",
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tables_as_people_and_tools_write_them(tmp_path, name, encoding):
    tree(tmp_path, *FILES)
    (tmp_path / "scans.csv").write_bytes(WRITTEN[name].encode(encoding))
    layout = read_path_table(tmp_path / "scans.csv")
    assert layout.channels == ("FLAIR",)
    assert layout.rejected == {}
    assert [(s.case, s.images, s.mask) for s in layout.scans] == [
        (case, (tmp_path / case / "f.nii",), tmp_path / case / "m.nii") for case in ("a", "b")
    ]
    assert detect_layout(tmp_path).table == tmp_path / "scans.csv"


@pytest.mark.parametrize("head", ["patient", "Subject", "participant_id", "patient_id"])
def test_the_patient_of_several_cases(tmp_path, head):
    text = f"case,{head},F,mask\na,p1,a/f.nii,a/m.nii\nb,p1,b/f.nii,b/m.nii\n"
    layout = read_path_table(table(tmp_path, text))
    assert [(s.case, s.patient) for s in layout.scans] == [("a", "p1"), ("b", "p1")]
    assert "not read" not in layout.found


def test_columns_that_are_no_paths_are_said(tmp_path):
    path = table(tmp_path, WRITTEN["columns of ages and sites"])
    assert "columns that are not read: age, site" in read_path_table(path).found
    path = table(tmp_path, WRITTEN["a mask of the brain beside"])
    layout = read_path_table(path)
    assert "columns that are not read: brain_mask" in layout.found
    assert layout.masks == "column mask"


@pytest.mark.parametrize(
    "heads", ["case,F,brain_mask", "case,F,mask_brain", "case,F,mask,lesion", "case,F,seg,label"]
)
def test_where_heads_do_not_tell_the_mask_is_asked_for(tmp_path, heads):
    cells = ["a", "a/f.nii", "a/m.nii", "b/m.nii"][: heads.count(",") + 1]
    path = table(tmp_path, f"{heads}\n{','.join(cells)}\n")
    with pytest.raises(UsageError, match="none alone says that it is of the lesions"):
        read_path_table(path)
    last = heads.rpartition(",")[2]
    (scan,) = read_path_table(path, mask=last).scans
    assert (scan.mask, len(scan.images)) == (tmp_path / cells[-1], 1)
    with pytest.raises(UsageError, match="'F2', no column of paths"):
        read_path_table(path, mask="F2")


def test_absolute_paths_within_the_folder(tmp_path):
    layout = read_path_table(table(tmp_path, PLAIN.replace("a/", f"{tmp_path}/a/")))
    assert layout.scans[0].paths == (tmp_path / "a/f.nii", tmp_path / "a/m.nii")
    with pytest.raises(UsageError, match="leaves the data folder"):
        read_path_table(table(tmp_path, PLAIN.replace("a/f", f"{tmp_path}-2/a/f")))


def test_what_is_not_known_is_no_path_and_a_row_without_an_image_is_rejected_alone(tmp_path):
    text = PLAIN.replace("a/m.nii", "nan") + "c,NA,\nd,,a/m.nii\n"
    layout = read_path_table(table(tmp_path, text))
    assert [(s.case, s.mask) for s in layout.scans] == [("a", None), ("b", tmp_path / "b/m.nii")]
    for row, case in ((4, "c"), (5, "d")):
        words = f"case {case}: missing channel FLAIR (no path in scans.csv, row {row})"
        assert layout.rejected[case].startswith(words)


def test_a_test_set_of_which_no_row_has_an_image_is_not_replaced(tmp_path):
    text = PLAIN.replace("mask\n", "mask,split\n") + "c,,,test\n"
    with pytest.raises(UsageError, match="none of the 1 test scans can be used"):
        read_path_table(table(tmp_path, text))


@pytest.mark.skipif(sys.platform == "win32", reason="makes pipes")
def test_a_pipe_is_no_table_and_a_table_of_people_is_no_table_of_scans(tmp_path):
    table(tmp_path, PLAIN)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\na\t40\n")
    (tmp_path / "more.csv").write_text("case,age\na,40\n")
    assert detect_layout(tmp_path).table == tmp_path / "scans.csv"


@pytest.mark.parametrize("head", ["Patient ID", "patient id", "PATIENT-ID", "Subject ID"])
def test_heads_are_known_in_any_spelling(tmp_path, head):
    text = f"Case ID,{head},FLAIR,mask\na,p,a/f.nii,a/m.nii\nb,p,b/f.nii,b/m.nii\n"
    scans = read_path_table(table(tmp_path, text)).scans
    assert [(scan.case, scan.patient) for scan in scans] == [("a", "p"), ("b", "p")]
    assert detect_layout(tmp_path).layout == "table"


@pytest.mark.parametrize("head", ["set", "Fold", "partition"])
def test_a_column_of_words_for_train_and_test_is_the_split(tmp_path, head):
    text = f"case,FLAIR,mask,{head}\na,a/f.nii,a/m.nii,train\nb,b/f.nii,b/m.nii,Test\n"
    assert [s.split for s in read_path_table(table(tmp_path, text)).scans] == ["train", "test"]


def test_a_column_of_other_words_is_no_split_and_is_said(tmp_path):
    text = "case,FLAIR,mask,fold\na,a/f.nii,a/m.nii,1\nb,b/f.nii,b/m.nii,test\n"
    layout = read_path_table(table(tmp_path, text))
    assert [scan.split for scan in layout.scans] == ["train", "train"]
    assert "columns that are not read: fold" in layout.found


@pytest.mark.parametrize("word", ["val", "Validation", "valid", "dev"])
def test_rows_for_validation_are_training_scans_and_this_is_said(tmp_path, word):
    text = f"case,FLAIR,mask,split\na,a/f.nii,a/m.nii,train\nb,b/f.nii,b/m.nii,{word}\n"
    layout = read_path_table(table(tmp_path, text))
    assert [scan.split for scan in layout.scans] == ["train", "train"]
    assert "1 validation scan among those for training" in layout.found
