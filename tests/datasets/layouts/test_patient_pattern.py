"""Expressions that come with data: matched, and stopped where they do not end."""

from __future__ import annotations

import time

import pytest

from lesionseg.datasets.layouts import patient_of, patient_pattern
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


@pytest.mark.parametrize("expression", ["^(a+)+$", "a?" * 30 + "b", r"\w?" * 40 + "_x", "(a|aa)+$"])
def test_what_does_not_end_is_stopped(expression, monkeypatch):
    monkeypatch.setattr(patient_pattern, "SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(UsageError, match=r"took more than 0.5 s on one case id, was") as caught:
        patient_of("a" * 60 + "c", expression)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 30
    assert patient_of("b7_x", "^b[0-9]") == "b7"  # the next one has a matcher of its own


@pytest.mark.parametrize(
    "expression", ["(", "a{4294967296}", "[", "(?P<a>", "a{" + "9" * 5000 + "}"]
)
def test_what_is_no_expression_is_one_line(expression):
    with pytest.raises(UsageError, match="is no regular expression"):
        patient_of("case", expression)


def test_one_matcher_lives_at_a_time_and_an_interrupted_one_answers_no_other(monkeypatch):
    assert patient_of("p1_a", "^[^_]+") == "p1"
    (first,) = patient_pattern._children.values()
    assert patient_of("p1_a", "_.*") == "_a"
    (second,) = patient_pattern._children.values()
    assert first.poll() is not None
    assert second.poll() is None

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(patient_pattern.json, "dumps", interrupt)
        with pytest.raises(KeyboardInterrupt):
            patient_of("p2_b", "_.*")
    assert second.poll() is not None
    assert patient_of("p3_c", "_.*") == "_c"
