"""The masks of a case as they are scored: read as training reads them, on the reference's grid."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import label_components
from lesionseg.errors import CaseError
from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.io.nifti.header_only import grid_of
from lesionseg.reading.carrying import lesions_out_of_view
from lesionseg.reading.grids import lies_on, onto_grid
from lesionseg.reading.mask_values import distinct_values, whole_numbers
from lesionseg.reading.masks import mask_values, put_on_grid, read_mask, with_values
from lesionseg.reporting.scoring.class_labels import refuse_intensities
from lesionseg.reporting.scoring.edited_masks import ids_of_edited_mask
from lesionseg.reporting.scoring.nnunet_probabilities import NPZ, read_nnunet_npz
from lesionseg.reporting.scoring.reading_options import mask_labels, reading_rule
from lesionseg.reporting.scoring.records import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Grid, Volume
from lesionseg.wording import counted

SCORING_BYTES, LESION_BYTES = 12, 110  # of a voxel while it is scored, and of one of lesions


def refuse_beyond_scoring(reference: NDArray[Any], prediction: NDArray[Any], case: str) -> None:
    """Raise CaseError where scoring two masks (X, Y, Z) takes more memory than is free."""
    lesion = int(max(np.count_nonzero(reference), np.count_nonzero(prediction)))
    wanted = SCORING_BYTES * reference.size + LESION_BYTES * lesion
    refuse_beyond_memory(wanted, f"scoring {counted(lesion, 'voxel')} of lesions", case)


@dataclass(frozen=True, eq=False)
class ScoredMask:
    """array: (X, Y, Z) integers or booleans on the reference's grid. instances: True where its
    values are lesion ids, None where it follows from how many there are. notes: what was mended.
    is_edited: it is no longer what the lesion ids beside it say."""

    array: NDArray[Any]
    instances: bool | None
    notes: tuple[str, ...]
    is_edited: bool = False


def read_reference(case: ReportCase, options: ScoringOptions) -> Volume:
    """The reference mask on its own grid, its values as `reading.masks.mask_values` gives them.

    A DICOM SEG has no grid: it is put onto that of the case's image, else of the first prediction
    that has one. Where the image's header places its voxels by two forms, and the reference has one
    of them, the other is kept too: a prediction may have that. Raises CaseError.
    """
    volume = _stored_reference(case, options)
    volume = with_values(volume, _scored_values(volume, case.case, "reference", options))
    image = None if case.image is None or volume.other_affine is not None else grid_of(case.image)
    if image is None or image.other is None:
        return volume
    for affine, other in ((image.affine, image.other), (image.other, image.affine)):
        if lies_on(volume, Grid(image.shape, affine), "reference") is not None:
            return dataclasses.replace(volume, other_affine=other)
    return volume


def reference_values(case: ReportCase, options: ScoringOptions) -> tuple[int, ...]:
    """The values besides 0 that the reference file holds, ascending, whatever labels say; none for
    a mask of fractions. Raises CaseError."""
    return _stored_values(_stored_reference(case, options), case.case, "reference", options)


def prediction_values(
    files: PredictionFiles, reference: Volume, case: str, model: str, options: ScoringOptions
) -> tuple[int, ...]:
    """The same of one model's mask. Raises CaseError."""
    role = f"prediction of {model}"
    found = _on_reference(files.mask, reference, case, role, options)
    return _stored_values(found, case, role, options)


def read_prediction(
    files: PredictionFiles, reference: Volume, case: str, model: str, options: ScoringOptions
) -> ScoredMask:
    """One model's lesions on the reference's grid. Raises CaseError.

    The lesion ids beside a mask count where they say the same as the mask; a mask that was changed
    since counts itself, with those ids that are still in it.
    """
    role, rule = f"prediction of {model}", reading_rule(options)
    if files.instances is None:
        found = _on_reference(files.mask, reference, case, role, options)
        return ScoredMask(_scored_values(found, case, role, options), None, found.notes)
    # both lie on one grid, where they are compared before anything is carried to another
    drawn, _ = read_mask(files.mask, case, rule, None, role=role)
    written, _ = read_mask(files.instances, case, rule, drawn.grid, role=f"lesion ids of {model}")
    mask = mask_values(drawn, None, case, rule=rule, role=role)
    ids = mask_values(written, None, case, rule=rule, role=role)
    edited = ids_of_edited_mask(mask, ids, options.connectivity)
    final = with_values(written, ids if edited is None else edited.ids)
    found = _told(*put_on_grid(final, reference.grid, case, rule, role=role), case, role)
    if edited is None:
        return ScoredMask(found.array, True, found.notes)
    note = (
        f"{role} for {case} was changed after lesionseg wrote it: the mask is scored; of "
        f"{counted(edited.num_before, 'lesion id')} beside it {edited.num_gone} "
        f"{'is' if edited.num_gone == 1 else 'are'} gone; new lesions, without a score: "
        f"{edited.num_new}"
    )
    return ScoredMask(found.array, True, (*found.notes, note), is_edited=True)


