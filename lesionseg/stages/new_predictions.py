"""Masks of new scans, a table of those that cannot be predicted, and one line that says it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.new_scans import NewScans
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.inference.bids_files import BIDS
from lesionseg.inference.cohort_tables import OVERVIEW, REJECTED, SCANS
from lesionseg.inference.ensemble import Model
from lesionseg.inference.export_record import DICOM, DICOM_SEG, FOLDERS, VIEWER_FILES
from lesionseg.stages.cohort_files import write_rejected
from lesionseg.stages.prediction import ScanResult, Share, predict_scans
from lesionseg.wording import counted

PLACES = {  # of what is written beside the masks
    **{name: f"{folder}/" for name, folder in FOLDERS.items()},
    **{name: place.format(case="*") for name, place in VIEWER_FILES.items()},
    DICOM_SEG: ", ".join(f"{folder}/" for folder in DICOM),
    BIDS: f"{BIDS}/",
    "overview": OVERVIEW,
}


def predict_new_scans(
    model: Model, found: NewScans, output: Path, save: Sequence[str]
) -> tuple[int, int]:
    """Predict the scans that were found, write rejected.csv where some cannot be predicted, and
    print what was written. Returns how many are predicted and how many rejected.

    Raises as `predict_scans`.
    """
    shares = [Share(model, found.scans)]
    done, rejected = predict_scans(shares, output, save, unread=found.rejected)
    say_predicted(done, rejected, output, save)
    return len(done), len(rejected)


def say_predicted(
    done: Mapping[str, ScanResult], rejected: Mapping[str, str], output: Path, save: Sequence[str]
) -> None:
    """Write rejected.csv where some scans cannot be predicted, and print what was written."""
    write_rejected(output, rejected)
    if done:
        print(_summary(done, rejected, output, save))


def exit_code(num_done: int, num_rejected: int) -> int:
    """Of a prediction: 0 all ok, 5 some rejected, 4 all."""
    if not num_rejected:
        return 0
    return EXIT_SOME_REJECTED if num_done else CaseError.exit_code


def _summary(
    done: Mapping[str, ScanResult], rejected: Mapping[str, str], output: Path, save: Sequence[str]
) -> str:
    lesions = sum(one.num_lesions for one in done.values())
    noted = sum(bool(one.notes) for one in done.values())
    words = f"predicted {counted(len(done), 'scan')}, {counted(lesions, 'lesion')} kept"
    if rejected:
        words += f"; {len(rejected)} rejected, see {REJECTED}"
    if noted:
        words += f"; {noted} with notes, see {SCANS}"
    *files, last = ["masks", *(PLACES[one] for one in PLACES if one in save)]
    beside = f"{', '.join(files)} and {last}" if files else last
    return f"{words}; {beside} in {output}"
