"""Scans and masks to stored cases, and what became of each in a few lines."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.dataset import Dataset
from lesionseg.datasets.unused_files import write_unused
from lesionseg.planning.audit_file import audit_words
from lesionseg.planning.findings import without_numbers
from lesionseg.preprocessing.stage import PreprocessResult, build_dataset
from lesionseg.settings.run import PreprocessSettings, TrainStageSettings
from lesionseg.storage.lock import locked
from lesionseg.wording import counted

PREPARED = "preprocessed"  # below a run folder
NOTES = 3  # of one kind that are printed in full


def prepared_folder(settings: PreprocessSettings | TrainStageSettings) -> Path:
    """Where the cases of a run folder are."""
    return Path(settings.output) / PREPARED


def prepare_cases(
    dataset: Dataset,
    settings: PreprocessSettings,
    edges_mm: Sequence[float] | None = None,
    *,
    measured: Path | None = None,
) -> int:
    """Fingerprint, plan, splits and cases into OUTPUT/preprocessed, only what is missing; which
    files are not used into OUTPUT/not_used.csv.

    edges_mm: of the size buckets of the lesion audit; the card's without. measured: a folder of
    fingerprints, as of `measure_scans`.
    Prints what was made and what was rejected. Returns the exit code: 0, or 3 to 5 where cases
    were rejected. Raises as `build_dataset` does.
    """
    folder = prepared_folder(settings)
    with locked(Path(settings.output)):
        write_unused(Path(settings.output), dataset.unused)
        result = build_dataset(
            dataset,
            folder,
            overrides=settings.plan,
            split=settings.data,
            seed=settings.seed,
            edges_mm=edges_mm,
            measured=measured,
            workers=settings.workers,
        )
    _say(result, folder)
    return result.exit_code


def note_lines(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Notes by case as lines; where many scans have one that differs in its numbers only, the first
    of them and how many more."""
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for case, own in notes.items():
        for note in own:
            alike[without_numbers(note, case)].append((case, note))
    lines = []
    for same in alike.values():
        shown = same if len(same) <= NOTES else same[:1]
        lines += [f"case {case}: {note}" for case, note in shown]
        if len(shown) < len(same):
            lines[-1] += (
                f" (and {counted(len(same) - 1, 'more scan')} like it; lesionseg check names them)"
            )
    return lines


def _say(result: PreprocessResult, folder: Path) -> None:
    for line in note_lines(result.notes):
        print(f"note: {line}", file=sys.stderr)
    for line in result.doubts:
        print(f"doubtful: {line}", file=sys.stderr)
    for reason in result.rejected.values():
        print(f"rejected: {reason}", file=sys.stderr)
    print(
        f"preprocessed: {len(result.done)} made, {len(result.skipped)} there already, "
        f"{len(result.rejected)} rejected; {folder / 'plan.yaml'} says how and why"
    )
    if result.audit:
        print(f"{audit_words(result.audit)}; lesion_audit.csv names them")
