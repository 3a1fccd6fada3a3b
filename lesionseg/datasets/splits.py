"""Training, validation and test cases: by patient, seeded, balanced by lesion load, in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import NoInputError, UsageError
from lesionseg.settings.data import SplitRule
from lesionseg.storage.atomic import write_text
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.storage.json_file import read_json

FORMAT = 1
LEAST_IN_FOLDS = 3  # patients: one held out, one to train, one to validate
TRIES = 200  # deals of which the most even is taken, where there are several classes
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """Case names of each part, sorted, and the patient of every case.

    folds: where cross-validation was asked for, the cases of each fold; `fold` of them is the
    validation part, the others are the training part.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    patients: Mapping[str, str]
    seed: int
    folds: tuple[tuple[str, ...], ...] = ()
    fold: int = 0

    @property
    def sha256(self) -> str:
        return sha256_of_json(_content(self))


def make_splits(
    scans: Sequence[ScanFiles],
    lesion_loads: Mapping[str, float],
    rule: SplitRule,
    *,
    seed: int,
    class_loads: Mapping[str, Sequence[int]] | None = None,
) -> Splits:
    """Deal patients to parts. Scans of split "test" are the test set; where there is none,
    `rule.test_fraction` of the patients are held out. lesion_loads: of each case, in any measure.
    class_loads: where there are several lesion classes, the lesions of each by case; of many deals
    the one is taken that spreads each class most evenly.
    rule.folds: deal the other patients to so many folds, of which `rule.fold` validates; for any
    `rule.fold` the same seed gives the same test set and the same folds.

    Each part but training gets at least one patient. Raises NoInputError for too few patients,
    UsageError for a patient on both sides or a fold that there is not.
    """
    folds, fold = rule.folds, rule.fold or 0
    if folds is not None and rule.fold is None:
        raise UsageError(
            f"data.folds={folds} without data.fold; only `lesionseg run` takes all folds, so give "
            f"one, 0 to {folds - 1}"
        )
    if folds is not None and not 0 <= fold < folds:
        raise UsageError(f"data.fold is {fold}; want 0 to {folds - 1} of data.folds={folds}")
    rng = np.random.default_rng(seed)
    patients = {scan.case: scan.patient for scan in scans}
    test = {scan.patient for scan in scans if scan.split == "test"}
    loads = _loads(scans, lesion_loads)
    _refuse_both_sides(test & set(loads))
    _refuse_too_few(len(loads), folds, held_out=bool(test))
    by_class = _class_loads(scans, class_loads or {})
    if not test:
        draws = partial(_drawn, loads, rule.test_fraction, rng)
        test = _most_even(lambda: [draws()], by_class, loads)[0]
        loads = {patient: load for patient, load in loads.items() if patient not in test}
    dealt = (
        _most_even(partial(_dealt, loads, folds, rng), by_class, loads)
        if folds
        else _most_even(lambda: [_drawn(loads, rule.validation_fraction, rng)], by_class, loads)
    )
    validation = dealt[fold] if folds else dealt[0]
    parts = {
        "train": set(loads) - validation,
        "validation": validation,
        "test": test,
    }

    def cases_of(members: Container[str]) -> tuple[str, ...]:
        return tuple(sorted(case for case, patient in patients.items() if patient in members))

    return Splits(
        **{part: cases_of(members) for part, members in parts.items()},
        patients=dict(sorted(patients.items())),
        seed=seed,
        folds=tuple(cases_of(members) for members in dealt) if folds else (),
        fold=fold if folds else 0,
    )


def deal_folds(
    scans: Sequence[ScanFiles],
    lesion_loads: Mapping[str, float],
    folds: int,
    *,
    seed: int,
    class_loads: Mapping[str, Sequence[int]] | None = None,
) -> tuple[tuple[str, ...], ...]:
    """The cases of each fold, sorted: every patient that is not of the test set lies in one, those
    of like lesion load in different ones. Arguments as of `make_splits`.

    Raises NoInputError for fewer patients than folds, or than train and validate beside a fold,
    UsageError for a patient on both sides.
    """
    loads = _loads(scans, lesion_loads)
    _refuse_both_sides({scan.patient for scan in scans if scan.split == "test"} & set(loads))
    wanted = max(folds, LEAST_IN_FOLDS)
    if len(loads) < wanted:
        raise NoInputError(
            f"got {len(loads)} training patients, want at least {wanted} for data.folds={folds}; "
            "give fewer folds or more patients"
        )
    rng = np.random.default_rng(seed)
    by_class = _class_loads(scans, class_loads or {})
    dealt = _most_even(partial(_dealt, loads, folds, rng), by_class, loads)
    training = [scan for scan in scans if scan.split == "train"]
    return tuple(
        tuple(sorted(scan.case for scan in training if scan.patient in members))
        for members in dealt
    )


def _refuse_both_sides(patients: Collection[str]) -> None:
    """Raise UsageError where there is a patient of both training and test set."""
    if patients:
        raise UsageError(
            f"patient {min(patients)} has scans in training and in the test set; "
            "move them to one side, or mend the patient pattern"
        )


def _refuse_too_few(num: int, folds: int | None, *, held_out: bool) -> None:
    """Raise NoInputError for fewer training patients than there are parts. held_out: whether there
    is a test set."""
    wanted = (folds or 2) + (0 if held_out else 1)
    if num < wanted:
        raise NoInputError(
            f"got {num} training patients, want at least {wanted} "
            "to train and validate"
            + (f" in {folds} folds" if folds else "")
            + ("" if held_out else ", and to hold out a test set")
        )


