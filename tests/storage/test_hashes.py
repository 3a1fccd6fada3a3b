"""Digests, against values that anybody can look up."""

import hashlib

from lesionseg.storage.hashes import (
    sha256_of_bytes,
    sha256_of_file,
    sha256_of_files,
    sha256_of_json,
    sha256_of_text,
)

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


def test_the_digest_of_abc_is_that_of_the_standard(tmp_path):
    (tmp_path / "ab").write_bytes(b"ab")
    (tmp_path / "c").write_bytes(b"c")
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of_text("abc") == ABC
    assert sha256_of_bytes(b"a", b"", bytearray(b"bc")) == ABC
    assert sha256_of_file(tmp_path / "abc") == ABC
    assert sha256_of_files([tmp_path / "ab", tmp_path / "c"]) == ABC


def test_a_mapping_is_the_same_however_it_was_filled():
    assert sha256_of_json({"b": 1, "a": [2.5, None]}) == sha256_of_json({"a": (2.5, None), "b": 1})
    text = '{"a": [2.5, null], "b": 1}'
    assert sha256_of_json({"b": 1, "a": [2.5, None]}) == hashlib.sha256(text.encode()).hexdigest()


def test_a_file_larger_than_a_block_is_read_whole(tmp_path):
    content = bytes(range(256)) * 8193  # 2 MiB and a little
    (tmp_path / "scan").write_bytes(content)
    assert sha256_of_file(tmp_path / "scan") == hashlib.sha256(content).hexdigest()
