"""Every row of the table: no wrong voxel without a word, no traceback, nothing written."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from bad_input_page import PAGE, page_text
from bad_input_rows import ACCEPTED, REJECTED, VOXELS
from bad_input_table import ROWS

from lesionseg.errors import LesionsegError

NO_NAMES = ("win32", "darwin")
POSIX_ONLY = {
    "a name that is not UTF-8": NO_NAMES,
    "DICOM, a name that is not UTF-8": NO_NAMES,
    ".mha, a name that is not UTF-8": NO_NAMES,
    "a name with a line end": ("win32",),
    "a pipe that never ends": ("win32",),
    "a mask that is a pipe": ("win32",),
    "a case whose name is not UTF-8": NO_NAMES,
    "a case whose name has a line end": ("win32",),
}


def test_the_table_has_no_row_twice_and_is_long_enough():
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)) >= 80


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row(row, tmp_path, monkeypatch):
    if sys.platform in POSIX_ONLY.get(row.name, ()):
        pytest.skip("this file system holds no such file")
    folder = tmp_path / "data"
    folder.mkdir()
    try:
        path = row.build(folder)
    except OSError:
        if "link" not in row.name:
            raise
        pytest.skip("this account may not make symbolic links")
    monkeypatch.chdir(tmp_path)  # so that what is made there is seen too
    before = everything(tmp_path)
    if row.outcome == REJECTED:
        with pytest.raises(LesionsegError) as caught:
            row.use(path)
        said = str(caught.value)
    else:
        array, notes = row.use(path)
        said = " | ".join(notes)
        if array is not None:
            np.testing.assert_array_equal(array, VOXELS if row.expected is None else row.expected)
        assert bool(notes) == (row.outcome != ACCEPTED), said
    assert "\n" not in said
    assert str(tmp_path) not in said
    place = 0
    for word in row.words:
        assert word in said[place:], said
        place = said.index(word, place) + len(word)
    assert everything(tmp_path) == before


def everything(folder):
    return sorted(
        (os.fsencode(os.path.join(at, name)), os.lstat(os.path.join(at, name)).st_size)
        for at, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )


def test_the_page_says_what_the_table_says():
    assert PAGE.read_text(encoding="utf-8") == page_text(), (
        "run: PYTHONPATH=tests python tests/bad_inputs/bad_input_page.py"
    )
