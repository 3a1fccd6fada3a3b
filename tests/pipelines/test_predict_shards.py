"""Several jobs predict into one folder, and the last one writes what is made of all scans."""

from __future__ import annotations

import json
import shutil

import pytest
from tiny_run import cut, predict

from lesionseg import cli
from lesionseg.storage.parts import shard_of

NUM = 3
SCANS = 5
SAVE = ("save=[candidates]", "formats=[overview,bids]", "score_threshold=0")


@pytest.fixture
def cohort(finished):
    """Five scans to predict."""
    images = finished / "phantom/imagesTs"
    for number in range(2, SCANS):
        for channel in (0, 1):
            shutil.copy(
                images / f"phantom_test00{number % 2}_000{channel}.nii.gz",
                images / f"phantom_test00{number}_000{channel}.nii.gz",
            )
    return finished


def shard(cohort, number, *words, num=NUM):
    return predict(cohort, *SAVE, f"shard={number}", f"num_shards={num}", *words)


def files(folder):
    """Every file but the records of jobs, with its content."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if path.parent.name != "shards"
    }


def test_shards_leave_what_one_process_leaves(cohort, capsys):
    cut(cohort / "phantom/imagesTs")  # one scan that is rejected
    whole, out = cohort / "whole", cohort / "out"
    assert predict(cohort, *SAVE, f"output={whole}") == 5
    said = capsys.readouterr().out
    order = [2, 0, 1]
    mine = [[c for c in range(SCANS) if shard_of(f"phantom_test00{c}", NUM) == s] for s in order]
    assert sorted(case for cases in mine for case in cases) == list(range(SCANS))
    for number, cases in zip(order[:2], mine):
        assert shard(cohort, number) == (5 if 0 in cases else 0)
        assert not (out / "scans.csv").exists()
        told = capsys.readouterr()
        assert f"shard {number} of 3: {len(cases)} case" in told.out
        assert "did not end yet" in told.err
    assert shard(cohort, order[2]) == 5
    assert capsys.readouterr().out.replace(str(out), str(whole)) == said
    assert files(out) == files(whole)
    assert len(list((out / "shards").iterdir())) == NUM


def test_a_shard_again_and_finish_change_nothing(cohort, capsys):
    out = cohort / "out"
    for number in range(NUM):
        assert shard(cohort, number) == 0
    before = files(out)
    assert shard(cohort, 1) == 0
    assert files(out) == before
    (out / "scans.csv").unlink()
    assert cli.main(["finish", f"output={out}"]) == 0
    assert files(out) == before


def test_more_shards_than_cases_and_lists_of_cases(cohort):
    assert predict(cohort, *SAVE, f"output={cohort / 'whole'}") == 0
    whole = files(cohort / "whole")
    for number in range(9):
        assert shard(cohort, number, f"output={cohort / 'many'}", num=9) == 0
    assert files(cohort / "many") == whole
    names = [f"phantom_test00{number}" for number in range(SCANS)]
    first, rest = f"cases=[{names[0]}]", f"cases=[{','.join(names[1:])}]"
    assert predict(cohort, *SAVE, f"output={cohort / 'lists'}", first) == 0
    assert not (cohort / "lists/scans.csv").exists()
    assert predict(cohort, *SAVE, f"output={cohort / 'lists'}", rest) == 0
    assert files(cohort / "lists") == whole


def finish(cohort, capsys):
    capsys.readouterr()
    code = cli.main(["finish", f"output={cohort / 'out'}"])
    return code, capsys.readouterr().err


def change_record(cohort, number, **parts):
    path = cohort / f"out/shards/predict_{number}-of-{NUM}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | parts))
    return content


def test_a_shard_that_is_missing_or_made_otherwise_is_named(cohort, capsys):
    assert shard(cohort, 0) == 0
    assert shard(cohort, 1) == 0
    assert finish(cohort, capsys) == (
        2,
        "lesionseg: output out is not complete: shard 2 of 3 did not end; run what is missing "
        "first\n",
    )
    assert shard(cohort, 2, "score_threshold=0.5") == 2
    assert "settings of shard 0 of 3 of output out differ" in capsys.readouterr().err
    assert shard(cohort, 2, num=4) == 2
    assert "divided into 3 shards, not 4 shards" in capsys.readouterr().err
    assert not (cohort / "out/scans.csv").exists()


def test_a_node_with_another_version_is_refused(cohort, capsys):
    assert shard(cohort, 0) == 0
    made_from = change_record(cohort, 0)["made_from"]
    change_record(cohort, 0, version="0.0.9", made_from=made_from | {"version": "0" * 64})
    assert shard(cohort, 1) == 2
    said = capsys.readouterr().err
    assert "version (0.0.9, not " in said
    assert said.endswith("use the same for all, or delete out/shards to begin anew\n")
    assert not (cohort / "out/shards/predict_1-of-3.json").exists()


def test_a_case_that_two_shards_or_none_did_is_named(cohort, capsys):
    for number in range(NUM):
        assert shard(cohort, number) == 0
    (cohort / "out/scans.csv").unlink()
    doer = shard_of("phantom_test004", NUM)
    other = (doer + 1) % NUM
    content = change_record(cohort, other)
    change_record(cohort, other, cases=[*content["cases"], "phantom_test004"])
    first, second = sorted((doer, other))
    code, said = finish(cohort, capsys)
    assert code == 2
    assert "case phantom_test004 is done by both shard" in said
    assert f"shard {first} of 3" in said
    assert f"shard {second} of 3" in said
    change_record(cohort, other, cases=content["cases"])
    content = change_record(cohort, doer)
    change_record(cohort, doer, cases=[c for c in content["cases"] if c != "phantom_test004"])
    assert "not complete: no job does case phantom_test004" in finish(cohort, capsys)[1]
    change_record(cohort, doer, cases=content["cases"], told={"done": {}, "rejected": {}})
    assert f"shard {doer} of 3 of output out says nothing of case" in finish(cohort, capsys)[1]
    assert not (cohort / "out/scans.csv").exists()


def test_a_record_that_cannot_be_read_is_one_line(cohort, capsys):
    assert shard(cohort, 0) == 0
    (cohort / "out/shards/predict_0-of-3.json").write_text("{")
    code, said = finish(cohort, capsys)
    assert code == 2
    assert "shards/predict_0-of-3.json cannot be read" in said


def test_a_case_of_two_jobs_is_named(cohort, capsys):
    words = ("cases=[phantom_test000,phantom_test001]",)
    assert predict(cohort, *words) == 0
    assert predict(cohort, "cases=[phantom_test001,phantom_test002]") == 2
    assert "case phantom_test001 is done by both the list of 2 cases" in capsys.readouterr().err
    assert predict(cohort, "cases=[phantom_test009]") == 2
    assert "cases names phantom_test009, which is no case here" in capsys.readouterr().err


def test_files_of_a_case_that_are_gone_are_told_and_nothing_is_written(cohort, capsys):
    out = cohort / "out"
    for number in range(NUM):
        assert shard(cohort, number) == 0
    (out / "phantom_test003.json").unlink()
    lost = shard_of("phantom_test003", NUM)
    other = (lost + 1) % NUM
    assert shard(cohort, other) == 2
    said = capsys.readouterr().err
    assert f"case phantom_test003 was predicted by shard {lost} of 3, and its files" in said
    assert shard(cohort, lost) == 0
    assert (out / "phantom_test003.json").exists()
    assert (out / "scans.csv").exists()


def test_a_run_of_all_scans_takes_over_from_shards_that_ended(cohort):
    assert shard(cohort, 0) == 0
    assert predict(cohort, *SAVE) == 0
    assert list((cohort / "out/shards").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shard=3", "num_shards=3"], "shard is 3; want a whole number from 0 to 2"),
        (["shard=1"], "shard=I and num_shards=N go together"),
        (["num_shards=2"], "shard=I and num_shards=N go together"),
        (["shard=0", "num_shards=2", "cases=[a]"], "cases and shard both say"),
        (["launcher=basic"], "launcher=basic starts all shards; give num_shards=N"),
        (["launcher_options.a=1"], "launcher_options need launcher=NAME"),
    ],
)
def test_keys_of_shards_that_do_not_fit_are_one_line(tmp_path, capsys, words, said):
    command = ["predict", "model=m", f"input={tmp_path}", f"output={tmp_path / 'out'}"]
    assert cli.main([*command, *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_finish_without_jobs_is_one_line(tmp_path, capsys):
    assert cli.main(["finish", f"output={tmp_path / 'out'}"]) == 2
    assert "holds no shards/ of jobs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