def _loads(scans: Sequence[ScanFiles], lesion_loads: Mapping[str, float]) -> dict[str, float]:
    """The lesion load of each training patient, summed over scans."""
    loads: dict[str, float] = {}
    for scan in scans:
        if scan.split == "train":
            load = lesion_loads.get(scan.case, 0)
            loads[scan.patient] = loads.get(scan.patient, 0) + float(load)
    return loads


def _class_loads(
    scans: Sequence[ScanFiles], class_loads: Mapping[str, Sequence[int]]
) -> dict[str, NDArray[np.float64]]:
    """Lesions of each class, (K,), by training patient; nothing where there is one class."""
    found: dict[str, NDArray[np.float64]] = {}
    for scan in scans:
        if scan.split == "train" and len(class_loads.get(scan.case, ())) > 1:
            load = np.asarray(class_loads[scan.case], np.float64)
            found[scan.patient] = found.get(scan.patient, np.zeros(len(load))) + load
    return found


def _most_even(
    deal: Callable[[], list[set[str]]],
    by_class: Mapping[str, NDArray[np.float64]],
    patients: Collection[str],
) -> list[set[str]]:
    """Of TRIES deals the one in which the shares of each class that the parts get differ least from
    their shares of the patients; the first where there are no classes."""
    if not by_class:
        return deal()
    every = np.stack([by_class[patient] for patient in patients if patient in by_class])
    total = np.maximum(every.sum(axis=0), 1)

    def unevenness(parts: list[set[str]]) -> float:
        worst = 0.0
        for part in parts:
            inside = [by_class[patient] for patient in sorted(part) if patient in by_class]
            share = (np.sum(inside, axis=0) if inside else 0 * total) / total
            worst = max(worst, float(np.abs(share - len(part) / len(patients)).max()))
        return worst

    return min((deal() for _ in range(TRIES)), key=unevenness)


def check_splits(splits: Splits) -> None:
    """Raise UsageError where a case or a patient is in two parts."""
    for what, owner in (
        ("case", lambda case: case),
        ("patient", lambda case: splits.patients[case]),
    ):
        seen: dict[str, str] = {}
        for part in PARTS:
            for case in getattr(splits, part):
                other = seen.setdefault(owner(case), part)
                if other != part:
                    raise UsageError(f"{what} {owner(case)} is in both {other} and {part}")


def check_copies(splits: Splits, content: Mapping[str, str]) -> None:
    """Raise UsageError where two parts hold the same scan. content: hash of its image by case."""
    seen: dict[str, tuple[str, str]] = {}
    for part in PARTS:
        for case in getattr(splits, part):
            other, where = seen.setdefault(content.get(case, case), (case, part))
            if where != part:
                raise UsageError(
                    f"case {case} in {part} is the very scan of case {other} in {where}; "
                    "remove one, or give both one patient"
                )


def without(splits: Splits, cases: Container[str]) -> Splits:
    """The same splits, less some cases."""
    parts = {part: tuple(c for c in getattr(splits, part) if c not in cases) for part in PARTS}
    patients = {case: who for case, who in splits.patients.items() if case not in cases}
    folds = tuple(tuple(c for c in fold if c not in cases) for fold in splits.folds)
    return Splits(**parts, patients=patients, seed=splits.seed, folds=folds, fold=splits.fold)


def write_splits(path: Path, splits: Splits) -> None:
    """Write splits.json with its own sha256, atomically."""
    check_splits(splits)
    write_text(path, json.dumps(_content(splits) | {"sha256": splits.sha256}, indent=1) + "\n")


def read_splits(path: Path) -> Splits:
    """Read splits.json. Raises UsageError where it is absent, malformed, edited, or leaks."""
    path = Path(path)
    try:
        content = read_json(path)
        parts = {part: tuple(content[part]) for part in PARTS}
        splits = Splits(
            **parts,
            patients=content["patients"],
            seed=content["seed"],
            folds=tuple(tuple(fold) for fold in content.get("folds", ())),
            fold=content.get("fold", 0),
        )
        missing = [case for part in parts.values() for case in part if case not in splits.patients]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path.name} is not a split: {error}; run preprocess again") from error
    if missing:
        raise UsageError(f"{path.name} does not say the patient of case {missing[0]}")
    check_splits(splits)
    if content.get("sha256") != splits.sha256:
        raise UsageError(f"{path.name} does not match its sha256: it was edited by hand")
    return splits


def _drawn(loads: Mapping[str, float], fraction: float, rng: np.random.Generator) -> set[str]:
    """About `fraction` of the patients, at least one: one at random of each stratum by load."""
    count = min(max(1, round(fraction * len(loads))), len(loads) - 1)
    order = sorted(loads, key=lambda patient: (loads[patient], patient))
    return {str(rng.choice(stratum)) for stratum in np.array_split(np.array(order), count)}


def _dealt(loads: Mapping[str, float], folds: int, rng: np.random.Generator) -> list[set[str]]:
    """Patients in so many folds: those of like load are dealt one to each, in random order."""
    order = sorted(loads, key=lambda patient: (loads[patient], patient))
    dealt: list[set[str]] = [set() for _ in range(folds)]
    for start in range(0, len(order), folds):
        for patient, fold in zip(order[start : start + folds], rng.permutation(folds)):
            dealt[fold].add(patient)
    return dealt


def _content(splits: Splits) -> dict[str, Any]:
    parts = {part: list(getattr(splits, part)) for part in PARTS}
    folds = {"folds": [list(fold) for fold in splits.folds], "fold": splits.fold}
    return {
        "format": FORMAT,
        "seed": splits.seed,
        **parts,
        **(folds if splits.folds else {}),
        "patients": dict(splits.patients),
    }
