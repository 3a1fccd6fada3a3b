"""Score folders of masks against a reference and write the report."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig

from lesionseg.errors import EXIT_SOME_REJECTED, CaseError
from lesionseg.report import Choices, Extras, match_folders, write_report
from lesionseg.report.build import DEFAULT_TITLE


def main(config: DictConfig) -> int:
    """Match, score, write; return the exit code. Errors of the user are raised, for the caller."""
    matches = match_folders(
        Path(config.reference),
        {str(name): Path(folder) for name, folder in config.predictions.items()},
        images=Path(config.images) if config.images else None,
        probabilities={str(n): Path(folder) for n, folder in config.probabilities.items()},
        patient=config.patient,
    )
    for line in matches.unmatched:
        print(f"left out: {line}", file=sys.stderr)
    report = write_report(
        matches.cases,
        Path(config.output),
        Choices(
            edges_mm=tuple(float(edge) for edge in config.edges_mm),
            connectivity=int(config.connectivity),
            found_iou=float(config.found_iou),
            threshold=None if config.threshold is None else float(config.threshold),
            candidate_threshold=float(config.candidate_threshold),
            fix_grid=bool(config.fix_grid),
            draws=int(config.draws),
            seed=int(config.seed),
        ),
        workers=config.workers,
        extras=Extras(title=config.title or DEFAULT_TITLE, unmatched=matches.unmatched),
    )
    if report is None:
        print("every case was rejected; rejected.csv says why", file=sys.stderr)
        return CaseError.exit_code
    for model, case, reason in report.rejected:
        print(f"rejected: {case}{f' ({model})' if model else ''}: {reason}", file=sys.stderr)
    print(report.text)
    print(f"\n{report.page}")
    return EXIT_SOME_REJECTED if report.rejected else 0
