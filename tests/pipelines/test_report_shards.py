"""Several jobs score the cases of one report, and the last one makes tables and page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from report_cohort import AFFINE, lesions, save, worse, write_scores

from lesionseg import cli
from lesionseg.reporting.scoring import stored_results
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions, prediction_files
from lesionseg.reporting.scoring.score_case import score_case
from lesionseg.reporting.scoring.stored_results import score_and_store

NUM = 3
NAMES = "abcdef"


@pytest.fixture
def folders(tmp_path):
    """Six cases and two models, one with candidates; a mask on another grid, one that is empty."""
    for seed, name in enumerate(NAMES):
        mask = lesions(seed) if name != "c" else lesions(seed) * 0
        save(tmp_path / "ref" / f"{name}.nii.gz", mask)
        moved = AFFINE + np.eye(4)[:, [3, 3, 3, 3]] * 0
        if name == "d":
            moved = AFFINE.copy()
            moved[1, 3] = 50
        save(tmp_path / "net" / f"{name}.nii.gz", worse(mask, seed), moved)
        ids = np.zeros(mask.shape, np.uint16)
        ids[2:5, 2:5, 2:4], ids[27:30, 27:30, 17:19] = 1, 2
        save(tmp_path / "two" / f"{name}.nii.gz", (ids > 0).astype(np.uint8))
        save(tmp_path / "two/instances" / f"{name}.nii.gz", ids)
        save(tmp_path / "two/candidates" / f"{name}.nii.gz", ids)
        for table in ("lesions", "candidates"):
            write_scores(tmp_path / "two" / table / f"{name}.csv", {1: 0.9, 2: 1 / 3})
    return tmp_path


def report(folders, output, *words):
    base = ["report", f"reference={folders / 'ref'}", f"output={folders / output}", "workers=0"]
    models = [f"predictions.{name}={folders / name}" for name in ("net", "two")]
    return cli.main([*base, *models, "draws=50", *words])


def shard(folders, number, *words):
    return report(folders, "out", f"shard={number}", f"num_shards={NUM}", *words)


def files(folder):
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if "shards" not in path.relative_to(folder).parts
    }


def test_shards_leave_what_one_process_leaves(folders, capsys):
    assert report(folders, "whole") == 5
    said = capsys.readouterr().out
    for number in (2, 0):
        assert shard(folders, number) in (0, 5)
        assert not (folders / "out/report.html").exists()
    capsys.readouterr()
    assert shard(folders, 1) == 5
    assert capsys.readouterr().out == said.replace("whole", "out")
    whole, out = files(folders / "whole"), files(folders / "out")
    assert len(whole) > 10
    assert sorted(out) == sorted(whole)
    assert [name for name in whole if whole[name] != out[name]] == []
    assert cli.main(["finish", f"output={folders / 'out'}"]) == 5
    assert files(folders / "out") == whole


def test_the_last_job_scores_no_case_again_but_one_that_changed(folders, monkeypatch):
    scored = []
    monkeypatch.setattr(
        stored_results,
        "score_case",
        lambda case, *rest: scored.append(case.case) or score_case(case, *rest),
    )
    for number in range(NUM):
        shard(folders, number)
    assert sorted(scored) == list(NAMES)
    save(folders / "net/b.nii.gz", lesions(77))
    assert cli.main(["finish", f"output={folders / 'out'}"]) == 5
    assert scored[len(NAMES) :] == ["b"]


def test_a_job_that_is_missing_or_scores_otherwise_is_named(folders, capsys):
    assert shard(folders, 0) in (0, 5)
    assert shard(folders, 1, "found_iou=0.3") == 2
    assert "settings of shard 0 of 3 of output out differ" in capsys.readouterr().err
    assert cli.main(["finish", f"output={folders / 'out'}"]) == 2
    assert "shard 1 of 3, shard 2 of 3 did not end" in capsys.readouterr().err
    assert not (folders / "out/report.html").exists()


@pytest.mark.parametrize("classes", [False, True])
def test_what_is_read_again_is_what_was_scored(folders, classes):
    """Every table, with its types, and every candidate, to the last digit."""
    options = ScoringOptions(labels={"one": (1,), "two": (2,)}) if classes else ScoringOptions()
    if classes:
        for name in ("ref", "net"):
            mask = lesions(3)
            mask[20:] *= 2
            save(folders / name / "a.nii.gz", np.roll(mask, name == "net", axis=0))
    models = ["net"] if classes else ["net", "two"]
    case = ReportCase(
        "a",
        "a",
        folders / "ref/a.nii.gz",
        {m: prediction_files(folders / m, folders / m / "a.nii.gz") for m in models},
    )
    made = score_and_store(case, options, models, folder=folders / "scores")
    again = score_and_store(case, options, models, folder=folders / "scores")
    assert made.tables
    assert made.candidates or classes
    assert bool(made.confusion) == classes
    for one, two in zip(made.tables, again.tables, strict=True):
        assert one.name == two.name
        assert repr(one.figures) == repr(
            {k: type(one.figures[k])(v) for k, v in two.figures.items()}
        )
        for name in ("lesions", "predictions"):
            first, second = getattr(one, name), getattr(two, name)
            assert (first is None) == (second is None)
            if first is not None:
                pd.testing.assert_frame_equal(first, second, check_exact=True)
    for first, second in zip(made.confusion, again.confusion, strict=True):
        pd.testing.assert_frame_equal(first, second)
    assert made.candidates.keys() == again.candidates.keys()
    for key, one in made.candidates.items():
        for name, values in vars(one).items():
            other = getattr(again.candidates[key], name)
            assert other.dtype == values.dtype
            assert other.tobytes() == values.tobytes()
    for name in ("rejected", "notes", "looks", "edited", "as_empty", "labelled"):
        assert getattr(made, name) == getattr(again, name)


def test_a_stored_score_that_is_damaged_is_made_again(folders):
    options, models = ScoringOptions(), ["net"]
    files_of = prediction_files(folders / "net", folders / "net/a.nii.gz")
    case = ReportCase("a", "a", folders / "ref/a.nii.gz", {"net": files_of})
    made = score_and_store(case, options, models, folder=folders / "scores")
    path = folders / "scores/a.json"
    whole = path.read_bytes()
    for content in (b"", b"{}", whole[:-30], b"[]"):
        path.write_bytes(content)
        again = score_and_store(case, options, models, folder=folders / "scores")
        assert len(again.tables) == len(made.tables)
        assert path.read_bytes() == whole


def test_a_launcher_of_processes_leaves_the_same(folders):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="of the extra cluster")
    assert report(folders, "whole") == 5
    words = ("launcher=joblib", "launcher_options.n_jobs=2", f"num_shards={NUM}")
    assert report(folders, "out", *words) == 5
    assert files(folders / "out") == files(folders / "whole")
