"""What preprocessing measures of the scans before it plans, and by what it knows a scan again."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionseg.datasets.dataset import Channel, Dataset, MaskLabels
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.io.reading import STRICT
from lesionseg.planning.fingerprint import (
    CaseFingerprint,
    files_key,
    likeness_of,
    read_fingerprints,
    take_fingerprint,
    write_fingerprints,
)
from lesionseg.reading.scans import canonical_channels, load_scan, read_channels
from lesionseg.storage.atomic import write_text
from lesionseg.storage.process_pool import WorkerPool, for_each_case
from lesionseg.storage.provenance import read_record, withdraw

KEPT = "fingerprints"  # folder of what jobs measured of their scans, a file a scan
FORMAT = "4"  # raise it where the same files and plan would give other cases


@dataclass(frozen=True)
class _FingerprintTask:
    files: ScanFiles
    labels: MaskLabels
    channels: tuple[Channel, ...]
    known: CaseFingerprint | None


def measure_scans(
    pool: WorkerPool | None,
    dataset: Dataset,
    scans: Sequence[ScanFiles],
    folder: Path,
    progress: bool,
    *,
    measured: Path | None = None,
) -> tuple[dict[str, CaseFingerprint], dict[str, str]]:
    """Fingerprints of the training scans, kept in fingerprint.json, and why others have none.

    measured: another folder whose fingerprints are used where it has those of these very scans.
    """
    path = folder / "fingerprint.json"
    own = read_fingerprints(path)
    known = own | _kept_prints(folder)
    known |= read_fingerprints(measured / path.name) if measured is not None else {}
    tasks = {
        scan.case: _FingerprintTask(scan, dataset.labels, dataset.channels, known.get(scan.case))
        for scan in scans
    }
    prints, rejected = for_each_case(
        pool, _fingerprint_case, tasks, title="fingerprint", progress=progress
    )
    if prints != own:
        write_fingerprints(path, list(prints.values()))
    return prints, rejected


def measure_test_scans(
    pool: WorkerPool | None,
    dataset: Dataset,
    scans: Sequence[ScanFiles],
    folder: Path,
    progress: bool,
) -> dict[str, str]:
    """The likeness of test scans, of which nothing else is looked at, kept in likeness.json.

    One that cannot be read is left to prediction, which says so.
    """
    path = folder / "likeness.json"
    own = read_record(path) or {}
    known = {**own, **_kept_likeness(folder)}
    tasks = {scan.case: (scan, dataset.channels, known.get(scan.case)) for scan in scans}
    found, _ = for_each_case(pool, _test_scan, tasks, title="test scans", progress=progress)
    if found != own:
        write_text(path, json.dumps(found) + "\n")
    return {case: text for case, (_, text) in found.items()}


def measure_and_keep(
    pool: WorkerPool | None,
    dataset: Dataset,
    scans: Sequence[ScanFiles],
    folder: Path,
    progress: bool,
) -> dict[str, str]:
    """Measure some of the scans, each into a file of its own below `folder`, where `measure_scans`
    and `measure_test_scans` find it; returns case -> why of training scans that are rejected.

    What was measured already is not measured again. Raises OutputError.
    """
    prints = read_fingerprints(folder / "fingerprint.json") | _kept_prints(folder)
    likeness = {**(read_record(folder / "likeness.json") or {}), **_kept_likeness(folder)}
    training = {
        scan.case: (
            _FingerprintTask(scan, dataset.labels, dataset.channels, prints.get(scan.case)),
            folder / KEPT / f"{scan.case}.json",
        )
        for scan in scans
        if scan.split == "train"
    }
    tests = {
        scan.case: (
            (scan, dataset.channels, likeness.get(scan.case)),
            folder / KEPT / f"{scan.case}.json",
        )
        for scan in scans
        if scan.split != "train"
    }
    _, bad = for_each_case(pool, _keep_print, training, title="fingerprint", progress=progress)
    for_each_case(pool, _keep_likeness, tests, title="test scans", progress=progress)
    return bad


def forget_kept(folder: Path) -> None:
    """Remove what `measure_and_keep` kept, once it stands in the files of all scans."""
    withdraw(sorted((folder / KEPT).glob("*.json")))
    with contextlib.suppress(OSError):
        (folder / KEPT).rmdir()


def _keep_print(task: tuple[_FingerprintTask, Path]) -> None:
    what, path = task
    found = _fingerprint_case(what)
    if found != what.known or not path.exists():
        write_fingerprints(path, [found])


def _keep_likeness(task: tuple[tuple[ScanFiles, tuple[Channel, ...], Any], Path]) -> None:
    what, path = task
    found = _test_scan(what)
    if found != what[2] or not path.exists():
        content = {"case": what[0].case, "likeness": found}
        write_text(path, json.dumps(content) + "\n")


def _kept_prints(folder: Path) -> dict[str, CaseFingerprint]:
    found: dict[str, CaseFingerprint] = {}
    for path in sorted((folder / KEPT).glob("*.json")):
        found |= read_fingerprints(path)
    return found


def _kept_likeness(folder: Path) -> dict[str, Any]:
    records = map(read_record, sorted((folder / KEPT).glob("*.json")))
    return {one["case"]: one["likeness"] for one in records if one and "likeness" in one}


def _fingerprint_case(task: _FingerprintTask) -> CaseFingerprint:
    key = scan_key(task.files, repr(task.channels), labels_key(task.labels))
    if task.known is not None and task.known.key == key:
        return task.known
    scan = load_scan(task.files, task.labels)
    return take_fingerprint(scan, [channel.modality for channel in task.channels], key)


def _test_scan(task: tuple[ScanFiles, tuple[Channel, ...], Any]) -> list[str]:
    """The key of a test scan and its likeness."""
    files, channels, known = task
    key = scan_key(dataclasses.replace(files, mask=None, raters=()), repr(channels))
    if isinstance(known, list) and len(known) == 2 and known[0] == key:
        return known
    arrays, affine = canonical_channels(read_channels(files), files.case)
    modalities = [channel.modality for channel in channels]
    return [key, likeness_of(arrays, affine, modalities, files.case)]


def image_hashes(scans: Sequence[ScanFiles]) -> dict[str, str]:
    """Hash of each scan's first image; one that cannot be read is left to its own case's error."""
    hashes = {}
    for scan in scans:
        with contextlib.suppress(OSError):
            hashes[scan.case] = files_key(scan.images[:1], str(scan.volumes[:1]))
    return hashes


def scan_key(files: ScanFiles, *more: str) -> str:
    """Hash of all files of a scan, how they are read, and more. Raises CaseError."""
    how = (str(files.volumes), files.consensus) if files.volumes or files.raters else ()
    how = (*how, files.few_raters) if files.raters else how
    how = how if files.rule == STRICT else (*how, repr(files.rule))
    try:
        return files_key(files.paths, FORMAT, *how, *more)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(files.case, f"{Path(str(error.filename)).name}: {reason}") from error


def labels_key(labels: MaskLabels) -> str:
    """What the values of masks mean, as text."""
    kinds = f"{sorted(labels.known or ())} {labels.classes.as_data} {sorted(labels.ignored)}"
    return f"{kinds} instances" if labels.instances else kinds
