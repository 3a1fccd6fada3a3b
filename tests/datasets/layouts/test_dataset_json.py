"""dataset.json as tools and people write it."""

from __future__ import annotations

import json
import os
import sys

import pytest
from layout_trees import NNUNET

from lesionseg.datasets.layouts.dataset_json import read_dataset_json
from lesionseg.errors import NoInputError, UsageError

TWO = ("FLAIR", "T1w")


def read(root, content, encoding="utf-8"):
    text = content if isinstance(content, str) else json.dumps(content)
    (root / "dataset.json").write_bytes(text.encode(encoding))
    return read_dataset_json(root, "a folder")


@pytest.mark.parametrize(
    "channels",
    [
        {"channel_names": {"0": "FLAIR", "1": "T1w"}},
        {"channel_names": {"1": "T1w", "0": "FLAIR"}},
        {"modality": {"0000": "FLAIR", "0001": "T1w"}},
        {"modality": ["FLAIR", "T1w"]},
    ],
)
def test_channels_by_their_numbers(tmp_path, channels):
    assert read(tmp_path, {"labels": {"lesion": 1}} | channels).channels == TWO


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"background": 0, "lesion": 1}, {"lesion": (1,)}),
        ({"background": "0", "lesion": "1"}, {"lesion": (1,)}),
        ({"0": "background", "1": "lesion"}, {"lesion": (1,)}),
        ({"lesion": ["1", 2]}, {"lesion": (1, 2)}),
        ({"lesion": 1}, {"lesion": (1,)}),
    ],
)
def test_labels_of_version_1_and_2_and_numbers_as_text(tmp_path, labels, expected):
    assert read(tmp_path, NNUNET | {"labels": labels}).labels == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_editors_save(tmp_path, encoding):
    content = NNUNET | {"name": "Läsion"}
    assert read(tmp_path, content, encoding).content["name"] == "Läsion"


def test_a_file_ending_without_its_dot(tmp_path):
    assert read(tmp_path, NNUNET | {"file_ending": "nii.gz"}).ending == ".nii.gz"
    assert read(tmp_path, NNUNET).ending == ".nii.gz"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"labels": {"a": 1, "a": 2}, "channel_names": {"0": "T1"}}', "the key 'a' is there"),
        (NNUNET | {"channel_names": {str(n): f"c{n}" for n in range(100_000)}}, "100000 channels"),
        (NNUNET | {"channel_names": {"0": "a", "00": "b"}}, "channel numbers given twice"),
        (NNUNET | {"channel_names": {"0": "a", "2": "b"}}, "lacks or garbles '1'"),
        (NNUNET | {"channel_names": {}}, "lacks or garbles 'modality'"),
        ("[" * 100_000, "cannot be read"),
        ('{"a": 1, }', "cannot be read"),
    ],
)
def test_what_is_none_is_refused_in_one_line(tmp_path, content, words):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.skipif(sys.platform == "win32", reason="makes pipes")
def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "dataset.json")
    with pytest.raises(NoInputError, match=r"no dataset\.json in .*, it is no file"):
        read_dataset_json(tmp_path, "a folder")
