"""A report of one scan of one patient with one lesion speaks of each in the singular."""

import re

import numpy as np
from report_cohort import SHAPE, save

from lesionseg.reporting import PageInfo, ScoringOptions, match_folders, write_report

THINGS = "scans|patients|lesions|cases|masks|models|images|pieces|files|draws|voxels|slices|points"


def slips(text):
    return re.findall(rf"(?<![\d.,:-])1 (?:[a-z]+ )?(?:{THINGS})\b", re.sub(r"<[^>]+>", "", text))


def test_the_rule_finds_slips():
    assert slips("1 scans of 1 patients, 1 training scans") == [
        "1 scans",
        "1 patients",
        "1 training scans",
    ]
    assert slips("11 scans, 0.1 scans, 1 scan of 1 patient") == []


def test_one_of_everything(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:12, 10:12, 10:12] = 1
    apart = mask.copy()
    apart[20, 20, 20] = 1
    save(tmp_path / "ref" / "a.nii.gz", mask)
    save(tmp_path / "one" / "a.nii.gz", mask)
    save(tmp_path / "two" / "a.nii.gz", apart)
    save(tmp_path / "two" / "b.nii.gz", apart)
    matches = match_folders(tmp_path / "ref", {m: tmp_path / m for m in ("one", "two")})
    info = PageInfo(unmatched=matches.unmatched, notes=matches.notes)
    options = ScoringOptions(draws=50, viewer=1, atlas=1)
    report = write_report(matches.cases, tmp_path / "out", options, workers=0, page_info=info)
    page = (tmp_path / "out/report.html").read_text()
    for text in (report.for_terminal, page, *report.notes, *report.remarks):
        assert slips(text) == []
    assert "1 scan of 1 patient" in report.for_terminal
