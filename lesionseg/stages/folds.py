"""Cross-validation: the training patients in folds, each with models that never saw it.

A fold is a run folder of its own, OUTPUT/folds/N, in which the fold's patients are the test set. So
neither its plan nor its anchors, thresholds or weights know them.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.dataset import Dataset
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.splits import deal_folds
from lesionseg.datasets.unused_files import write_unused
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, NoInputError
from lesionseg.inference.model_folder import load_model, save_ensemble
from lesionseg.preprocessing.measuring import measure_scans
from lesionseg.preprocessing.prepared import open_prepared
from lesionseg.settings.run import RunSettings
from lesionseg.stages.prediction import Share, predict_scans
from lesionseg.stages.preparation import prepare_cases, prepared_folder
from lesionseg.stages.training import train_models, training_cases
from lesionseg.storage.atomic import write_text
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.storage.process_pool import case_pool

FOLDS = "folds"  # below a run folder


@dataclass(frozen=True, eq=False)
class Fold:
    """settings: of a run into the fold's own folder. dataset: whose test scans are those held out
    and the test set of the data. held_out: the scans that the fold's models predict."""

    number: int
    settings: RunSettings
    dataset: Dataset
    held_out: tuple[ScanFiles, ...]

    @property
    def models(self) -> Path:
        return Path(self.settings.output) / "models"


@dataclass(frozen=True, eq=False)
class Folds:
    """loads: lesions of each case. rejected: case -> why of scans that are in no fold. test: the
    test set of the data, which is in no fold either. sha256: of who is in which fold."""

    folds: tuple[Fold, ...]
    loads: Mapping[str, float]
    rejected: Mapping[str, str]
    test: tuple[ScanFiles, ...]
    sha256: str

    @property
    def held_out(self) -> list[ScanFiles]:
        """The scans of all folds, each once."""
        return [scan for fold in self.folds for scan in fold.held_out]


def deal_run(dataset: Dataset, settings: RunSettings) -> Folds:
    """Deal the training patients of a run to `settings.data.folds` folds, and write
    OUTPUT/folds/folds.json, which says who is where.

    Raises CaseError where no scan can be read, NoInputError for fewer patients than folds and where
    one fold has all lesions, so that its models see none.
    """
    output, num = Path(settings.output), settings.data.folds
    assert num is not None
    write_unused(output, dataset.unused)
    training = [scan for scan in dataset.scans if scan.split == "train"]
    with case_pool(settings.workers) as pool:
        prints, bad = measure_scans(pool, dataset, training, output / FOLDS, True)
    rejected = {**dataset.rejected, **bad}
    for reason in rejected.values():
        print(f"rejected: {reason}", file=sys.stderr)
    if rejected and not prints:
        raise CaseError(min(rejected), "rejected like every other scan; the lines above say why")
    scans = [scan for scan in dataset.scans if scan.split == "test" or scan.case in prints]
    loads = {case: float(len(one.lesion_volumes)) for case, one in prints.items()}
    by_class = {case: one.class_loads(len(dataset.labels.classes)) for case, one in prints.items()}
    dealt = deal_folds(scans, loads, num, seed=settings.seed, class_loads=by_class)
    _refuse_without_lesions(dealt, loads)
    patients = {scan.case: scan.patient for scan in scans}
    content = {
        "format": 1,
        "seed": settings.seed,
        "folds": [list(cases) for cases in dealt],
        "patients": {case: patients[case] for cases in dealt for case in cases},
    }
    write_text(output / FOLDS / "folds.json", json.dumps(content, indent=1) + "\n")
    usable = dataclasses.replace(dataset, scans=tuple(scans), rejected={}, unused={})
    return Folds(
        folds=tuple(_fold(number, cases, usable, settings) for number, cases in enumerate(dealt)),
        loads=loads,
        rejected=rejected,
        test=tuple(scan for scan in scans if scan.split == "test"),
        sha256=sha256_of_json(content),
    )


