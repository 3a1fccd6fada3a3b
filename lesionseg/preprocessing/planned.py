"""From a folder of scans to splits and a plan: all that has to see every scan before the first case
is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lesionseg.datasets.dataset import Dataset, MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.splits import Splits, check_copies, make_splits
from lesionseg.planning.class_counts import refuse_absent_classes
from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.planning.likeness import from_text, refuse_look_alikes
from lesionseg.planning.plan import Plan, SpacingLosses, make_plan, spacing_candidates
from lesionseg.planning.spacing_losses import hardest_cases, scan_losses, try_spacings
from lesionseg.preprocessing.measuring import image_hashes, measure_scans, measure_test_scans
from lesionseg.reading.scans import load_lesions
from lesionseg.settings.data import SplitRule
from lesionseg.settings.plan import PlanOverrides
from lesionseg.storage.process_pool import WorkerPool, for_each_case


@dataclass(frozen=True)
class Planned:
    """prints: fingerprints of the scans of training. rejected: case -> why. scans: those that
    become cases. plan: None where no scan can be used."""

    prints: Mapping[str, CaseFingerprint]
    rejected: Mapping[str, str]
    splits: Splits
    scans: Sequence[ScanFiles] = field(default=())
    plan: Plan | None = None


def plan_dataset(
    pool: WorkerPool | None,
    dataset: Dataset,
    folder: Path,
    *,
    overrides: PlanOverrides,
    split: SplitRule,
    seed: int,
    measured: Path | None = None,
    progress: bool = True,
) -> Planned:
    """Measure the scans, split the patients and plan; fingerprint.json and likeness.json stay.

    Raises as `stage.build_dataset`.
    """
    training = [scan for scan in dataset.scans if scan.split == "train"]
    prints, rejected = measure_scans(pool, dataset, training, folder, progress, measured=measured)
    rejected = {**dataset.rejected, **rejected}
    if not prints:
        return Planned(prints, rejected, Splits((), (), (), {}, seed))
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
    scans = [scan for scan in usable if scan.case not in splits.test]
    return Planned(prints, rejected, splits, scans, plan)


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
