"""Masks of new scans, and of each a row that says what was found and what is to be known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.new_scans import NewScans
from lesionseg.errors import CaseError
from lesionseg.inference.export_record import refuse_foreign
from lesionseg.inference.model_store import LoadedModel
from lesionseg.stages.prediction import ScanResult, predict_scans, reject_scan
from lesionseg.storage.csv_table import write_csv
from lesionseg.storage.provenance import withdraw
from lesionseg.wording import counted

SCANS, REJECTED = "scans.csv", "rejected.csv"


def predict_new_scans(
    model: LoadedModel, found: NewScans, output: Path, save: Sequence[str]
) -> tuple[int, int]:
    """Predict the scans that were found, write scans.csv and, where some cannot be predicted,
    rejected.csv; print what was written. Returns how many are predicted and how many rejected.

    Raises as `predict_scans`.
    """
    refuse_foreign(output, [*(scan.case for scan in found.scans), *found.rejected])
    withdraw([output / SCANS, output / REJECTED])
    for case, problem in found.rejected.items():
        reject_scan(output, CaseError(case, problem))
    done, bad = predict_scans(model, found.scans, output, save)
    rejected = {**found.rejected, **bad}
    rows = [(case, one.num_lesions, "; ".join(one.notes)) for case, one in done.items()]
    write_csv(output / SCANS, ("case", "lesions", "notes"), rows)
    if rejected:
        write_csv(output / REJECTED, ("case", "reason"), sorted(rejected.items()))
    if done:
        print(_summary(done, rejected, output))
    return len(done), len(rejected)


def _summary(done: Mapping[str, ScanResult], rejected: Mapping[str, str], output: Path) -> str:
    lesions = sum(one.num_lesions for one in done.values())
    noted = sum(bool(one.notes) for one in done.values())
    words = f"predicted {counted(len(done), 'scan')}, {counted(lesions, 'lesion')} kept"
    if rejected:
        words += f"; {len(rejected)} rejected, see {REJECTED}"
    if noted:
        words += f"; {noted} with notes, see {SCANS}"
    return f"{words}; masks in {output}"
