"""The preprocess stage: a folder of scans to cases, fingerprint, plan and splits; resumable."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lesionseg.datasets.dataset import Dataset, MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.splits import (
    Splits,
    check_copies,
    make_splits,
    without,
    write_splits,
)
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, NoInputError
from lesionseg.io.case_store import (
    is_complete,
    list_cases,
    stored_audit,
    withdraw_case,
    write_case,
)
from lesionseg.planning.audit_file import audit_content, audit_from, refuse_losses, write_audit
from lesionseg.planning.class_counts import refuse_absent_classes, unvalidated_words
from lesionseg.planning.class_doubts import rare_classes
from lesionseg.planning.doubts import doubt_lines, doubts
from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.planning.lesion_audit import LesionAudit, audit_case
from lesionseg.planning.likeness import from_text, refuse_look_alikes
from lesionseg.planning.plan import (
    Plan,
    SpacingLosses,
    make_plan,
    spacing_candidates,
)
from lesionseg.planning.plan_file import write_plan
from lesionseg.planning.spacing_losses import hardest_cases, scan_losses, try_spacings
from lesionseg.preprocessing.case import prepare_loaded
from lesionseg.preprocessing.measuring import (
    image_hashes,
    labels_key,
    measure_scans,
    measure_test_scans,
    scan_key,
)
from lesionseg.preprocessing.prepared import withdraw_prepared, write_prepared
from lesionseg.reading.scans import load_lesions, load_scan
from lesionseg.settings.data import SplitRule
from lesionseg.settings.defaults import EDGES_MM
from lesionseg.settings.plan import PlanOverrides
from lesionseg.storage.process_pool import WorkerPool, case_pool, for_each_case


@dataclass(frozen=True)
class PreprocessResult:
    """Case names made now and found ready; rejected: case -> why, in one line.

    notes: case -> what was mended while reading. audit: what became of its lesions. doubts: a line
    for each kind of thing that is probably wrong with scans or masks.
    """

    done: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    audit: Mapping[str, LesionAudit] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Of the command line: 0 all ok, 5 some rejected, 4 all rejected, 3 none to begin with."""
        if self.done or self.skipped:
            return EXIT_SOME_REJECTED if self.rejected else 0
        return CaseError.exit_code if self.rejected else NoInputError.exit_code


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
    overrides: PlanOverrides,
    split: SplitRule,
    seed: int,
    edges_mm: Sequence[float] | None = None,
    measured: Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> PreprocessResult:
    """Preprocess all but the test scans into `folder`, beside fingerprint, plan and splits.

    Test scans stay as they are: prediction reads them from their files, and neither the plan nor
    the fingerprint looks into them. A second run does only what is missing, or was made from other
    files or another plan. What becomes of each lesion stands in lesion_audit.csv, by the size
    buckets of `edges_mm`, the card's without; a plan that loses one is refused unless `overrides`
    allow it. measured: as of `measure_scans`.
    Until all is done there is no preprocess.json, without which no later stage goes on.
    Raises NoInputError for too few patients, UsageError for a patient or a scan in two parts or a
    lost lesion, OutputError where the folder cannot be written.
    """
    folder = Path(folder)
    training = [scan for scan in dataset.scans if scan.split == "train"]
    withdraw_prepared(folder)
    with case_pool(workers) as pool:
        prints, rejected = measure_scans(
            pool, dataset, training, folder, progress, measured=measured
        )
        rejected = {**dataset.rejected, **rejected}
        if not prints:
            return PreprocessResult(rejected=rejected)
        usable = [scan for scan in dataset.scans if scan.split == "test" or scan.case in prints]
        loads = {case: float(len(one.lesion_volumes)) for case, one in prints.items()}
        classes = dataset.labels.classes
        by_class = {case: one.class_loads(len(classes)) for case, one in prints.items()}
        splits = make_splits(usable, loads, split, seed=seed, class_loads=by_class)
        refuse_absent_classes(classes, {case: by_class[case] for case in splits.train})
        check_copies(splits, image_hashes(usable))
        if not split.allow_look_alikes:
            tests = [scan for scan in usable if scan.case not in prints]
            _refuse_look_alikes(pool, dataset, splits, prints, tests, folder, progress)
        seen = [prints[case] for case in sorted((*splits.train, *splits.validation))]
        plan = _planned(pool, dataset, seen, overrides, progress)
        write_plan(folder / "plan.yaml", plan)
        scans = [scan for scan in usable if scan.case not in splits.test]
        result = preprocess_dataset(
            scans,
            dataset.labels,
            plan,
            folder,
            edges_mm=edges_mm or dataset.card.edges_mm,
            pool=pool,
            progress=progress,
        )
    for case in set(list_cases(folder)) - {scan.case for scan in scans}:
        withdraw_case(folder, case)  # of an earlier run on other scans, or with other parts
    if not overrides.allow_lost_lesions:
        refuse_losses(result.audit, plan.in_plane_spacing_mm)
    splits = without(splits, result.rejected)
    write_splits(folder / "splits.json", splits)
    write_prepared(folder, plan, splits)
    return _with_what_was_seen(result, rejected, prints, dataset, splits.validation)


