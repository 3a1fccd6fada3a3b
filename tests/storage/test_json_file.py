"""JSON that is read: limits of depth and size, no key twice."""

import json

import pytest

from lesionseg.storage.json_file import read_json


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "it is nested deeper than 50 levels"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "it is nested deeper than 50 levels"),
        ("[" * 51 + "]" * 51, "it is nested deeper than 50 levels"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "'c' is given twice"),
        ("9" * 10_000, "Exceeds the limit"),
        ("{", "Expecting"),
        ("", "Expecting value"),
        ("\0", "Expecting value"),
    ],
)
def test_what_is_no_plain_json_is_one_line(tmp_path, text, said):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        read_json(tmp_path / "x.json")
    assert "\n" not in str(caught.value)


def test_fifty_levels_are_read(tmp_path):
    text = "[" * 48 + '{"a": [], "b": 1}' + "]" * 48
    (tmp_path / "x.json").write_text(text)
    assert read_json(tmp_path / "x.json") == json.loads(text)
    (tmp_path / "x.json").write_text("3")
    assert read_json(tmp_path / "x.json") == 3
