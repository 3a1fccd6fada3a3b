"""Cells as they stand in the file."""

import math

import numpy as np
import pandas as pd
import pytest
from odd_files import KINDS, make_odd_file

from lesionseg.errors import OutputError
from lesionseg.storage.csv_table import read_cells, read_frame, read_rows, write_csv, write_frame


def test_cells_by_kind(tmp_path):
    row = [1, 2.0, 1 / 3, -0.25, math.nan, math.inf, None, True, "a,b", 'say "x"', np.int32(7)]
    write_csv(tmp_path / "t.csv", [f"c{i}" for i in range(11)], [row])
    assert (tmp_path / "t.csv").read_bytes().decode() == (
        'c0,c1,c2,c3,c4,c5,c6,c7,c8,c9,c10\n1,2,0.3333333333,-0.25,,inf,,True,"a,b","say ""x""",7\n'
    )


def test_a_number_keeps_its_sign_and_a_text_loses_its_formula(tmp_path):
    write_csv(tmp_path / "t.csv", ["=head"], [["=1+1"], [-1.5], ["-1.5"]], float_format=".2g")
    assert (tmp_path / "t.csv").read_text().splitlines() == ["'=head", "'=1+1", "-1.5", "'-1.5"]


def test_a_frame_is_written_as_pandas_would(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "model": ["a", "b", "c"],
            "value": rng.normal(size=3) * [1e-7, 1, 1e12],
            "small": rng.random(3).astype(np.float32),
            "found": [True, False, True],
            "id": np.array([1, 2, 2**40]),
            "gap": [1.5, np.nan, np.inf],
        }
    )
    write_frame(tmp_path / "t.csv", table)
    plain = table.to_csv(index=False, lineterminator="\n", float_format="%.10g")
    assert (tmp_path / "t.csv").read_text() == plain


def test_a_table_that_cannot_be_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "t.csv"
    write_csv(path, ["a"], [[1]])

    def rows():
        yield [2]
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        write_csv(path, ["a"], rows())
    assert path.read_text() == "a\n1\n"
    with pytest.raises(OutputError):
        write_csv(path / "below" / "t.csv", ["a"], [])


def test_rows_are_read_by_their_heads(tmp_path):
    (tmp_path / "t.csv").write_text('id,score\r\n1,0.5\r\n\r\n2,"a\n,b"\r\n', newline="")
    assert read_rows(tmp_path / "t.csv") == [
        {"id": "1", "score": "0.5"},
        {"id": "2", "score": "a\n,b"},
    ]
    (tmp_path / "t.csv").write_text("")
    assert read_rows(tmp_path / "t.csv") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,score\n1," + "x" * 200_000, "field larger than field limit"),
        ("id,sc\0ore\n1,2", "it holds a NUL"),
        ("id,score\n1", "a row has 1 cells; want 2"),
        ("id,score\n1,2,3", "a row has 3 cells; want 2"),
        ('id,score\n1,"2', "unexpected end of data"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        read_rows(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_cells_stand_between_the_letter_that_the_first_line_has_most_of(tmp_path):
    (tmp_path / "t.csv").write_text("case;T1,post;T2\na;b,c\n")
    assert read_cells(tmp_path / "t.csv", delimiters=",;\t") == [
        ["case", "T1,post", "T2"],
        ["a", "b,c"],
    ]
    assert read_cells(tmp_path / "t.csv")[1] == ["a;b", "c"]


def test_a_frame_is_read_as_pandas_does_from_a_regular_file_alone(tmp_path):
    (tmp_path / "t.csv").write_text("model,share\na,0.5\nb,\n")
    pd.testing.assert_frame_equal(read_frame(tmp_path / "t.csv"), pd.read_csv(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("model\0,share\n")
    with pytest.raises(ValueError, match="it holds a NUL"):
        read_frame(tmp_path / "t.csv")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", [read_cells, read_rows, read_frame])
def test_no_table_is_waited_for(tmp_path, kind, reader):
    make_odd_file(kind, tmp_path / "odd")
    with pytest.raises(OSError, match=r"no regular file|it is a folder|No such file"):
        reader(tmp_path / "odd")
