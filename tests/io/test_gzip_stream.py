"""Files that may be gzipped: their content, or one line that says what is wrong."""

from __future__ import annotations

import gzip

import pytest
from odd_files import KINDS, make_odd_file

from lesionseg.errors import CaseError
from lesionseg.io.gzip_stream import plain_or_gzip

CONTENT = bytes(range(256)) * 40


def content_of(path):
    with plain_or_gzip(path, "a") as (stream, zipped):
        return stream.read(), zipped


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_the_bytes_tell_and_not_the_name(tmp_path, name):
    (tmp_path / name).write_bytes(CONTENT)
    assert content_of(tmp_path / name) == (CONTENT, False)
    (tmp_path / name).write_bytes(gzip.compress(CONTENT))
    assert content_of(tmp_path / name) == (CONTENT, True)


def test_what_is_damaged_is_one_line_that_names_case_and_file(tmp_path):
    whole = gzip.compress(CONTENT)
    wrong_sum = whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]
    for damaged, said in (
        (whole[:60], "ends inside its gzip stream; copy it again"),
        (wrong_sum, "has a damaged gzip stream"),
        (whole[:2] + bytes(20), "has a damaged gzip stream"),
    ):
        (tmp_path / "x.gz").write_bytes(damaged)
        with pytest.raises(CaseError, match=f"case a: x.gz {said}") as caught:
            content_of(tmp_path / "x.gz")
        assert "\n" not in str(caught.value)


def test_memory_that_ends_while_it_is_read_is_said(tmp_path):
    (tmp_path / "x").write_bytes(CONTENT)
    with (
        pytest.raises(CaseError, match="case a: x does not fit into the memory that is left"),
        plain_or_gzip(tmp_path / "x", "a"),
    ):
        raise MemoryError


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    make_odd_file(kind, tmp_path / "x")
    with pytest.raises(CaseError, match="case a: x cannot be read: "):
        content_of(tmp_path / "x")
