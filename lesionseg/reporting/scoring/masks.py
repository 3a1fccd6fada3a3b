"""The masks of a case as they are scored: read as training reads them, on the reference's grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.reading.grids import onto_grid
from lesionseg.reading.masks import mask_values, read_mask, with_values
from lesionseg.reporting.scoring.reading_options import mask_labels, reading_rule
from lesionseg.reporting.scoring.records import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.structures import Grid, Volume


@dataclass(frozen=True, eq=False)
class ScoredMask:
    """array: (X, Y, Z) integers or booleans on the reference's grid. instances: True where its
    values are lesion ids, None where it follows from how many there are. notes: what was mended."""

    array: NDArray[Any]
    instances: bool | None
    notes: tuple[str, ...]


def read_reference(case: ReportCase, options: ScoringOptions) -> Volume:
    """The reference mask on its own grid, its values as `reading.masks.mask_values` gives them.

    A DICOM SEG has no grid: it is put onto that of the case's image, else of the first prediction
    that has one. Raises CaseError.
    """
    grid = _scan_grid(case, options) if is_dicom_file(case.reference) else None
    volume, _ = read_mask(case.reference, case.case, reading_rule(options), grid, role="reference")
    labels, rule = mask_labels(options), reading_rule(options)
    return with_values(volume, mask_values(volume, labels, case.case, rule=rule, role="reference"))


def read_prediction(
    files: PredictionFiles, reference: Volume, case: str, model: str, options: ScoringOptions
) -> ScoredMask:
    """One model's lesions on the reference's grid. Raises CaseError."""
    labels = None if files.instances else mask_labels(options)
    role = f"prediction of {model}"
    found = _on_reference(files.instances or files.mask, reference, case, role, options)
    array = mask_values(found, labels, case, rule=reading_rule(options), role=role)
    return ScoredMask(array, True if files.instances else None, found.notes)


def read_candidates(
    path: Path, reference: Volume, case: str, model: str, options: ScoringOptions
) -> NDArray[Any]:
    """Ids of one model's candidate lesions on the reference's grid. Raises CaseError."""
    role = f"candidates of {model}"
    found = _on_reference(path, reference, case, role, options)
    return mask_values(found, None, case, rule=reading_rule(options), role=role)


def read_probability(
    path: Path, reference: Volume, case: str, model: str, options: ScoringOptions
) -> NDArray[Any]:
    """One model's probabilities on the reference's grid. Raises CaseError, also beyond [0, 1]."""
    role = f"probability of {model}"
    volume = reading_rule(options).read(path, case)
    if not np.isfinite(volume.array).all() or volume.array.min() < 0 or volume.array.max() > 1:
        raise CaseError(case, f"{role} has values outside [0, 1]")
    return read_on(volume, reference.grid, case, role, options)


def read_on(
    volume: Volume, grid: Grid, case: str, role: str, options: ScoringOptions
) -> NDArray[Any]:
    """A volume's voxels on `grid`, nearest voxel where that is allowed. Raises CaseError."""
    rule = reading_rule(options)
    fitted, _ = onto_grid(volume, grid, case, role, fix_grid=rule.fix_grid, key=rule.fix_grid_key)
    return fitted.array


def _on_reference(
    path: Path, reference: Volume, case: str, role: str, options: ScoringOptions
) -> Volume:
    """A mask on the reference's grid; its notes are sentences for the page."""
    volume, moved = read_mask(path, case, reading_rule(options), reference.grid, role=role)
    notes = [f"{role} for {case}: {note}" for note in volume.notes]
    if moved:  # the last note says so in fewer words
        notes[-1] = (
            f"{role} for {case} was resampled to the reference's grid "
            f"(nearest voxel; corners were up to {moved:.3g} mm apart)"
        )
    return Volume(volume.array, volume.affine, volume.forms, tuple(notes))


def _scan_grid(case: ReportCase, options: ScoringOptions) -> Grid | None:
    masks = (files.mask for files in case.predictions.values())
    for path in (case.image, *masks):
        if path is not None and (path.is_dir() or not is_dicom_file(path)):
            return reading_rule(options).read(path, case.case).grid
    return None
