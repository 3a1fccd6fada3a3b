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


MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30)
)
ALIASED = "a0: &a0 [x, y]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MERGED, "its aliases stand for more than 500,000 values"),
        (ALIASED, "its aliases stand for more than 500,000 values"),
        ("a: &a {b: *a}", "a value holds itself"),
        ("&a [1, *a]", "a value holds itself"),
        ("[" * 5000 + "]" * 5000, "nested deeper than 50 levels"),
        ("{a: " * 5000 + "}" * 5000, "nested deeper than 50 levels"),
        ("- " * 5000 + "x", "nested deeper than 50 levels"),
        ("a: " + "7" * 10_000, "a number of 10,000 letters"),
        ("a: 0x" + "f" * 10_000, "a number of 10,002 letters"),
        ("a: 2020-01-02", "2020-01-02 is read as a date, which no key is; put it in quotes"),
        ("a: 2001-12-14t21:59:43.10+99:99", "is read as a date"),
        ("a: !!timestamp soon", "is read as a date"),
        ("a: !!binary QQ==", "is no plain data"),
        ("a: !!bool perhaps", "is not YAML"),
        ("a: !!int ''", "is not YAML"),
        ("a: " + "x" * 1_100_000, "it holds 1,100,003 letters; want at most 1,048,576"),
    ],
)
def test_what_grows_when_it_is_read_is_one_line(text, said):
    with pytest.raises(UsageError, match=r"card x is not YAML: [^\n]*; mend it") as caught:
        parse_yaml(text, "card x")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_fifty_levels_are_read():
    content = parse_yaml("[" * 50 + "]" * 50, "card")
    for _ in range(49):
        (content,) = content
    assert content == []


def test_a_few_aliases_of_a_long_list_are_read():
    text = f"one: &one {list(range(1000))}\ntwo: [*one, *one]"
    assert parse_yaml(text, "card")["two"] == [list(range(1000))] * 2
