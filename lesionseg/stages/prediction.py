"""Masks of scans by trained models, each on the scan's own grid."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lesionseg.datasets.dataset import Dataset
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.inference.ensemble import Model
from lesionseg.inference.export import export_case
from lesionseg.inference.export_record import (
    DICOM_SEG,
    State,
    export_record,
    exported_state,
    other_exports,
    own_record,
    refuse_edited,
    refuse_foreign,
    withdraw_export,
)
from lesionseg.inference.model_folder import load_model
from lesionseg.inference.predict import predict_case
from lesionseg.io.dicom.source_slices import source_slices
from lesionseg.planning.unlike_training import unlike_training
from lesionseg.preprocessing.prepared import open_prepared
from lesionseg.progress import with_progress, write_above
from lesionseg.reading.scans import read_channels
from lesionseg.stages.cohort_files import withdraw_cohort_files, write_cohort_files
from lesionseg.storage.csv_table import read_rows
from lesionseg.storage.memory import memory_errors
from lesionseg.wording import counted

NAMED = 5  # cases that a message names
EDITED = "its mask was changed after it was written, and is kept as it is"


@dataclass(frozen=True)
class ScanResult:
    """Of a scan that is predicted: how many lesions are reported, and what is to be known of it."""

    num_lesions: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model of a comparison, and the folder of its masks."""

    model: Model
    predictions: Path


@dataclass(frozen=True, eq=False)
class Share:
    """The scans of a folder that one model predicts: all of them, or those of a fold."""

    model: Model
    scans: Sequence[ScanFiles]


def load_trained(
    output: str, names: Iterable[str], *, device: str, threads: int | str
) -> dict[str, TrainedModel]:
    """The models of a run folder by name; their masks go to OUTPUT/predictions/NAME."""
    run = Path(output)
    return {
        name: TrainedModel(
            load_model(run / "models" / name, device, threads=threads),
            run / "predictions" / name,
        )
        for name in names
    }


def test_scans(dataset: Dataset, prepared: Path) -> list[ScanFiles]:
    """The scans that no model has seen. prepared: the folder of preprocessed cases."""
    test = set(open_prepared(prepared).splits.test)
    return [scan for scan in dataset.scans if scan.case in test]


def predict_all(
    models: Mapping[str, TrainedModel], scans: Sequence[ScanFiles], save: Sequence[str]
) -> dict[str, str]:
    """Masks of every scan by every model; returns case -> why of those rejected."""
    rejected: dict[str, str] = {}
    for one in models.values():
        _, bad = predict_scans([Share(one.model, scans)], one.predictions, save)
        rejected |= bad
    return rejected


def predict_scans(
    shares: Sequence[Share],
    output: Path,
    save: Sequence[str],
    *,
    unread: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, ScanResult], dict[str, str]]:
    """Predict and write each scan, unless it is there; one that is rejected has no files.

    shares: the models, which tell the same classes apart, and each one's scans. save: what is
    written beside the masks, of EXTRAS and FORMATS in settings.common. unread: case
    -> why of scans that are rejected before they are read. Returns case -> result, and case -> why
    of all that are rejected. Raises UsageError where a mask of somebody else's, or one that a
    person changed, would be replaced or removed.
    """
    models = [share.model for share in shares]
    scans = [scan for share in shares for scan in share.scans]
    begin_prediction(output, scans, unread, save)
    done, rejected = predict_each(shares, output, save, unread=unread)
    end_prediction(output, models, scans, save, done, rejected)
    return done, rejected


def begin_prediction(
    output: Path, scans: Sequence[ScanFiles], unread: Mapping[str, str], save: Sequence[str]
) -> None:
    """Take away what an earlier prediction wrote of all scans; raises as `predict_scans`."""
    refuse_foreign(output, [*(scan.case for scan in scans), *unread])
    withdraw_cohort_files(output, scans, save)


