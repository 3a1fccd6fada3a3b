"""Score folders of masks against a reference and write the report."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, UsageError
from lesionseg.evaluation import SizeBuckets
from lesionseg.report import PageInfo, ScoringOptions, match_folders, write_report
from lesionseg.report.page.page_info import DEFAULT_TITLE, flatten
from lesionseg.report.plots.imbalance import read_loss_shares
from lesionseg.storage.lock import locked
from lesionseg.storage.yaml_file import read_yaml


def main(config: DictConfig) -> int:
    """Match, score, write; return the exit code. Errors of the user are raised, for the caller."""
    matches = match_folders(
        Path(config.reference),
        _folders(config.predictions),
        images=Path(config.images) if config.images else None,
        probabilities=_folders(config.probabilities),
        patient=config.patient,
    )
    for line in matches.unmatched:
        print(f"left out: {line}", file=sys.stderr)
    options = _scoring_options(config)
    page_info = _page_info(config, options, matches.unmatched)
    with locked(Path(config.output)):
        report = write_report(
            matches.cases, Path(config.output), options, workers=config.workers, page_info=page_info
        )
    if report is None:
        print("every case was rejected; rejected.csv says why", file=sys.stderr)
        return CaseError.exit_code
    for model, case, reason in report.rejected:
        print(f"rejected: {case}{f' ({model})' if model else ''}: {reason}", file=sys.stderr)
    print(f"{report.text}\n\n{report.page}")
    return EXIT_SOME_REJECTED if report.rejected else 0


def _folders(named: DictConfig) -> dict[str, Path]:
    return {str(name): Path(folder) for name, folder in named.items()}


def _scoring_options(config: DictConfig) -> ScoringOptions:
    try:
        edges = SizeBuckets.from_edges(config.edges_mm).edges_mm
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    if config.connectivity not in (6, 18, 26):
        raise UsageError(f"connectivity is {config.connectivity}; it must be 6, 18 or 26")
    return ScoringOptions(
        edges_mm=edges,
        connectivity=config.connectivity,
        found_iou=float(config.found_iou),
        threshold=None if config.threshold is None else float(config.threshold),
        candidate_threshold=float(config.candidate_threshold),
        fix_grid=bool(config.fix_grid),
        assume_affine=bool(config.assume_affine),
        labels=None if config.labels is None else tuple(int(v) for v in config.labels),
        draws=int(config.draws),
        seed=int(config.seed),
        atlas=int(config.atlas),
        viewer=int(config.viewer),
    )


def _page_info(config: DictConfig, options: ScoringOptions, unmatched: tuple[str, ...]) -> PageInfo:
    return PageInfo(
        title=config.title or DEFAULT_TITLE,
        unmatched=unmatched,
        loss_shares=_loss_shares(config, SizeBuckets.from_edges(options.edges_mm)),
        training={name: _texts(path) for name, path in _folders(config.training).items()},
        data_card=_texts(Path(config.data_card)) if config.data_card else {},
    )


def _loss_shares(config: DictConfig, buckets: SizeBuckets) -> pd.DataFrame | None:
    """Read, or measured on the models given; None where there is neither."""
    if config.loss_shares and config.models:
        raise UsageError("loss_shares and models.NAME both say on whom the loss falls; give one")
    if config.loss_shares:
        return read_loss_shares(Path(config.loss_shares), buckets)
    if not config.models:
        return None
    if not config.cases:
        raise UsageError("models.NAME needs cases=RUN/preprocessed, the cases it was trained on")
    if config.loss_slabs < 1:
        raise UsageError(f"loss_slabs is {config.loss_slabs}; it must be at least 1")
    # masks are scored without torch; only models need it
    from lesionseg.pipelines.loss_shares import shares_of_models

    return shares_of_models(
        _folders(config.models),
        Path(config.cases),
        buckets,
        num_slabs=int(config.loss_slabs),
        device=config.device,
        keep=False,
    )


def _texts(path: Path) -> dict[str, str]:
    """A YAML or JSON file of settings, as names and texts."""
    content = read_yaml(path, str(path))
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no names and values")
    return flatten(content)
