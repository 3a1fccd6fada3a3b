"""Splits by patient: seeded, balanced, on file, and without a leak."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.splits import (
    Splits,
    check_copies,
    deal_folds,
    make_splits,
    read_splits,
    without,
    write_splits,
)
from lesionseg.errors import NoInputError, UsageError
from lesionseg.settings.data import SplitRule


def scans(*names, split="train"):
    """Names like p1_a: patient p1, session a."""
    return [ScanFiles(name, name.split("_")[0], split, (), None) for name in names]


def cohort(count, sessions="a"):
    return scans(*(f"p{i:02d}_{s}" for i in range(count) for s in sessions))


def test_patients_stay_whole_and_everyone_is_somewhere():
    everyone = cohort(20, "abc")
    splits = make_splits(everyone, {}, SplitRule(), seed=1)
    parts = [splits.train, splits.validation, splits.test]
    assert sorted([*parts[0], *parts[1], *parts[2]]) == [scan.case for scan in everyone]
    owners = [{splits.patients[case] for case in part} for part in parts]
    assert [len(owner) for owner in owners] == [13, 3, 4]  # a fifth, then a fifth of the others
    assert not owners[0] & owners[1]
    assert not (owners[0] | owners[1]) & owners[2]


def test_the_fixed_test_set_is_kept():
    fixed = scans("t1_a", "t2_a", split="test")
    splits = make_splits([*cohort(10), *fixed], {}, SplitRule(), seed=1)
    assert splits.test == ("t1_a", "t2_a")
    assert len(splits.validation) == 2
    assert len(splits.train) == 8


def test_same_seed_same_splits_and_another_seed_others():
    everyone = cohort(30)
    assert make_splits(everyone, {}, SplitRule(), seed=5) == make_splits(
        everyone[::-1], {}, SplitRule(), seed=5
    )
    assert (
        len({make_splits(everyone, {}, SplitRule(), seed=seed).validation for seed in range(10)})
        > 5
    )


def test_validation_has_patients_of_little_and_of_much_load():
    loads = {f"p{i:02d}_a": float(2**i) for i in range(20)}
    fixed = scans("t_a", split="test")
    for seed in range(5):
        splits = make_splits([*cohort(20), *fixed], loads, SplitRule(), seed=seed)
        places = sorted(int(case[1:3]) // 5 for case in splits.validation)
        assert places == [0, 1, 2, 3]  # one of each quarter


def test_too_few_patients_are_refused():
    with pytest.raises(NoInputError, match="got 2 training patients, want at least 3"):
        make_splits(cohort(2), {}, SplitRule(), seed=0)
    with pytest.raises(NoInputError, match="got 1 training patients, want at least 2"):
        make_splits([*cohort(1), *scans("t_a", split="test")], {}, SplitRule(), seed=0)
    splits = make_splits(cohort(3), {}, SplitRule(), seed=0)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1, 1, 1]


def test_a_patient_on_both_sides_stops():
    with pytest.raises(UsageError, match="patient p03 has scans in training and in the test set"):
        make_splits([*cohort(5), *scans("p03_b", split="test")], {}, SplitRule(), seed=0)


def test_the_file_comes_back_and_tells_of_edits(tmp_path):
    splits = make_splits(cohort(9), {}, SplitRule(), seed=3)
    path = tmp_path / "splits.json"
    write_splits(path, splits)
    assert read_splits(path) == splits
    content = json.loads(path.read_text())
    assert content["sha256"] == splits.sha256
    content["seed"] = 4
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="edited by hand"):
        read_splits(path)
    content["train"].append(content["test"][0])
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="in both train and test"):
        read_splits(path)
    content["train"][-1] = "stranger"
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="patient of case stranger"):
        read_splits(path)
    for broken in ("{", "[]", "{}"):
        path.write_text(broken)
        with pytest.raises(UsageError, match="not a split"):
            read_splits(path)


def test_a_leak_is_never_written(tmp_path):
    leak = Splits(("a",), ("b",), (), {"a": "p1", "b": "p1"}, 0)
    with pytest.raises(UsageError, match="patient p1 is in both train and validation"):
        write_splits(tmp_path / "splits.json", leak)
    assert list(tmp_path.iterdir()) == []


def test_folds_part_the_patients_whatever_fold_validates(tmp_path):
    loads = {f"p{i:02d}_a": float(i) for i in range(20)}
    fixed = scans("t_a", split="test")
    made = [
        make_splits([*cohort(20, "ab"), *fixed], loads, SplitRule(folds=5, fold=n), seed=7)
        for n in range(5)
    ]
    assert len({splits.folds for splits in made}) == 1
    assert len({splits.sha256 for splits in made}) == 5
    everyone = [case for fold in made[0].folds for case in fold]
    assert sorted(everyone) == sorted(scan.case for scan in cohort(20, "ab"))
    for n, splits in enumerate(made):
        assert splits.validation == splits.folds[n]
        assert set(splits.train) == set(everyone) - set(splits.folds[n])
        assert splits.test == ("t_a",)
        owners = {splits.patients[case] for case in splits.validation}
        assert sorted(int(who[1:]) // 5 for who in owners) == [0, 1, 2, 3]  # one of each load
    write_splits(tmp_path / "splits.json", made[3])
    assert read_splits(tmp_path / "splits.json") == made[3]
    with pytest.raises(UsageError, match=r"data\.fold is 5; want 0 to 4"):
        make_splits(cohort(20), {}, SplitRule(folds=5, fold=5), seed=0)
    with pytest.raises(NoInputError, match="want at least 6 to train and validate in 5 folds, and"):
        make_splits(cohort(5), {}, SplitRule(folds=5, fold=0), seed=0)


def test_all_folds_take_every_training_patient_once_and_tear_none_apart():
    loads = {f"p{i:02d}_a": float(i) for i in range(20)}
    scans_of_all = [*cohort(20, "ab"), *scans("t_a", split="test")]
    folds = deal_folds(scans_of_all, loads, 4, seed=3)
    assert sorted(case for fold in folds for case in fold) == [
        f"p{i:02d}_{scan}" for i in range(20) for scan in "ab"
    ]
    for fold in folds:
        patients = [int(case[1:3]) for case in fold]
        assert all(patients.count(one) == 2 for one in patients)
        assert sorted(one // 4 for one in set(patients)) == [0, 1, 2, 3, 4]  # one of each load
    assert deal_folds(scans_of_all, loads, 4, seed=3) == folds
    assert deal_folds(scans_of_all, loads, 4, seed=4) != folds
    with pytest.raises(NoInputError, match=r"got 4 training patients, want at least 5 for .*=5"):
        deal_folds(cohort(4), {}, 5, seed=0)
    with pytest.raises(NoInputError, match="got 2 training patients, want at least 3"):
        deal_folds(cohort(2), {}, 2, seed=0)
    with pytest.raises(UsageError, match="patient p03 has scans in training and in the test set"):
        deal_folds([*cohort(5), *scans("p03_b", split="test")], {}, 2, seed=0)
    with pytest.raises(UsageError, match=r"data\.folds=5 without data\.fold; only `lesionseg run`"):
        make_splits(cohort(9), {}, SplitRule(folds=5), seed=0)


def test_the_same_scan_in_two_parts_stops_under_whatever_name():
    splits = Splits(("a", "b"), ("c",), ("d",), {n: f"p{n}" for n in "abcd"}, 0)
    check_copies(splits, {"a": "1", "b": "1", "c": "2", "d": "3"})
    with pytest.raises(UsageError, match="case d in test is the very scan of case b in train"):
        check_copies(splits, {"a": "1", "b": "2", "c": "3", "d": "2"})


def test_cases_can_be_left_out():
    splits = make_splits(cohort(9), {}, SplitRule(), seed=3)
    gone = splits.train[0]
    less = without(splits, {gone})
    assert less.train == splits.train[1:]
    assert gone not in less.patients
    assert dataclasses.replace(less, train=splits.train, patients=splits.patients) == splits


def test_a_rare_class_is_spread_over_the_parts():
    """Ten of forty patients have the second class: by load alone a part can be without it."""
    everyone = cohort(40)
    loads = {scan.case: 10.0 for scan in everyone}
    by_class = {scan.case: (9, 0) for scan in everyone}
    by_class |= {f"p{i:02d}_a": (0, 10) for i in range(10)}
    for seed in range(5):
        splits = make_splits(everyone, loads, SplitRule(), seed=seed, class_loads=by_class)
        for part, wanted in ((splits.test, 2), (splits.validation, 1.5), (splits.train, 6.5)):
            found = sum(by_class[case][1] for case in part) / 10
            assert abs(found - wanted) <= 1
    folded = make_splits(
        everyone, loads, SplitRule(folds=4, fold=0, test_fraction=0.2), seed=0, class_loads=by_class
    )
    assert all(1 <= sum(by_class[c][1] for c in fold) / 10 <= 3 for fold in folded.folds)


def test_one_class_is_dealt_as_ever():
    everyone = cohort(20)
    loads = {scan.case: float(n) for n, scan in enumerate(everyone)}
    one = {scan.case: (n,) for n, scan in enumerate(everyone)}
    rule = SplitRule()
    assert make_splits(everyone, loads, rule, seed=3, class_loads=one) == make_splits(
        everyone, loads, rule, seed=3
    )