def _fold(number: int, cases: Sequence[str], dataset: Dataset, settings: RunSettings) -> Fold:
    own = {
        "output": str(Path(settings.output) / FOLDS / str(number)),
        "data": settings.data.model_copy(update={"folds": None}),
    }
    scans = tuple(
        dataclasses.replace(scan, split="test") if scan.case in cases else scan
        for scan in dataset.scans
    )
    return Fold(
        number=number,
        settings=settings.model_copy(update=own),
        dataset=dataclasses.replace(dataset, scans=scans),
        held_out=tuple(scan for scan in scans if scan.case in cases),
    )


def _refuse_without_lesions(dealt: Sequence[Sequence[str]], loads: Mapping[str, float]) -> None:
    """Raise NoInputError where the cases outside a fold have no lesion."""
    if not any(loads.values()):
        raise NoInputError(f"none of the {len(loads)} training scans has a lesion")
    for number, cases in enumerate(dealt):
        if not any(load for case, load in loads.items() if case not in cases):
            raise NoInputError(
                f"{FOLDS}/{number} holds out every scan that has lesions, so that its models see "
                "none; give another seed, fewer folds or more scans with lesions"
            )


def prepare_folds(folds: Folds, output: Path) -> int:
    """Preprocess every fold for itself; return the exit code, of the first fold that cannot go on.

    Raises as `prepare_cases`, and NoInputError for a fold whose training or validation scans have
    no lesion.
    """
    code = EXIT_SOME_REJECTED if folds.rejected else 0
    for fold in folds.folds:
        _say(fold, folds)
        own = fold.settings
        done = prepare_cases(fold.dataset, own, own.edges_mm, measured=output / FOLDS)
        if done not in (0, EXIT_SOME_REJECTED):
            return done
        code = code or done
        splits = open_prepared(prepared_folder(own)).splits
        for part, cases in (("training", splits.train), ("validation", splits.validation)):
            if not any(folds.loads[case] for case in cases):
                raise NoInputError(
                    f"{FOLDS}/{fold.number}: none of its {part} scans has a lesion; give another "
                    "seed, fewer folds, another data.validation_fraction or more scans with lesions"
                )
    return code


def train_folds(folds: Folds, output: Path) -> None:
    """Train the models of every fold, then leave those of one network as an ensemble in
    OUTPUT/models/NAME."""
    models = output / "models"
    for fold in folds.folds:
        _say(fold, folds)
        own = fold.settings
        assert own.edges_mm is not None
        cases = training_cases(prepared_folder(own))
        train_models(own, cases, own.edges_mm, ensembles=models)
    for name in folds.folds[0].settings.models:
        save_ensemble(models / name, [fold.models / name for fold in folds.folds])


def predict_folds(folds: Folds, settings: RunSettings) -> dict[str, str]:
    """Masks of every scan by the models of the fold that holds it out, in OUTPUT/predictions/NAME.

    Returns case -> why of the scans that are rejected, those that are in no fold too.
    """
    _check_held_out(folds)
    rejected = dict(folds.rejected)
    for name in settings.models:
        trained = [
            load_model(fold.models / name, settings.device, threads=settings.threads)
            for fold in folds.folds
        ]
        shares = [Share(model, fold.held_out) for model, fold in zip(trained, folds.folds)]
        output = Path(settings.output) / "predictions" / name
        rejected |= predict_scans(shares, output, settings.save)[1]
    return rejected


def _check_held_out(folds: Folds) -> None:
    """Every scan is held out once, and its patient is of no model that predicts it."""
    cases = [scan.case for scan in folds.held_out]
    assert sorted(cases) == sorted(folds.loads), "a scan is in no fold or in two"
    for fold in folds.folds:
        splits = open_prepared(prepared_folder(fold.settings)).splits
        seen = {splits.patients[case] for case in (*splits.train, *splits.validation)}
        assert not seen & {scan.patient for scan in fold.held_out}, "a patient leaks into its fold"


def _say(fold: Fold, folds: Folds) -> None:
    print(f"{FOLDS}/{fold.number}: fold {fold.number + 1} of {len(folds.folds)}", file=sys.stderr)
