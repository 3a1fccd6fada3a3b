"""YAML that users write: plain, and whole."""

import pytest

from lesionseg.errors import UsageError
from lesionseg.storage.yaml_file import parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: 1\na: 1", "a"),
        ("x:\n  - {b: 1, c: 2, b: 3}", "b"),
        ("{1: a, 1: b}", "1"),
        ("1: a\n0x1: b", "0x1"),
        ("true: 1\nyes: 2", "yes"),
        ("~: 1\nnull: 2", "null"),
        ("first: &one {a: 1}\nsecond:\n  <<: *one\n  c: 1\n  c: 2", "c"),
    ],
)
def test_a_key_given_twice_is_named(text, key):
    with pytest.raises(UsageError, match=f"card x is not YAML: {key} is given twice") as caught:
        parse_yaml(text, "card x")
    assert "\n" not in str(caught.value)


def test_merged_keys_may_be_overridden_and_aliases_stand_for_one_thing():
    text = "one: &one {a: 1, b: 2}\ntwo:\n  <<: *one\n  a: 3\nthree: *one"
    assert parse_yaml(text, "card") == {
        "one": {"a": 1, "b": 2},
        "two": {"a": 3, "b": 2},
        "three": {"a": 1, "b": 2},
    }
    assert parse_yaml('{"a": [1, null]}', "JSON too") == {"a": [1, None]}


@pytest.mark.parametrize(
    "text", ["a: [", "!!python/name:os.getcwd", "[" * 100_000, "a: 2020-99-99"]
)
def test_what_is_no_plain_yaml_is_one_line(text):
    with pytest.raises(UsageError, match="card x is not YAML") as caught:
        parse_yaml(text, "card x")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "bytes.yaml", tmp_path / "none.yaml"):
        with pytest.raises(UsageError, match="settings cannot be read"):
            read_yaml(path, "settings")


def test_a_number_and_its_text_are_two_keys():
    assert parse_yaml("1: a\n'1': b", "card") == {1: "a", "1": "b"}
