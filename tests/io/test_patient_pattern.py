"""Expressions that come with data: taken where they end soon, refused where they might not."""

from __future__ import annotations

import time

import pytest

from lesionseg.errors import UsageError
from lesionseg.io.layouts.patient_pattern import patient_pattern
from lesionseg.io.layouts.scan_files import patient_of


@pytest.mark.parametrize(
    ("expression", "case", "patient"),
    [
        ("^[^_]+", "p1_a", "p1"),
        (r"(?P<patient>sub-[A-Za-z0-9]+)_.*", "sub-07_ses-1", "sub-07"),
        (r"\d{4}", "scan_0012_x", "0012"),
        (r"(\d{2}){2}", "scan_0012_x", "0012"),
        (r"^(?:ses-\w+_)?(?P<patient>[a-z]+)", "ses-1_bob", "bob"),
        (r"(a|b)+", "abab_1", "abab"),
        (r"x{1,9}y{1,9}z{1,9}w{1,9}", "xyzw", "xyzw"),
    ],
)
def test_what_finds_a_patient_is_taken(expression, case, patient):
    assert patient_of(case, expression) == patient


@pytest.mark.parametrize(
    "expression",
    ["^(a+)+$", "(a|aa)+$", "(a?){30}a{30}", "(.*a){12}", "((a*)b)*c", "(?=(a+))+", ".*.*.*.*x"],
)
def test_what_might_not_end_is_refused_before_it_is_tried(expression):
    start = time.monotonic()
    with pytest.raises(UsageError, match="might not end") as caught:
        patient_of("a" * 60, expression)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 5


def test_the_worst_that_is_taken_ends():
    assert patient_pattern(".*.*.*x").search("a" * 200) is None


@pytest.mark.parametrize("expression", ["(", "a{4294967296}", "[", "(?P<a>"])
def test_what_is_no_expression_is_one_line(expression):
    with pytest.raises(UsageError, match="is no regular expression"):
        patient_pattern(expression)
