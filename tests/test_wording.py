"""Numbers of things in sentences."""

import pytest

from lesionseg.wording import counted


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 scans"), (1, "1 scan"), (2, "2 scans"), (12_345, "12,345 scans")],
)
def test_one_thing_is_singular(number, words):
    assert counted(number, "scan") == words
