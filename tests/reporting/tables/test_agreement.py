"""What raters agree on stands beside the models' scores."""

from __future__ import annotations

import pandas as pd
from report_cohort import lesions, save, worse

from lesionseg.reporting import PageInfo, ScoringOptions, match_folders, write_report
from lesionseg.reporting.tables.agreement import rater_agreement


def test_the_page_and_a_table_show_how_far_raters_agree(tmp_path):
    mask = lesions(0)
    save(tmp_path / "reference" / "a.nii.gz", mask)
    save(tmp_path / "net" / "a.nii.gz", worse(mask, 1))
    table = rater_agreement([({"ann": mask, "bob": worse(mask, 2)}, (1, 1, 2))])
    matches = match_folders(tmp_path / "reference", {"net": tmp_path / "net"})
    write_report(
        matches.cases,
        tmp_path / "out",
        ScoringOptions(draws=50, atlas=0, viewer=0),
        workers=1,
        page_info=PageInfo(agreement=table),
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Raters against each other" in page
    assert '<td class="text">ann</td><td class="text">bob</td>' in page
    written = pd.read_csv(tmp_path / "out" / "raters.csv")
    assert written["lesions"].tolist() == table["lesions"].tolist()
    assert set(written["reference"]) == {"ann", "bob"}
