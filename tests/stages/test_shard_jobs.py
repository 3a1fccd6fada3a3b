"""The file that tells jobs what to do names a stage that has shards, and nothing else is run."""

from __future__ import annotations

import json

import pytest

from lesionseg.errors import UsageError
from lesionseg.stages.shard_jobs import SHARED, read_jobs


def test_stages_with_shards():
    assert SHARED == ["preprocess", "predict", "report"]


@pytest.mark.parametrize("stage", ["shard_job", "run", "predict.x", "", None])
def test_another_stage_is_refused(tmp_path, stage):
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps({"stage": stage, "settings": {}, "folder": "."}))
    with pytest.raises(UsageError, match=r"jobs\.json cannot be read"):
        read_jobs(path)


def test_a_stage_with_shards_is_read(tmp_path):
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps({"stage": "predict", "settings": {"a": 1}, "folder": "x"}))
    assert (read_jobs(path).stage, dict(read_jobs(path).settings)) == ("predict", {"a": 1})
