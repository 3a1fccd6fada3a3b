"""Expressions that come with data: matched, and stopped where they do not end."""

from __future__ import annotations

import time

import pytest

from lesionseg.datasets.layouts import patient_of, patient_pattern
from lesionseg.datasets.layouts.patient_pattern import find_patient, num_elements
from lesionseg.errors import UsageError


@pytest.mark.parametrize(
    ("expression", "case", "patient"),
    [
        ("^[^_]+", "p1_a", "p1"),
        (r"(?P<patient>sub-[A-Za-z0-9]+)_.*", "sub-07_ses-1", "sub-07"),
        (r"\d{4}", "scan_0012_x", "0012"),
        (r"^(?:[^_]+_){2}", "a_b_c", "a_b_"),
        (
            r"^sub-(?P<patient>[^_]+)_ses-[^_]+_run-[^_]+_echo-[^_]+$",
            "sub-1_ses-2_run-3_echo-4",
            "1",
        ),
        (r"^(?P<patient>\w+(?:-\w+)*)_", "a-b-c_1", "a-b-c"),
        ("ä+", "xääx", "ää"),
    ],
)
def test_what_finds_a_patient_is_taken(expression, case, patient):
    assert patient_of(case, expression) == patient


@pytest.mark.parametrize("expression", ["(a|aa)+$", "^(a|a)*$", "^(a|a|a)+b", "(a|aa|aaa)+$"])
def test_what_does_not_end_is_stopped(expression, monkeypatch):
    monkeypatch.setattr(patient_pattern, "SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(UsageError, match=r"took more than 0.5 s on one case id, was") as caught:
        patient_of("a" * 60 + "c", expression)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 30
    assert patient_of("b7_x", "^b[0-9]") == "b7"


@pytest.mark.parametrize("expression", ["^(a+)+$", "a?" * 30 + "b", r"\w?" * 40 + "_x"])
def test_what_takes_for_ever_elsewhere_ends_and_does_not_fit(expression):
    start = time.monotonic()
    with pytest.raises(UsageError, match="does not fit case a"):
        patient_of("a" * 60 + "c", expression)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "expression", ["(", "a{4294967296}", "[", "(?P<a>", "a{" + "9" * 5000 + "}"]
)
def test_what_is_no_expression_is_one_line(expression):
    with pytest.raises(UsageError, match="is no regular expression"):
        patient_of("case", expression)


@pytest.mark.parametrize(
    "expression",
    ["((a{1000}){1000}){1000}", "(?:" * 9 + "a" + "{9,99})" * 9, "(?x) a # [", "([(]a{999}){999}"],
)
def test_what_would_fill_the_memory_is_one_line(expression):
    with pytest.raises(UsageError, match="too many repeats") as caught:
        patient_of("case", expression)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        ("", 0),
        ("abc", 3),
        ("a{3}", 3),
        (r"\d{8}-[0-9{4}]{4}", 13),
        ("(ab)", 3),  # the group itself is one
        ("(a{3}b){2}", 10),
        (r"(\(a){2}x{1,3}(?#{9})", 9),
    ],
)
def test_repeats_are_written_out_to_be_counted(expression, number):
    assert num_elements(expression) == number


@pytest.mark.parametrize("expression", ["", "x*", "(?P<patient>)"])
def test_nothing_is_no_patient(expression):
    """Else everybody would be one patient, and intervals over patients those of one."""
    assert find_patient(expression, "P01_scan") is None
