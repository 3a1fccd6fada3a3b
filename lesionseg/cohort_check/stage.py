"""The check of a whole folder: each scan in processes, then the scans pairwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.cohort_check.cohort import cohort_findings, findings_by_case
from lesionseg.cohort_check.measures import ScanMeasures, measure_scan
from lesionseg.cohort_check.scan_findings import scan_findings
from lesionseg.datasets.cards.fields import Channel, DataCard
from lesionseg.datasets.dataset import Dataset
from lesionseg.datasets.unused_files import unused_words
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, NoInputError
from lesionseg.io import read_volume
from lesionseg.io.formats import is_image_name
from lesionseg.lesion_classes import LesionClasses
from lesionseg.planning.findings import ORDER, Finding, Severity, worst
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.process_pool import case_pool, for_each_case


@dataclass(frozen=True, eq=False)
class Checked:
    """measures: of the scans that could be read, by case. findings: of all, gravest first."""

    dataset: Dataset
    measures: Mapping[str, ScanMeasures]
    findings: tuple[Finding, ...]

    @property
    def status(self) -> dict[str, Severity]:
        """The gravest finding of every case, those without any among them."""
        found = findings_by_case(self.findings)
        cases = {*self.measures, *(case for case in found if case)}
        return {case: worst(found.get(case, [])) for case in sorted(cases)}

    @property
    def exit_code(self) -> int:
        """0 all ok, 5 some with an error or unusable, 4 all, 3 none to begin with."""
        bad = [status in ("error", "rejected") for status in self.status.values()]
        if not bad:
            return NoInputError.exit_code
        if all(bad):
            return CaseError.exit_code
        return EXIT_SOME_REJECTED if any(bad) else 0


def check_dataset(
    dataset: Dataset, root: Path, *, workers: int | None = None, progress: bool = True
) -> Checked:
    """Hash, open and measure every file of a dataset, and compare the scans. Writes nothing."""
    tasks = {scan.case: (scan, dataset.labels, dataset.channels) for scan in dataset.scans}
    with case_pool(workers, num_tasks=len(tasks)) as pool:
        measures, unusable = for_each_case(
            pool, measure_scan, tasks, title="check", progress=progress
        )
        spare = _spare_images(dataset, root)
        _, broken = for_each_case(pool, _open_spare, spare, title="unused", progress=progress)
    findings = [
        Finding(case, "rejected", "unusable", reason.removeprefix(f"case {case}: "))
        for case, reason in {**dataset.rejected, **unusable}.items()
    ]
    for scan in measures.values():
        findings += scan_findings(scan, dataset.channels, dataset.card.reading)
    findings += cohort_findings(
        list(measures.values()),
        [channel.name for channel in dataset.channels],
        dataset.labels.classes,
    )
    findings += _unused(dataset.unused, broken)
    findings.sort(key=lambda finding: -ORDER.index(finding.severity))
    return Checked(dataset, measures, tuple(findings))


def _spare_images(dataset: Dataset, root: Path) -> dict[str, Path]:
    """The images among the files that no scan uses, by their place under the root."""
    root = root if root.is_dir() else root.parent
    places = {place: root / place for place in dataset.unused}
    return {
        place: path for place, path in places.items() if is_image_name(path.name) and path.is_file()
    }


def _open_spare(path: Path) -> None:
    """Raises CaseError where the file cannot be read as one volume."""
    read_volume(path)


def _unused(unused: Mapping[str, str], unusable: Mapping[str, str]) -> Iterator[Finding]:
    """A pattern may have missed them, or they are to spare; those that are damaged are said."""
    if unused:
        yield Finding("", "note", "unused files", f"Not used: {unused_words(unused)}")
    for place, reason in unusable.items():
        text = f"{place}, which no scan uses, cannot be read: {reason.partition(': ')[2]}"
        yield Finding("", "note", "unused image unusable", text)


def check_table(checked: Checked) -> tuple[list[str], list[list[object]]]:
    """Heads and rows of check.csv, one row a case; what a case has no value of is None."""
    found = findings_by_case(checked.findings)
    edges = checked.dataset.card.edges_mm
    rows = []
    for case, status in checked.status.items():
        own = found.get(case, [])
        row: dict[str, object] = {
            "case": case,
            "status": status,
            "findings": "; ".join(f"{one.kind}: {one.text}" for one in own),
        }
        if case in checked.measures:
            row |= _measured(
                checked.measures[case],
                checked.dataset.channels,
                edges,
                checked.dataset.labels.classes,
            )
        rows.append(row)
    heads = list(dict.fromkeys(head for row in rows for head in row))
    return heads, [[row.get(head) for head in heads] for row in rows]


def _measured(
    scan: ScanMeasures,
    channels: Sequence[Channel],
    edges_mm: Sequence[float],
    classes: LesionClasses,
) -> dict[str, object]:
    row: dict[str, object] = {
        "patient": scan.patient,
        "part": scan.split,
        "shape": "x".join(map(str, scan.shape)),
        "spacing_mm": "x".join(f"{mm:.4g}" for mm in scan.spacing_mm),
        "orientation": scan.orientation,
    }
    if scan.mask_voxels is not None:
        volumes = scan.lesion_volumes_mm3
        buckets = SizeBuckets.from_edges(edges_mm)
        numbers = [buckets.number(volume) for volume in volumes]
        row |= {"lesions": len(volumes), "lesion_ml": round(scan.lesion_ml, 4)}
        for number, name in enumerate(buckets.ranges):
            row[f"lesions {name}"] = numbers.count(number)
        if len(classes) > 1:
            for name, count in zip(classes.names, scan.class_loads(len(classes))):
                row[f"lesions {name}"] = count
    for measured, look, channel in zip(scan.channels, scan.look.channels, channels):
        low, middle, high, top = look.levels
        row |= {
            f"{channel.name} minimum": look.minimum,
            f"{channel.name} p1": low,
            f"{channel.name} median": middle,
            f"{channel.name} p99": high,
            f"{channel.name} maximum": top,
            f"{channel.name} without a value, %": measured.bad_percent,
        }
    return row | {f"{role} sha256": digest for role, digest in scan.files.items()}


def finished_card(checked: Checked) -> DataCard:
    """The dataset's card, its unknown channels and spacing filled in with what was measured."""
    card, scans = checked.dataset.card, list(checked.measures.values())
    reading = card.reading
    if not reading.channels and scans:
        reading = reading.model_copy(update={"channels": checked.dataset.channels})
    if reading.spacing_mm == "unknown" and scans:
        spacings = {tuple(round(mm, 3) for mm in scan.spacing_mm) for scan in scans}
        known = spacings.pop() if len(spacings) == 1 else "varies"
        reading = reading.model_copy(update={"spacing_mm": known})
    return card.model_copy(update={"reading": reading})
