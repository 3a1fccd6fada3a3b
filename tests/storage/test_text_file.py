"""Only regular files are opened, and texts have a limit."""

import os

import pytest
from odd_files import KINDS, make_odd_file

from lesionseg.storage.hashes import sha256_of_file
from lesionseg.storage.text_file import open_regular, read_text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", [open_regular, read_text, sha256_of_file])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind, reader):
    make_odd_file(kind, tmp_path / "odd")
    with pytest.raises(OSError, match=r"no regular file|it is a folder|No such file"):
        reader(tmp_path / "odd")


def test_a_text_comes_as_it_is_and_without_a_byte_order_mark(tmp_path):
    (tmp_path / "a").write_bytes("größe\r\n".encode())
    assert read_text(tmp_path / "a") == "größe\r\n"
    (tmp_path / "b").write_bytes(b"\xef\xbb\xbfx")
    assert read_text(tmp_path / "b") == "x"


def test_a_text_in_utf_16_is_read_by_its_mark(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff\xfeL\x00\xe4\x00")  # little endian
    assert read_text(tmp_path / "a") == "Lä"
    (tmp_path / "b").write_bytes(b"\xfe\xff\x00L\x00")  # half a letter at its end
    with pytest.raises(ValueError, match=r"it is no UTF-16.* text at byte \d"):
        read_text(tmp_path / "b")


def test_a_text_that_is_too_long_is_not_read(tmp_path):
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 100_000_000_000)
    with pytest.raises(ValueError, match="it holds 100,000,000,000 bytes; want at most 67,108,864"):
        read_text(path)
    path.write_bytes(b"12345")
    assert read_text(path, most=5) == "12345"
    with pytest.raises(ValueError, match="it holds 5 bytes; want at most 4"):
        read_text(path, most=4)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"ab\xff")
    with pytest.raises(ValueError, match="it is no UTF-8 text at byte 2"):
        read_text(tmp_path / "a")
