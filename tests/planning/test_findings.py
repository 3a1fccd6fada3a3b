"""Findings of many scans in groups that a person reads as one."""

from __future__ import annotations

from lesionseg.planning.findings import Finding, of_one_kind


def test_numbers_and_names_of_scans_set_no_finding_apart():
    border = [Finding(f"p{n}", "warning", "dark", f"T1 of p{n} is {n}.5") for n in range(3)]
    alike = [Finding(case, "warning", "alike", "ann, bob look alike") for case in ("ann", "bob")]
    other = Finding("p0", "error", "dark", "T1 of p0 is 0.5")
    groups = of_one_kind([*border, *alike, other])
    assert groups == [border, alike, [other]]
