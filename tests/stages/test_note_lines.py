"""Notes of many scans in a few lines: nothing is repeated a hundred times, nothing goes unsaid."""

from __future__ import annotations

from lesionseg.stages.preparation import note_lines


def test_a_note_that_many_scans_have_is_one_line_with_their_number():
    notes = {f"p{n}": (f"p{n}.nii: channel 1 covers {40 + n} % of the scan",) for n in range(9)}
    assert note_lines(notes) == [
        "case p0: p0.nii: channel 1 covers 40 % of the scan (and 8 more scans like it; lesionseg "
        "check names them)"
    ]


def test_cases_that_are_numbers_do_not_set_their_notes_apart():
    notes = {str(n): ("mask has unknown labels 2; want 0, 1, or a card",) for n in range(5)}
    assert len(note_lines(notes)) == 1


def test_few_notes_and_notes_of_other_kinds_stand_for_themselves():
    notes = {"a": ("x is off by 1", "y"), "b": ("x is off by 2.5",), "c": ("z",)}
    assert note_lines(notes) == [
        "case a: x is off by 1",
        "case b: x is off by 2.5",
        "case a: y",
        "case c: z",
    ]
