"""Trained models compared on the scans that none of them has seen: the report of a run."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg.datasets.dataset import Dataset, card_terms
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.inference.ensemble import Model
from lesionseg.lesion_classes import named_classes
from lesionseg.reporting import (
    PageInfo,
    ReportCase,
    ScoringOptions,
    prediction_files,
    withdraw_report,
    write_report,
)
from lesionseg.reporting.page.page_info import PROMISED, flatten
from lesionseg.reporting.scoring.records import PredictionFiles
from lesionseg.settings.data import DataSettings
from lesionseg.stages.joined_references import joined_references
from lesionseg.stages.loss_measures import LossMeasures
from lesionseg.stages.prediction import TrainedModel
from lesionseg.structures import OperatingPoint

ALL = "lesion"  # what lesions of all classes are called where they are taken as one


def compare_models(
    models: Mapping[str, TrainedModel],
    dataset: Dataset,
    scans: Sequence[ScanFiles],
    output: Path,
    *,
    options: ScoringOptions,
    rejected: Mapping[str, str],
    losses: LossMeasures | None,
    workers: int | None,
    folder: str = "report",
    predicted: str = "",
    model_of: Mapping[str, str] | None = None,
    as_one_class: bool = False,
) -> int:
    """Score the masks against the references, print and write the report; return the exit code.

    rejected: case -> why of the scans that a model could not predict. losses: of the models, if
    they were measured. folder: of the report, below `output`. predicted: as in `PageInfo`.
    model_of: as in `write_report`.
    as_one_class: lesions of all classes are scored as of one, whatever each model tells apart.
    """
    labels = dataset.labels
    if as_one_class:
        every = {ALL: tuple(sorted(labels.lesions))}
        options = options.model_copy(update={"labels": every, "regions": False})
        labels = dataclasses.replace(labels, classes=named_classes(every))
    joined = joined_references(
        list(scans), labels, output / "references", edges_mm=options.edges_mm
    )
    options = options.model_copy(update={"ignore": tuple(sorted(joined.ignored))})
    rejected = {**rejected, **joined.rejected}
    scored = [scan for scan in joined.scans if scan.mask is not None and scan.case not in rejected]
    if not scored:
        withdraw_report(output / folder)
    if not scored and rejected:
        return CaseError.exit_code
    if not scored:
        print("no test scan has a reference mask, so there is no report; masks: predictions/")
        return 0
    cases = _report_cases(scored, models, as_one_class)
    page_info = _page_info(dataset, models, losses, rejected)
    report = write_report(
        cases,
        output / folder,
        options,
        workers=workers,
        page_info=dataclasses.replace(
            page_info, agreement=joined.agreement, notes=joined.notes, predicted=predicted
        ),
        model_of=model_of,
    )
    if report is None:
        print(f"every test scan was rejected; {folder}/rejected.csv says why", file=sys.stderr)
        return CaseError.exit_code
    for line in report.remarks:
        print(line, file=sys.stderr)
    print(report.for_terminal)
    return EXIT_SOME_REJECTED if rejected or report.rejected else 0


def _report_cases(
    scans: Sequence[ScanFiles], models: Mapping[str, TrainedModel], as_one_class: bool
) -> list[ReportCase]:
    """The reference of each scan and what each model wrote of it."""
    return [
        ReportCase(
            case=scan.case,
            patient=scan.patient,
            reference=scan.mask,
            predictions={
                name: _files(one.predictions, scan.case, as_one_class)
                for name, one in models.items()
            },
            image=None if scan.volumes else scan.images[0],
        )
        for scan in scans
        if scan.mask is not None
    ]


def _files(folder: Path, case: str, as_one_class: bool) -> PredictionFiles:
    """What a model wrote of a case; as of one class, by the ids and scores of its lesions alone."""
    files = prediction_files(folder, folder / f"{case}.nii.gz")
    if not as_one_class:
        return files
    return dataclasses.replace(files, classes=None, probability=None, class_probabilities={})


def scoring_options(
    data: DataSettings, dataset: Dataset, edges_mm: tuple[float, ...]
) -> ScoringOptions:
    """How the masks of a run are scored: as the data is read, all else by default."""
    classes, labels = dataset.labels.classes, None
    if not dataset.labels.instances:
        labels = {one.name: one.values for one in classes.classes}
    return ScoringOptions(
        edges_mm=edges_mm,
        labels=labels,
        regions=classes.regions,
        known_labels=tuple(sorted(dataset.labels.known or ())) or None,
        ignore=tuple(sorted(dataset.labels.ignored)),
        instances=dataset.labels.instances,
        threshold=data.mask_threshold,
        fix_grid=data.fix_grid,
        assume_affine=data.assume_affine,
        structures=next((scan.rule.structures for scan in dataset.scans), ()),
    )


def _page_info(
    dataset: Dataset,
    models: Mapping[str, TrainedModel],
    losses: LossMeasures | None,
    rejected: Mapping[str, str],
) -> PageInfo:
    card = dataset.card
    left_out = ("made_from", "splits_sha256", "threshold_choice")
    training = {
        name: flatten(
            {"model": one.model.name}
            | {k: v for k, v in one.model.training.items() if k not in left_out}
            | _threshold_terms(one.model)
        )
        for name, one in models.items()
    }
    return PageInfo(
        title=f"{card.name}: lesions found and missed, by size",
        loss_shares=losses.shares if losses else None,
        prices=losses.prices if losses else None,
        training=training,
        unmatched=[f"{case}: {reason}" for case, reason in sorted(rejected.items())],
        data_card=card_terms(card),
        provenance={
            f"weights of {name}": one.model.weights_sha256[:16] for name, one in models.items()
        },
    )


def _threshold_terms(model: Model) -> dict[str, Any]:
    """How the thresholds were chosen and what they are; of several classes one after another."""
    choices = list(model.training["threshold_choice"].values())
    members = [one.points for one in model.members]
    problems = [choice["problem"] or choice["of_all"] for choice in choices]
    return {
        PROMISED: sum(choice["fp_per_scan"] for choice in choices),
        "thresholds not chosen": ", ".join(filter(None, problems)) or None,
        "voxel threshold": ", ".join(f"{one.voxel_threshold:g}" for one in model.points),
        "score threshold": ", ".join(f"{one.score_threshold:.3g}" for one in model.points),
        **({"thresholds of the members": _points_words(members)} if len(members) > 1 else {}),
        "thresholds chosen by": choices[0]["rule"],
    }


def _points_words(members: Sequence[Sequence[OperatingPoint]]) -> str:
    """Voxel and score threshold of each class, member by member."""
    return "; ".join(
        ", ".join(f"{one.voxel_threshold:g} and {one.score_threshold:.3g}" for one in points)
        for points in members
    )
