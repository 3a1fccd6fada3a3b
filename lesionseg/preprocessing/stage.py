"""The preprocess stage: a folder of scans to cases, fingerprint, plan and splits; resumable."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lesionseg.datasets.dataset import Dataset, MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.splits import (
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
from lesionseg.planning.class_counts import unvalidated_words
from lesionseg.planning.class_doubts import rare_classes
from lesionseg.planning.doubts import doubt_lines, doubts
from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.planning.lesion_audit import LesionAudit, audit_case
from lesionseg.planning.plan import (
    Plan,
)
from lesionseg.planning.plan_file import write_plan
from lesionseg.preprocessing.case import prepare_loaded
from lesionseg.preprocessing.measuring import (
    labels_key,
    scan_key,
)
from lesionseg.preprocessing.planned import plan_dataset
from lesionseg.preprocessing.prepared import withdraw_prepared, write_prepared
from lesionseg.reading.scans import load_scan
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
    withdraw_prepared(folder)
    with case_pool(workers) as pool:
        planned = plan_dataset(
            pool,
            dataset,
            folder,
            overrides=overrides,
            split=split,
            seed=seed,
            measured=measured,
            progress=progress,
        )
        if planned.plan is None:
            return PreprocessResult(rejected=planned.rejected)
        plan, splits, prints = planned.plan, planned.splits, planned.prints
        write_plan(folder / "plan.yaml", plan)
        scans = planned.scans
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
    return _with_what_was_seen(result, planned.rejected, prints, dataset, splits.validation)


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
    made, rejected = store_cases(scans, labels, plan, folder, pool=pool, progress=progress)
    audit = {case: audit for case, (_, audit) in made.items()}
    write_audit(folder, audit, edges_mm, labels.classes)
    return PreprocessResult(
        done=tuple(case for case, (new, _) in made.items() if new),
        skipped=tuple(case for case, (new, _) in made.items() if not new),
        rejected=rejected,
        audit=audit,
    )


def store_cases(
    scans: Sequence[ScanFiles],
    labels: MaskLabels,
    plan: Plan,
    folder: Path,
    *,
    pool: WorkerPool | None,
    progress: bool = True,
) -> tuple[dict[str, tuple[bool, LesionAudit]], dict[str, str]]:
    """Make and store cases: of each, whether it was made now and its lesions' audit, and why others
    were rejected, of which nothing stays stored."""
    tasks = {scan.case: _CaseTask(scan, labels, plan, folder) for scan in scans}
    made, rejected = for_each_case(pool, _store_case, tasks, title="preprocess", progress=progress)
    for case in rejected:  # what an earlier run made of it is of other files
        withdraw_case(folder, case)
    return made, rejected


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