def _with_what_was_seen(
    result: PreprocessResult,
    rejected: Mapping[str, str],
    prints: Mapping[str, CaseFingerprint],
    dataset: Dataset,
    validation: Sequence[str],
) -> PreprocessResult:
    """The result with what was rejected before it, the notes of all scans, and the doubts about
    them and about the validation cases."""
    classes = dataset.labels.classes
    patients = {scan.case: scan.patient for scan in dataset.scans}
    loads = {case: one.class_loads(len(classes)) for case, one in prints.items()}
    looks = {case: one.look for case, one in prints.items()}
    lines = unvalidated_words(classes, {case: loads[case] for case in validation})
    found = [*rare_classes(classes, loads, patients), *doubts(looks, dataset.channels, classes)]
    return dataclasses.replace(
        result,
        rejected={**rejected, **result.rejected},
        notes={case: one.notes for case, one in prints.items() if one.notes},
        doubts=(*doubt_lines(found, len(prints)), *lines),
    )


def _refuse_look_alikes(
    pool: WorkerPool | None,
    dataset: Dataset,
    splits: Splits,
    prints: Mapping[str, CaseFingerprint],
    tests: Sequence[ScanFiles],
    folder: Path,
    progress: bool,
) -> None:
    """Raise UsageError where two parts hold nearly the same scan. tests: without a fingerprint."""
    likeness = {case: one.likeness for case, one in prints.items()}
    likeness |= measure_test_scans(pool, dataset, tests, folder, progress)
    refuse_look_alikes(splits, {case: from_text(text) for case, text in likeness.items()})


def _planned(
    pool: WorkerPool | None,
    dataset: Dataset,
    seen: Sequence[CaseFingerprint],
    overrides: PlanOverrides,
    progress: bool,
) -> Plan:
    """The plan of the training and validation cases, at a spacing that loses no lesion."""
    losses = _losses(pool, dataset, seen, spacing_candidates(seen, overrides), progress)
    edges_mm = dataset.card.edges_mm
    classes = dataset.labels.classes
    return make_plan(seen, dataset.channels, overrides, losses, edges_mm=edges_mm, classes=classes)


def preprocess_dataset(
    scans: Sequence[ScanFiles],
    labels: MaskLabels,
    plan: Plan,
    folder: Path,
    *,
    edges_mm: Sequence[float] = EDGES_MM,
    pool: WorkerPool | None = None,
    progress: bool = True,
) -> PreprocessResult:
    """Make and store the cases of `scans` that are not there yet, by the processes of `pool`.

    What becomes of their lesions goes to lesion_audit.csv, by the size buckets of `edges_mm`. A
    case that cannot be made is rejected, what was stored of it is removed, and the others go on.
    """
    folder = Path(folder)
    tasks = {scan.case: _CaseTask(scan, labels, plan, folder) for scan in scans}
    made, rejected = for_each_case(pool, _store_case, tasks, title="preprocess", progress=progress)
    for case in rejected:  # what an earlier run made of it is of other files
        withdraw_case(folder, case)
    audit = {case: audit for case, (_, audit) in made.items()}
    write_audit(folder, audit, edges_mm, labels.classes)
    return PreprocessResult(
        done=tuple(case for case, (new, _) in made.items() if new),
        skipped=tuple(case for case, (new, _) in made.items() if not new),
        rejected=rejected,
        audit=audit,
    )


def _store_case(task: _CaseTask) -> tuple[bool, LesionAudit]:
    """Make and store one case, unless it is there: whether it was made, and its lesions' audit."""
    name = task.files.case
    cells = 2 * task.plan.detector.mask_bins
    labels = labels_key(task.labels)
    key = scan_key(task.files, task.files.patient, task.plan.case_key, labels, str(cells))
    if is_complete(task.folder, name, key):
        known = audit_from(stored_audit(task.folder, name))
        if known is not None:
            return False, known
    scan = load_scan(task.files, task.labels)
    case = prepare_loaded(scan, task.files, task.plan)
    audit = LesionAudit()
    if scan.lesion_ids is not None:
        assert scan.kinds is not None
        ids, kinds = scan.lesion_ids, scan.kinds
        audit = audit_case(ids, kinds, scan.affine, case, cells, scan.drawn)
    write_case(task.folder, case, key=key, audit=audit_content(audit))
    return True, audit


def _losses(
    pool: WorkerPool | None,
    dataset: Dataset,
    prints: Sequence[CaseFingerprint],
    candidates: Sequence[float],
    progress: bool,
) -> SpacingLosses | None:
    """Lesions lost at the candidate spacings, in the scans that have the most small ones."""
    chosen = set(hardest_cases(prints)) if candidates else set()
    files = {scan.case: scan for scan in dataset.scans if scan.case in chosen}
    if not files:
        return None

    def try_one(spacing_mm: float) -> list[tuple[int, int, int]]:
        tasks = {case: (scan, dataset.labels, spacing_mm) for case, scan in files.items()}
        title = f"lesions at {spacing_mm:g} mm"
        found, _ = for_each_case(pool, _scan_losses, tasks, title=title, progress=progress)
        return list(found.values())

    return try_spacings(candidates, try_one)


def _scan_losses(task: tuple[ScanFiles, MaskLabels, float]) -> tuple[int, int, int]:
    files, labels, spacing_mm = task
    return scan_losses(*load_lesions(files, labels), spacing_mm)
