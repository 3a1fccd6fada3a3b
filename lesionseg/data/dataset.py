"""The preprocess stage: a folder of scans to cases, fingerprint, plan and splits; resumable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from lesionseg.data.cards import Channel, Dataset, MaskLabels
from lesionseg.data.case_pool import case_pool, for_each_case
from lesionseg.data.fingerprint import (
    CaseFingerprint,
    files_key,
    read_fingerprints,
    take_fingerprint,
    write_fingerprints,
)
from lesionseg.data.plan import Plan, PlanWishes, make_plan, write_plan
from lesionseg.data.preprocess import prepare_case
from lesionseg.data.scans import load_scan
from lesionseg.data.splits import make_splits, without, write_splits
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, NoInputError
from lesionseg.io.case_store import is_complete, write_case
from lesionseg.io.layouts import ScanFiles
from lesionseg.io.reading import STRICT

FORMAT = "1"  # raise it where the same files and plan would give other cases


@dataclass(frozen=True)
class Outcome:
    """Case names made now and found ready; rejected: case -> why, in one line.

    notes: case -> what was mended while reading.
    """

    done: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Of the command line: 0 all ok, 5 some rejected, 4 all rejected, 3 none to begin with."""
        if self.done or self.skipped:
            return EXIT_SOME_REJECTED if self.rejected else 0
        return CaseError.exit_code if self.rejected else NoInputError.exit_code


@dataclass(frozen=True)
class _FingerprintTask:
    files: ScanFiles
    labels: MaskLabels
    channels: tuple[Channel, ...]
    known: CaseFingerprint | None


@dataclass(frozen=True)
class _CaseTask:
    files: ScanFiles
    labels: MaskLabels
    plan: Plan
    folder: Path


def build_dataset(
    dataset: Dataset,
    folder: Path,
    *,
    wishes: PlanWishes | None = None,
    seed: int = 0,
    validation_fraction: float = 0.2,
    test_fraction: float = 0.2,
    workers: int | None = None,
    progress: bool = True,
) -> Outcome:
    """Preprocess all but the test scans into `folder`, beside fingerprint, plan and splits.

    Test scans stay as they are: prediction reads them from their files, and neither the plan nor
    the fingerprint looks into them. A second run does only what is missing, or was made from other
    files or another plan. Raises NoInputError for too few patients, UsageError for a patient in
    both training and test, OutputError where the folder cannot be written.
    """
    folder = Path(folder)
    training = [scan for scan in dataset.scans if scan.split == "train"]
    with case_pool(workers) as pool:
        prints, rejected = _fingerprints(pool, dataset, training, folder, progress)
        rejected = {**dataset.rejected, **rejected}
        if not prints:
            return Outcome(rejected=rejected)
        loads = {case: float(len(one.lesion_volumes)) for case, one in prints.items()}
        usable = [scan for scan in dataset.scans if scan.split == "test" or scan.case in prints]
        splits = make_splits(
            usable,
            loads,
            seed=seed,
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
        )
        seen = [prints[case] for case in sorted((*splits.train, *splits.validation))]
        plan = make_plan(seen, dataset.channels, wishes or PlanWishes())
        write_plan(folder / "plan.yaml", plan)
        scans = [scan for scan in usable if scan.case not in splits.test]
        outcome = preprocess_dataset(
            scans, dataset.labels, plan, folder, pool=pool, progress=progress
        )
    write_splits(folder / "splits.json", without(splits, outcome.rejected))
    notes = {case: one.notes for case, one in prints.items() if one.notes}
    return Outcome(outcome.done, outcome.skipped, {**rejected, **outcome.rejected}, notes)


def preprocess_dataset(
    scans: Sequence[ScanFiles],
    labels: MaskLabels,
    plan: Plan,
    folder: Path,
    *,
    pool: Executor | None = None,
    progress: bool = True,
) -> Outcome:
    """Make and store the cases of `scans` that are not there yet, by the processes of `pool`.

    A case that cannot be made is rejected and the others go on.
    """
    tasks = {scan.case: _CaseTask(scan, labels, plan, Path(folder)) for scan in scans}
    made, rejected = for_each_case(pool, _store_case, tasks, title="preprocess", progress=progress)
    return Outcome(
        done=tuple(case for case, new in made.items() if new),
        skipped=tuple(case for case, new in made.items() if not new),
        rejected=rejected,
    )


def _fingerprints(
    pool: Executor | None,
    dataset: Dataset,
    scans: Sequence[ScanFiles],
    folder: Path,
    progress: bool,
) -> tuple[dict[str, CaseFingerprint], dict[str, str]]:
    path = folder / "fingerprint.json"
    known = read_fingerprints(path)
    tasks = {
        scan.case: _FingerprintTask(scan, dataset.labels, dataset.channels, known.get(scan.case))
        for scan in scans
    }
    prints, rejected = for_each_case(
        pool, _fingerprint_case, tasks, title="fingerprint", progress=progress
    )
    if prints != known:
        write_fingerprints(path, list(prints.values()))
    return prints, rejected


def _fingerprint_case(task: _FingerprintTask) -> CaseFingerprint:
    key = _key(task.files, repr(task.channels), _labels_key(task.labels))
    if task.known is not None and task.known.key == key:
        return task.known
    scan = load_scan(task.files, task.labels)
    return take_fingerprint(scan, [channel.modality for channel in task.channels], key)


def _store_case(task: _CaseTask) -> bool:
    """Make and store one case; False where it was there already."""
    key = _key(task.files, task.files.patient, task.plan.case_key, _labels_key(task.labels))
    if is_complete(task.folder, task.files.case, key):
        return False
    write_case(task.folder, prepare_case(task.files, task.labels, task.plan), key=key)
    return True


def _key(files: ScanFiles, *more: str) -> str:
    how = (str(files.volumes), files.consensus) if files.volumes or files.raters else ()
    how = how if files.rule == STRICT else (*how, repr(files.rule))
    try:
        return files_key(files.paths, FORMAT, *how, *more)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(files.case, f"{Path(str(error.filename)).name}: {reason}") from error


def _labels_key(labels: MaskLabels) -> str:
    kinds = f"{sorted(labels.known)} {sorted(labels.lesions)}"
    return f"{kinds} instances" if labels.instances else kinds
