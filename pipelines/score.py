"""Predict the test scans with trained models and report on them: what runs have in common."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from lesionseg.pipelines.predict import predict_scans
from lesionseg.pipelines.raters import joined_references
from lesionseg.pipelines.reading import reading_rule
from omegaconf import DictConfig

from lesionseg.datasets.dataset import Dataset, card_terms
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.splits import read_splits
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.inference.model_store import LoadedModel
from lesionseg.report import PageInfo, ReportCase, ScoringOptions, prediction_files, write_report
from lesionseg.report.page.page_info import flatten


@dataclass(frozen=True)
class TrainedModel:
    """A trained model of a comparison, and the folder of its masks."""

    model: LoadedModel
    predictions: Path


def test_scans(dataset: Dataset, prepared: Path) -> list[ScanFiles]:
    """The scans that no model has seen. prepared: the folder of preprocessed cases."""
    test = set(read_splits(prepared / "splits.json").test)
    return [scan for scan in dataset.scans if scan.case in test]


def predict_all(
    models: Sequence[TrainedModel], scans: Sequence[ScanFiles], save: Sequence[str]
) -> dict[str, str]:
    """Masks of every scan by every model; returns who was rejected and why."""
    rejected: dict[str, str] = {}
    for one in models:
        _, bad = predict_scans(one.model, scans, one.predictions, list(save))
        rejected |= bad
    return rejected


def report_on(
    config: DictConfig,
    dataset: Dataset,
    models: Mapping[str, TrainedModel],
    scans: Sequence[ScanFiles],
    rejected: dict[str, str],
    shares: pd.DataFrame | None,
) -> int:
    """Score the masks against the references, print and write the report; return the exit code."""
    output = Path(config.output)
    scans, agreement, bad = joined_references(
        list(scans), dataset.labels, output / "references", edges_mm=list(config.edges_mm)
    )
    rejected = rejected | bad
    scored = [scan for scan in scans if scan.mask is not None and scan.case not in rejected]
    if not scored and rejected:
        return CaseError.exit_code
    if not scored:
        print("no test scan has a reference mask, so there is no report; masks: predictions/")
        return 0
    report = write_report(
        [
            ReportCase(
                case=scan.case,
                patient=scan.patient,
                reference=scan.mask,
                predictions={
                    name: prediction_files(one.predictions, one.predictions / f"{scan.case}.nii.gz")
                    for name, one in models.items()
                },
                image=None if scan.volumes else scan.images[0],
            )
            for scan in scored
            if scan.mask is not None
        ],
        output / "report",
        _scoring_options(config, dataset),
        workers=config.workers,
        page_info=dataclasses.replace(
            _page_info(dataset, models, shares, rejected), agreement=agreement
        ),
    )
    if report is None:
        print("every test scan was rejected; report/rejected.csv says why", file=sys.stderr)
        return CaseError.exit_code
    for name, case, reason in report.rejected:
        print(f"rejected: {case} ({name}): {reason}", file=sys.stderr)
    print(f"{report.text}\n\n{report.page}")
    return EXIT_SOME_REJECTED if rejected or report.rejected else 0


def _scoring_options(config: DictConfig, dataset: Dataset) -> ScoringOptions:
    rule = reading_rule(config)
    return ScoringOptions(
        edges_mm=tuple(config.edges_mm),
        labels=None if dataset.labels.instances else tuple(sorted(dataset.labels.lesions)),
        known_labels=tuple(sorted(dataset.labels.known or ())) or None,
        threshold=rule.mask_threshold,
        fix_grid=rule.fix_grid,
        assume_affine=rule.assume_affine,
    )


def _page_info(
    dataset: Dataset,
    models: Mapping[str, TrainedModel],
    shares: pd.DataFrame | None,
    rejected: dict[str, str],
) -> PageInfo:
    card = dataset.card
    left_out = ("key", "splits_sha256", "threshold_choice")
    training = {
        name: flatten(
            {"model": one.model.name}
            | {k: v for k, v in one.model.training.items() if k not in left_out}
            | {
                "voxel threshold": f"{one.model.point.voxel_threshold:g}",
                "score threshold": f"{one.model.point.score_threshold:.3g}",
                "thresholds chosen by": one.model.training["threshold_choice"]["rule"],
            }
        )
        for name, one in models.items()
    }
    return PageInfo(
        title=f"{card.name}: lesions found and missed, by size",
        loss_shares=shares,
        training=training,
        unmatched=[f"{case}: {reason}" for case, reason in sorted(rejected.items())],
        data_card=card_terms(card),
        provenance={
            f"weights of {name}": one.model.weights_sha256[:16] for name, one in models.items()
        },
    )
