"""Images and probabilities as a report uses them: on the grid of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.lesion_classes import LesionClass
from lesionseg.reading.grids import onto_grid
from lesionseg.reporting.scoring.nnunet_probabilities import NPZ, read_nnunet_npz
from lesionseg.reporting.scoring.reading_options import reading_rule
from lesionseg.reporting.scoring.records import PredictionFiles, ScoringOptions
from lesionseg.structures import Grid, Volume


def read_probability(
    files: PredictionFiles,
    reference: Volume,
    case: str,
    model: str,
    options: ScoringOptions,
    one: LesionClass | None = None,
) -> NDArray[Any] | None:
    """One model's probabilities on the reference's grid; None where there are none.

    one: the class of several whose they are. Raises CaseError, also beyond [0, 1]. A .npz of
    nnU-Net lies on the grid of the model's mask.
    """
    path, role, rule = files.probability, f"probability of {model}", reading_rule(options)
    values = options.lesion_values
    if one is not None:
        npz = path if path is not None and path.suffix.lower() == NPZ else None
        path, values = files.class_probabilities.get(one.name, npz), one.values
        role = f"probability of {one.name} of {model}"
    if path is None:
        return None
    if path.suffix.lower() == NPZ:
        grid = rule.read(files.mask, case).grid
        array = read_nnunet_npz(path, values, grid.shape, case, role)
        return read_on(Volume(array, grid.affine), reference.grid, case, role, options)
    volume = rule.read(path, case)
    if not np.isfinite(volume.array).all() or volume.array.min() < 0 or volume.array.max() > 1:
        raise CaseError(case, f"{role} has values outside [0, 1]")
    return read_on(volume, reference.grid, case, role, options)


def read_on(
    volume: Volume, grid: Grid, case: str, role: str, options: ScoringOptions
) -> NDArray[Any]:
    """An image's or probabilities' voxels on `grid`, interpolated where that is allowed; 0 where it
    shows nothing. Raises CaseError."""
    rule = reading_rule(options)
    fitted, _ = onto_grid(
        volume,
        grid,
        case,
        role,
        fix_grid=rule.fix_grid,
        key=rule.fix_grid_key,
        any_form=True,
        outside=0.0,
    )
    return fitted.array