def out_of_view_note(
    files: PredictionFiles, reference: Volume, case: str, model: str, options: ScoringOptions
) -> str:
    """A sentence on the reference lesions that a prediction from another grid could not show;
    nothing where there is none, and for masks whose header alone does not say where they lie."""
    grid = grid_of(files.mask)
    if grid is None or not options.fix_grid:
        return ""
    if lies_on(Volume(np.broadcast_to(np.uint8(0), grid.shape), grid.affine), reference.grid, ""):
        return ""
    ids = label_components(reference.array, options.connectivity)
    hidden = lesions_out_of_view(ids, reference.affine, grid)
    if not hidden:
        return ""
    return (
        f"prediction of {model} for {case} does not cover {len(hidden)} of "
        f"{counted(int(ids.max(initial=0)), 'reference lesion')}: they count as missed"
    )


def read_candidates(
    path: Path, reference: Volume, case: str, model: str, options: ScoringOptions
) -> NDArray[Any]:
    """Ids of one model's candidate lesions on the reference's grid. Raises CaseError."""
    role = f"candidates of {model}"
    found = _on_reference(path, reference, case, role, options)
    return mask_values(found, None, case, rule=reading_rule(options), role=role)


def read_probability(
    files: PredictionFiles, reference: Volume, case: str, model: str, options: ScoringOptions
) -> NDArray[Any] | None:
    """One model's probabilities on the reference's grid; None where there are none.

    Raises CaseError, also beyond [0, 1]. A .npz of nnU-Net lies on the grid of the model's mask.
    """
    path, role, rule = files.probability, f"probability of {model}", reading_rule(options)
    if path is None:
        return None
    if path.suffix.lower() == NPZ:
        grid = rule.read(files.mask, case).grid
        array = read_nnunet_npz(path, options.labels, grid.shape, case, role)
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


def _on_reference(
    path: Path, reference: Volume, case: str, role: str, options: ScoringOptions
) -> Volume:
    """A mask on the reference's grid; its notes are sentences for the page."""
    rule = reading_rule(options)
    return _told(*read_mask(path, case, rule, reference.grid, role=role), case, role)


def _told(volume: Volume, moved: float, case: str, role: str) -> Volume:
    """The volume with its notes as sentences for the page. moved: by how many mm it was."""
    notes = [f"{role} for {case}: {note}" for note in volume.notes]
    if moved:  # the last note says the same from the mask's side
        _, _, how = volume.notes[-1].partition("lesion by lesion, ")
        notes[-1] = (
            f"{role} for {case} was resampled to the reference's grid, lesion by lesion ({how})"
        )
    return dataclasses.replace(volume, notes=tuple(notes))


def _scored_values(volume: Volume, case: str, role: str, options: ScoringOptions) -> NDArray[Any]:
    """A mask's voxels as they are scored; CaseError for what is no mask."""
    rule = reading_rule(options)
    array = mask_values(volume, mask_labels(options), case, rule=rule, role=role)
    refuse_intensities(_whole(volume, case, role, options), case, role)
    return array


def _stored_values(
    volume: Volume, case: str, role: str, options: ScoringOptions
) -> tuple[int, ...]:
    whole = _whole(volume, case, role, options)
    return () if whole.dtype == bool else tuple(sorted(distinct_values(whole) - {0}))


def _whole(volume: Volume, case: str, role: str, options: ScoringOptions) -> NDArray[Any]:
    rule = reading_rule(options)
    return whole_numbers(
        volume.array, case, role, threshold=rule.mask_threshold, key=rule.threshold_key
    )


def _stored_reference(case: ReportCase, options: ScoringOptions) -> Volume:
    """The reference on its own grid, its values as stored."""
    grid = _scan_grid(case, options) if is_dicom_file(case.reference) else None
    mask, _ = read_mask(case.reference, case.case, reading_rule(options), grid, role="reference")
    refuse_beyond_memory(
        SCORING_BYTES * mask.array.size, "the reference, as it is scored,", case.case
    )
    return mask


def _scan_grid(case: ReportCase, options: ScoringOptions) -> Grid | None:
    masks = (files.mask for files in case.predictions.values())
    for path in (case.image, *masks):
        if path is not None and (path.is_dir() or not is_dicom_file(path)):
            return reading_rule(options).read(path, case.case).grid
    return None
