"""What shows only when scans are compared: copies, leaks, swapped channels, flips, outliers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lesionseg.cohort_check.measures import ScanMeasures
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.planning.class_doubts import rare_classes
from lesionseg.planning.doubts import cohort_doubts
from lesionseg.planning.findings import Finding, Severity, listed
from lesionseg.planning.likeness import FEW, similar_groups, unit_rows

FLIP_MARGIN = 0.15  # correlation of left-right asymmetry, of the cohort and against it
RARE = 0.1  # of the scans share a grid that is an odd one out


def cohort_findings(
    scans: Sequence[ScanMeasures],
    channels: Sequence[str],
    classes: LesionClasses = ONE_CLASS,
) -> list[Finding]:
    """Everything that shows by comparison. `scans` are those that could be read."""
    return [
        *_patients_in_two_parts(scans),
        *_same_voxels(scans, channels),
        *_same_masks(scans),
        *_look_alikes(scans),
        *_rare_classes(scans, classes),
        *cohort_doubts({scan.case: scan.look for scan in scans}, channels, classes),
        *_flipped(scans),
        *_odd_grids(scans),
        *_odd_intensities(scans, channels),
    ]


def _patients_in_two_parts(scans: Sequence[ScanMeasures]) -> Iterator[Finding]:
    parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for scan in scans:
        parts[scan.patient][scan.split].append(scan.case)
    for patient, cases in parts.items():
        if len(cases) > 1:
            text = f"patient {patient} has {listed(cases['train'])} in training and "
            text += f"{listed(cases['test'])} in the test set"
            for case in [*cases["train"], *cases["test"]]:
                yield Finding(case, "error", "patient in two parts", text)


def _rare_classes(scans: Sequence[ScanMeasures], classes: LesionClasses) -> Iterator[Finding]:
    masked = [scan for scan in scans if scan.mask_voxels is not None]
    loads = {scan.case: scan.class_loads(len(classes)) for scan in masked}
    return rare_classes(classes, loads, {scan.case: scan.patient for scan in masked})


def _groups(
    scans: Sequence[ScanMeasures], key: Callable[[ScanMeasures], object]
) -> list[list[ScanMeasures]]:
    found: dict[object, list[ScanMeasures]] = defaultdict(list)
    for scan in scans:
        found[key(scan)].append(scan)
    return [group for group in found.values() if len(group) > 1]


def _same_voxels(scans: Sequence[ScanMeasures], channels: Sequence[str]) -> Iterator[Finding]:
    for number, name in enumerate(channels):
        for group in _groups(scans, lambda scan: scan.channels[number].voxels):  # noqa: B023
            leak = len({scan.split for scan in group}) > 1
            strangers = len({scan.patient for scan in group}) > 1
            text = f"{name} has the same voxels in {listed([scan.case for scan in group])}"
            text += ", on both sides of the split" if leak else ""
            text += ", of different patients" if strangers else ""
            severity: Severity = "error" if leak or strangers else "warning"
            for scan in group:
                yield Finding(scan.case, severity, "copied scan", text)


def _same_masks(scans: Sequence[ScanMeasures]) -> Iterator[Finding]:
    masked = [scan for scan in scans if scan.lesion_volumes_mm3]
    for group in _groups(masked, lambda scan: scan.mask_voxels):
        if len({scan.channels[0].voxels for scan in group}) > 1:
            text = f"the same mask belongs to {listed([scan.case for scan in group])}"
            for scan in group:
                yield Finding(scan.case, "error", "copied mask", text)


def _look_alikes(scans: Sequence[ScanMeasures]) -> Iterator[Finding]:
    """Groups of near-copies, resampled or with other lesions, and mirror images of one another."""
    if len(scans) < 2:
        return
    alike, mirrored = similar_groups([scan.fine for scan in scans])
    for kind, groups, words in (
        ("looks like another", alike, "look alike but for small differences"),
        ("mirror image of another", mirrored, "are mirror images of one another"),
    ):
        for members in groups:
            group = [scans[n] for n in members]
            if len({scan.patient for scan in group}) == 1 and kind.startswith("looks"):
                continue
            text = f"{listed([scan.case for scan in group])} {words}"
            leak = len({scan.split for scan in group}) > 1
            text += ", on both sides of the split" if leak else ""
            for scan in group:
                yield Finding(scan.case, "warning", kind, text)


def _flipped(scans: Sequence[ScanMeasures]) -> Iterator[Finding]:
    """Scans whose asymmetry is opposite to that of the others, where those share one."""
    if len(scans) <= FEW:
        return

    def row_of(scan: ScanMeasures) -> NDArray[np.float32]:
        fine = scan.fine.astype(np.float32)
        return unit_rows([fine - fine[::-1]])[0]

    total = np.zeros(scans[0].fine.size, np.float32)
    for scan in scans:
        total += row_of(scan)
    agreement = [
        float(row @ unit_rows([total - row])[0]) for row in (row_of(scan) for scan in scans)
    ]
    if float(np.median(agreement)) < FLIP_MARGIN:
        return
    for scan, agrees in zip(scans, agreement):
        if agrees < -FLIP_MARGIN:
            text = f"its left-right asymmetry runs against that of the others (r = {agrees:.2f})"
            yield Finding(scan.case, "warning", "left and right flipped", text)


def _odd_grids(scans: Sequence[ScanMeasures]) -> Iterator[Finding]:
    for what, key in (
        ("spacing", lambda s: tuple(round(mm, 2) for mm in s.spacing_mm)),
        ("orientation", lambda s: s.orientation),
    ):
        counts = Counter(key(scan) for scan in scans)
        (common, most), *_ = counts.most_common(1) or [((), 0)]
        for scan in scans:
            if len(scans) >= FEW and counts[key(scan)] <= RARE * most and key(scan) != common:
                text = f"{what} {_shown(key(scan))}; most scans have {_shown(common)}"
                yield Finding(scan.case, "note", f"odd {what}", text)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else " x ".join(f"{v:g}" for v in value) + " mm"  # type: ignore[attr-defined]


def _odd_intensities(scans: Sequence[ScanMeasures], channels: Sequence[str]) -> Iterator[Finding]:
    """A scale of intensities unlike all others: another scanner, unit or reconstruction."""
    if len(scans) < FEW:
        return
    for number, name in enumerate(channels):
        levels = np.array([scan.look.channels[number].levels[1] for scan in scans])
        logs = np.log(np.maximum(levels - min(levels.min(), 0), 0) + 1e-3)
        middle = float(np.median(logs))
        spread = max(float(np.median(np.abs(logs - middle))), 0.1)
        for scan, log, level in zip(scans, logs, levels):
            if abs(log - middle) > 10 * spread:
                text = f"{name}: median {level:.4g} inside the foreground, of most scans about "
                text += f"{float(np.median(levels)):.4g}"
                yield Finding(scan.case, "note", "odd intensities", text)


def findings_by_case(findings: Sequence[Finding]) -> Mapping[str, list[Finding]]:
    """Findings in their order, by case; "" is the whole folder."""
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        found[finding.case].append(finding)
    return found
