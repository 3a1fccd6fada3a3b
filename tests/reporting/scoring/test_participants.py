"""Strata of patients from a table, and figures for each."""

import numpy as np
import pandas as pd
import pytest
from report_cohort import lesions, save

from lesionseg.errors import UsageError
from lesionseg.reporting import PageInfo, ScoringOptions, match_folders, write_report
from lesionseg.reporting.scoring.participants import UNKNOWN, read_strata


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_are_found_with_and_without_sub_and_in_any_case(tmp_path):
    path = table(tmp_path / "participants.tsv", "participant_id\tscanner\nsub-A1\tGE \nb2\tn/a\n")
    strata = read_strata(path, "scanner")
    assert strata.of_patients(["sub-a1", "B2", "c3"]) == {
        "sub-a1": "GE",
        "B2": "n/a",
        "c3": UNKNOWN,
    }


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("participant_id,scaner\na,GE\n", "scanner", "did you mean 'scaner'"),
        ("name,scanner\na,GE\n", "scanner", "want ids in participant_id"),
        ("patient,site\na,1\na,2\n", "site", "two values of site for a"),
        ("patient,site\nz,1\n", "site", "none of its ids is a patient like 'a'"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(tmp_path, text, column, said):
    with pytest.raises(UsageError, match=said):
        read_strata(table(tmp_path / "p.csv", text), column).of_patients(["a"])


def test_a_column_of_many_values_makes_no_strata(tmp_path):
    rows = "".join(f"p{i},{20 + i}\n" for i in range(30))
    strata = read_strata(table(tmp_path / "p.csv", f"patient,age\n{rows}"), "age")
    with pytest.raises(UsageError, match="30 different values; want a column of at most 12"):
        strata.of_patients([f"p{i}" for i in range(30)])


def test_each_stratum_has_the_figures_of_its_own_scans(tmp_path):
    """Two scans on GE are predicted whole, the one on Siemens not at all."""
    for name, found in (("a", 1), ("b", 1), ("c", 0)):
        mask = lesions(ord(name))
        save(tmp_path / "ref" / f"{name}.nii.gz", mask)
        save(tmp_path / "net" / f"{name}.nii.gz", (mask * found).astype(np.uint8))
    path = table(tmp_path / "p.csv", "patient,scanner\na,GE\nb,GE\nc,Siemens\n")
    matches = match_folders(tmp_path / "ref", {"net": tmp_path / "net"})
    info = PageInfo(strata=read_strata(path, "scanner"))
    options = ScoringOptions(draws=20, atlas=0, viewer=0)
    made = write_report(matches.cases, tmp_path / "out", options, workers=1, page_info=info)
    assert made is not None
    strata = pd.read_csv(tmp_path / "out" / "strata.csv")
    rows = strata[(strata["metric"] == "recall") & (strata["bucket"] == "all")]
    pooled = rows[rows["average"] == "pooled"].set_index("stratum")
    assert pooled["value"].to_dict() == {"GE": 1, "Siemens": 0}
    assert pooled["num_cases"].to_dict() == {"GE": 2, "Siemens": 1}
    page = made.page.read_text()
    section = page.split('<section id="strata">')[1].split("</section>")[0]
    assert "By scanner" in section
    assert "2 scans of 2 patients" in section
    assert "Siemens" in section
