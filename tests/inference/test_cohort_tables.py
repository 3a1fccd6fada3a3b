"""The tables over all scans of a folder of predictions."""

import csv
import dataclasses
import tracemalloc

import numpy as np
import pytest
from exported_predictions import MODEL, a_prediction

from lesionseg.errors import UsageError
from lesionseg.inference.cohort_tables import withdraw_cohort, write_cohort_tables
from lesionseg.inference.export import export_case
from lesionseg.inference.export_record import export_record, made_by

MADE_BY = made_by(MODEL)
FIRST = (((2, 3, 0), 1, 0.9), ((8, 8, 2), 3, 0.75), ((14, 4, 3), 2, 0.625))


def export(folder, scan, case, lesions, *, model=MODEL, notes=()):
    path, like = scan
    found = a_prediction(like.array.shape, lesions)
    record = export_record(case, model, [path])
    export_case(folder, case, found, like, record, notes=notes)


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(scan, tmp_path):
    out = tmp_path / "out"
    export(out, scan, "b", FIRST, notes=["its affine has a shear"])
    export(out, scan, "a", FIRST[1:2])
    export(out, scan, "c", ())
    return out


def test_every_lesion_of_every_scan_has_a_row_with_its_case(folder):
    write_cohort_tables(folder, [MADE_BY], {})
    rows = table(folder / "lesions.csv")
    assert [(row["case"], row["id"]) for row in rows] == [("a", "1"), *(("b", n) for n in "123")]
    for case in "abc":
        mine = [
            {k: v for k, v in row.items() if k != "case"} for row in rows if row["case"] == case
        ]
        assert mine == table(folder / f"lesions/{case}.csv")


def test_scans_are_counted_by_size(folder, scan):
    """Voxels of 1.5 mm3: lesions of 1, 27 and 8 voxels, of which those of 3 to 5 mm are small."""
    voxel = abs(np.linalg.det(scan[1].affine[:3, :3]))
    write_cohort_tables(folder, [MADE_BY], {})
    a, b, c = table(folder / "scans.csv")
    assert [row["case"] for row in (a, b, c)] == ["a", "b", "c"]
    assert [row["class"] for row in (a, b, c)] == ["lesion"] * 3
    assert [row["lesions_all"] for row in (a, b, c)] == ["1", "3", "0"]
    assert float(b["volume_mm3_all"]) == pytest.approx(36 * voxel, rel=1e-4)
    assert (b["lesions_tiny"], b["best_score_tiny"]) == ("2", "0.9")
    assert float(b["volume_mm3_tiny"]) == pytest.approx(9 * voxel, rel=1e-4)
    assert (b["lesions_small"], b["best_score_small"]) == ("1", "0.75")
    assert (b["lesions_large"], b["volume_mm3_large"], b["best_score_large"]) == ("0", "0", "")
    assert (c["volume_mm3_all"], c["best_score_all"]) == ("0", "")
    assert [row["notes"] for row in (a, b, c)] == ["", "its affine has a shear", ""]


def test_a_rejected_scan_has_a_row_that_says_why_and_no_numbers(folder):
    write_cohort_tables(folder, [MADE_BY], {"bad": ["rejected: it is damaged"], "b": ["edited"]})
    rows = {row["case"]: row for row in table(folder / "scans.csv")}
    assert rows["bad"]["notes"] == "rejected: it is damaged"
    assert {rows["bad"][key] for key in rows["bad"]} == {"bad", "", rows["bad"]["notes"]}
    assert rows["b"]["notes"] == "its affine has a shear; edited"
    assert {row["case"] for row in table(folder / "lesions.csv")} == {"a", "b"}


def test_scans_of_another_model_are_left_out(folder, scan):
    other = dataclasses.replace(MODEL, weights_sha256="v" * 64)
    export(folder, scan, "d", FIRST, model=other)
    write_cohort_tables(folder, [MADE_BY], {})
    assert [row["case"] for row in table(folder / "scans.csv")] == ["a", "b", "c"]
    assert {row["case"] for row in table(folder / "lesions.csv")} == {"a", "b"}


def test_tables_of_somebody_else_are_not_replaced(tmp_path):
    (tmp_path / "scans.csv").write_text("mine\n")
    with pytest.raises(UsageError, match=r"scans\.csv was not written by lesionseg"):
        withdraw_cohort(tmp_path)
    assert (tmp_path / "scans.csv").read_text() == "mine\n"


def test_own_tables_go_before_a_new_attempt(folder):
    write_cohort_tables(folder, [MADE_BY], {})
    withdraw_cohort(folder)
    assert not list(folder.glob("*.csv"))
    assert (folder / "b.nii.gz").is_file()


def test_memory_does_not_grow_with_the_number_of_scans(folder, scan):
    """A table of 2,000 lesions takes megabytes as rows; ten such scans no more than one."""
    head, row = (folder / "lesions/a.csv").read_text().splitlines()
    for name in ("lesions/a.csv", "lesions/b.csv", "lesions/c.csv"):
        (folder / name).write_text("\n".join([head, *[row] * 2000]) + "\n")

    def peak():
        tracemalloc.start()
        write_cohort_tables(folder, [MADE_BY], {})
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak()
    three = peak()
    for number in range(9):
        export(folder, scan, f"more{number}", ())
        text = (folder / "lesions/a.csv").read_text()
        (folder / f"lesions/more{number}.csv").write_text(text)
    assert len(table(folder / "lesions.csv")) == 3 * 2000
    twelve = peak()
    assert len(table(folder / "lesions.csv")) == 12 * 2000
    assert twelve < 1.2 * three
