"""The lesion table of a stored case, which anybody may have changed."""

from __future__ import annotations

import pytest

from lesionseg.errors import CaseError
from lesionseg.io.case_store import LESION_COLUMNS, read_lesions

GOOD = dict.fromkeys(LESION_COLUMNS, 1.0) | {"id": 3, "inside": 0}


def write(folder, **changed):
    """A table of one lesion."""
    row = GOOD | changed
    heads = ["id", *LESION_COLUMNS]
    lines = [",".join(heads), ",".join(f"{row[head]:.10g}" for head in heads)]
    (folder / "s1_lesions.csv").write_text("\n".join(lines) + "\n")


def test_a_table_comes_back(tmp_path):
    write(tmp_path, **{"class": 2})
    assert read_lesions(tmp_path, "s1")[3]["class"] == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"inside": 3}, "is said to lie inside 3"),
        ({"inside": 5}, "is said to lie inside 5"),
        ({"class": 0}, "classes from 1"),
        ({"id": 2_000_000_000}, "want ids from 1 to 10000000"),
        ({"id": -1}, "want ids from 1"),
        ({"volume_mm3": float("nan")}, "not finite"),
    ],
)
def test_one_that_cannot_be_is_refused_in_a_line(tmp_path, changed, said):
    write(tmp_path, **changed)
    with pytest.raises(CaseError, match=f"lesion table cannot be read .*{said}") as caught:
        read_lesions(tmp_path, "s1")
    assert "\n" not in str(caught.value)