def told(done: Mapping[str, ScanResult], rejected: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What is to be known of each scan, and of a rejected one, why."""
    said = {case: one.notes for case, one in done.items()}
    return said | {case: (f"rejected: {problem}",) for case, problem in rejected.items()}


def predict_each(
    shares: Sequence[Share], output: Path, save: Sequence[str], *, unread: Mapping[str, str]
) -> tuple[dict[str, ScanResult], dict[str, str]]:
    """As `predict_scans`, without what is written of all scans."""
    for case, problem in unread.items():
        _reject(output, CaseError(case, problem))
    done: dict[str, ScanResult] = {}
    rejected = dict(unread)
    first = shares[0].model
    of_scan = [(share.model, scan) for share in shares for scan in share.scans]
    for model, scan in with_progress(of_scan, f"{first.name} predicts", "scan"):
        try:
            with memory_errors(scan.case):
                done[scan.case] = _predict_scan(model, scan, output, save)
        except CaseError as error:
            rejected[scan.case] = error.problem
            _reject(output, error)
    if first.threads and first.threads.measured:
        used, most = first.threads.chosen, first.threads.choices[0]
        print(f"{first.name}: predicted on {used} of {most} threads", file=sys.stderr)
    return done, rejected


def end_prediction(
    output: Path,
    models: Sequence[Model],
    scans: Sequence[ScanFiles],
    save: Sequence[str],
    done: Mapping[str, ScanResult],
    rejected: Mapping[str, str],
) -> None:
    """Write what is made of all scans; as `predict_scans`."""
    write_cohort_files(output, models, scans, save, told(done, rejected))
    _name_others(output, [scan.case for scan in scans])


def _reject(output: Path, error: CaseError) -> None:
    """Say why a scan is not predicted, and remove what an earlier prediction wrote of it.

    Raises UsageError where a person changed that since.
    """
    write_above(f"rejected: {error}")
    refuse_edited(output, error.case)
    withdraw_export(output, error.case)


def _predict_scan(model: Model, scan: ScanFiles, output: Path, save: Sequence[str]) -> ScanResult:
    case = scan.case
    record = export_record(
        case, model, scan.images, rule=scan.rule, volumes=scan.volumes, series=scan.series
    )
    state = exported_state(output, case, record, save)
    if state is State.EDITED:
        _note(case, EDITED)
    if state is not State.ABSENT:
        return _earlier_result(output, case, [EDITED] if state is State.EDITED else [])
    refuse_edited(output, case)
    volumes = read_channels(scan)
    source = None
    if DICOM_SEG in save:
        first, series = volumes[0].grid, scan.rule_of(0).dicom_series
        source = source_slices(scan.images[0], case, first.shape, first.affine, series=series)
    mended = [note for volume in volumes for note in volume.notes]
    notes = tuple(dict.fromkeys([*mended, *unlike_training(volumes, model.plan, case)]))
    for note in notes:
        _note(case, note)
    found = predict_case(model, volumes, case=case)
    export_case(output, case, found, volumes[0], record, extras=save, notes=notes, source=source)
    return ScanResult(len(found.scores), notes)


def _earlier_result(output: Path, case: str, also: Sequence[str]) -> ScanResult:
    """Of a case that is there, whole. also: notes that its record does not hold."""
    notes = (own_record(output, case) or {}).get("notes", [])
    return ScanResult(len(read_rows(output / "lesions" / f"{case}.csv")), (*notes, *also))


def _note(case: str, text: str) -> None:
    write_above(f"note: case {case}: {text}")


def _name_others(output: Path, cases: Sequence[str]) -> None:
    """Say which masks of the folder are of scans that were not asked for."""
    if others := other_exports(output, cases):
        named = ", ".join(others[:NAMED]) + (", ..." if len(others) > NAMED else "")
        print(
            f"note: {output.name} also holds {counted(len(others), 'mask')} of scans that were not "
            f"asked for, from an earlier prediction: {named}",
            file=sys.stderr,
        )
