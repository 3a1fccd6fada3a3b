"""What a prediction writes once for all its scans: tables, and the page and the description of the
formats that have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import UsageError
from lesionseg.inference.bids import write_description
from lesionseg.inference.bids_files import BIDS, refuse_shared_names
from lesionseg.inference.cohort_tables import (
    FILES,
    OVERVIEW,
    REJECTED,
    withdraw_cohort,
    write_cohort_tables,
)
from lesionseg.inference.ensemble import Model
from lesionseg.inference.export_record import DICOM_SEG, made_by, other_exports, own_record
from lesionseg.inference.overview import write_overview
from lesionseg.io.dicom.source_slices import require_highdicom
from lesionseg.storage.csv_table import write_csv
from lesionseg.storage.own_files import announce_files


def withdraw_cohort_files(output: Path, scans: Sequence[ScanFiles], save: Sequence[str]) -> None:
    """Remove what an earlier prediction wrote of all scans.

    save: what is going to be written, of EXTRAS and FORMATS in settings.common. Raises UsageError
    where a file of somebody else's would be replaced, two files would share a name, or a library
    is not installed.
    """
    if DICOM_SEG in save:
        require_highdicom()
    cases = [scan.case for scan in scans]
    if named := [case for case in cases if f"{case}.json".lower() == FILES]:
        raise UsageError(
            f"case {named[0]} has the name of {FILES}, which lists the files of all scans; "
            "rename the scan"
        )
    if BIDS in save:
        refuse_shared_names([*cases, *_others_in_bids(output, cases)])
    withdraw_cohort(output, [OVERVIEW] if "overview" in save else [])


def write_cohort_files(
    output: Path,
    models: Sequence[Model],
    scans: Sequence[ScanFiles],
    save: Sequence[str],
    said: Mapping[str, Sequence[str]],
) -> None:
    """Write them. models: that predicted the scans, the overview is of the first. said: case ->
    notes, as of `write_cohort_tables`. Raises OutputError."""
    write_cohort_tables(output, [made_by(one) for one in models], said)
    if "overview" in save:
        write_overview(output, models[0], scans, said)
    if BIDS in save:
        write_description(output)


def write_rejected(output: Path, rejected: Mapping[str, str]) -> None:
    """Write rejected.csv, where a scan was rejected. rejected: case -> why. Raises OutputError."""
    if rejected:
        announce_files(output, FILES, [REJECTED])
        write_csv(output / REJECTED, ("case", "reason"), sorted(rejected.items()))


def _others_in_bids(output: Path, cases: Sequence[str]) -> list[str]:
    """Scans predicted earlier whose BIDS files are in the folder."""
    found = {case: own_record(output, case) or {} for case in other_exports(output, cases)}
    return [
        case
        for case, record in found.items()
        if any(name.startswith(f"{BIDS}/") for name in record["files"])
    ]
