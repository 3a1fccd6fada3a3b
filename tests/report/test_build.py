"""From folders of masks to a report, end to end."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from lesionseg.report import Choices, match_folders, write_report


@pytest.fixture
def report(cohort):
    matches = match_folders(
        cohort / "reference",
        {"good": cohort / "good", "poor": cohort / "poor"},
        images=cohort / "image",
    )
    written = write_report(matches.cases, cohort / "out", Choices(draws=200), workers=1)
    assert written is not None
    return cohort / "out", written


def test_everything_is_written(report):
    out, written = report
    for name in ("lesions.csv", "cases.csv", "predictions.csv", "summary.csv", "imbalance.csv"):
        assert len(pd.read_csv(out / name)) > 0, name
    figures = {p.name for p in (out / "figures").iterdir()}
    assert {"buckets.png", "dice.png", "imbalance.png", "overlay-1-best.png"} <= figures
    assert json.loads((out / "summary.json").read_text())["num_patients"] == 7
    assert not list(out.rglob(".partial*"))
    assert written.rejected == ()


def test_the_headline_can_be_recomputed_from_lesions_csv(report):
    out, written = report
    lesions = pd.read_csv(out / "lesions.csv")
    reference = lesions[(lesions["kind"] == "reference")]
    tiny = reference[reference["volume_mm3"] < np.pi / 6 * 27]
    found = 100 * tiny.groupby("model")["found"].mean()
    strays = lesions[lesions["kind"] == "false_positive"].groupby("model").size() / 7
    number = (reference["model"] == "good").sum()
    assert number > 20
    expected = (
        f"On 7 patients with {number} lesions, good found {found['good']:.0f} % of lesions under "
        f"3 mm, poor {found['poor']:.0f} % (difference {found['good'] - found['poor']:+.0f} points, "
    ).replace("-", "\u2212")
    assert written.headline[0].startswith(expected)
    good, poor = strays.reindex(["good", "poor"], fill_value=0.0)
    assert written.headline[0].endswith(f"at {good:.1f} against {poor:.1f} false positives a scan.")
    assert written.headline[0] in (out / "report.html").read_text().replace("&#39;", "'")


def test_the_page_loads_nothing_and_names_no_path(report):
    out, _ = report
    page = (out / "report.html").read_text()
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert str(out.parent) not in page
    assert page.count("<img") >= 9


def test_the_terminal_table_has_each_model_and_size(report):
    _, written = report
    assert "under 3 mm" in written.text
    assert "good" in written.text
    assert "poor" in written.text
    assert max(map(len, written.text.splitlines())) < 140
