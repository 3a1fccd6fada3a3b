"""The masks of a case as they are scored: read as training reads them, on the reference's grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import label_components
from lesionseg.io.dicom.segmentation import is_dicom_file
from lesionseg.io.nifti.header_only import grid_of
from lesionseg.lesion_kinds import IGNORED
from lesionseg.reading.carrying import lesions_out_of_view
from lesionseg.reading.grids import lies_on
from lesionseg.reading.mask_values import distinct_values, whole_numbers
from lesionseg.reading.masks import mask_values, stored_mask, with_values
from lesionseg.reading.masks_on_grid import carried_ids, carried_numbers, ids_on_grid, read_ids
from lesionseg.reporting.scoring.class_labels import refuse_intensities
from lesionseg.reporting.scoring.class_numbers import numbers_by_value
from lesionseg.reporting.scoring.edited_masks import ids_of_edited_mask
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
class Reference(Volume):
    """A reference mask as it is scored: of one class its lesions or their ids, of several the
    number of the class of each voxel. ignored: (X, Y, Z), where nobody judged; None: nowhere."""

    ignored: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class ScoredMask:
    """array: (X, Y, Z) integers or booleans on the reference's grid. instances: True where its
    values are lesion ids, None where it follows from how many there are. notes: what was mended.
    is_edited: it is no longer what the lesion ids beside it say."""

    array: NDArray[Any]
    instances: bool | None
    notes: tuple[str, ...]
    is_edited: bool = False


def read_reference(case: ReportCase, options: ScoringOptions) -> Reference:
    """The reference mask on its own grid, its values as `reading.masks.mask_values` gives them, of
    several classes as `numbers_by_value`.

    A DICOM SEG has no grid: it is put onto that of the case's image, else of the first prediction
    that has one. Where the image's header places its voxels by two forms, and the reference has one
    of them, the other is kept too: a prediction may have that. Raises CaseError.
    """
    stored, far, grid = _stored_reference(case, options)
    ignored = _ignored(stored, case.case, options)
    judged = stored if ignored is None else with_values(stored, np.where(ignored, 0, stored.array))
    number_of = options.classes.class_of_value
    found = with_values(stored, _scored_values(judged, case.case, "reference", options, number_of))
    if far and grid is not None:
        found, ignored = _carried_reference(found, ignored, far, grid, case.case, options)
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(Volume)}
    volume = Reference(**fields, ignored=ignored)
    image = None if case.image is None or volume.other_affine is not None else grid_of(case.image)
    if image is None or image.other is None:
        return volume
    for affine, other in ((image.affine, image.other), (image.other, image.affine)):
        if lies_on(volume, Grid(image.shape, affine), "reference") is not None:
            return dataclasses.replace(volume, other_affine=other)
    return volume


def reference_values(case: ReportCase, options: ScoringOptions) -> tuple[int, ...]:
    """The values besides 0 and ignored ones that the reference file holds, ascending, whatever
    labels say; none for a mask of fractions. Raises CaseError."""
    stored, _, _ = _stored_reference(case, options)
    return _stored_values(stored, case.case, "reference", options)


def prediction_values(
    files: PredictionFiles, reference: Volume, case: str, model: str, options: ScoringOptions
) -> tuple[int, ...]:
    """The same of one model's mask. Raises CaseError."""
    role, rule = f"prediction of {model}", reading_rule(options)
    stored, _ = stored_mask(files.mask, case, rule, reference.grid, role=role)
    return _stored_values(stored, case, role, options)


def read_prediction(
    files: PredictionFiles, reference: Volume, case: str, model: str, options: ScoringOptions
) -> ScoredMask:
    """One model's lesions on the reference's grid. Raises CaseError.

    The lesion ids beside a mask count where they say the same as the mask; a mask that was changed
    since counts itself, with those ids that are still in it.
    """
    role, rule = f"prediction of {model}", reading_rule(options)
    if files.instances is None:
        found = _read_scored(files.mask, reference.grid, case, role, options)
        return ScoredMask(found.array, None, found.notes)
    # both lie on one grid, where they are compared before anything is carried to another
    drawn, _ = stored_mask(files.mask, case, rule, None, role=role)
    written, _ = read_ids(files.instances, case, rule, drawn.grid, role=f"lesion ids of {model}")
    mask = mask_values(drawn, None, case, rule=rule, role=role)
    edited = ids_of_edited_mask(mask, written.array, options.connectivity)
    final = written if edited is None else with_values(written, edited.ids)
    found = _told(*ids_on_grid(final, reference.grid, case, rule, role=role), case, role)
    if edited is None:
        return ScoredMask(found.array, True, found.notes)
    note = (
        f"{role} for {case} was changed after lesionseg wrote it: the mask is scored; of "
        f"{counted(edited.num_before, 'lesion id')} beside it {edited.num_gone} "
        f"{'is' if edited.num_gone == 1 else 'are'} gone; new lesions, without a score: "
        f"{edited.num_new}"
    )
    return ScoredMask(found.array, True, (*found.notes, note), is_edited=True)


def read_class_numbers(
    files: PredictionFiles, grid: Grid | None, case: str, model: str, options: ScoringOptions
) -> Volume:
    """The number of the class of each voxel of one model's mask, on `grid`; None: on its own.

    A mask of lesionseg's own holds the values that its record says. Raises CaseError.
    """
    role, own = f"prediction of {model}", files.classes
    number_of = options.classes.class_of_value
    if own is not None and len(own) > 1:
        numbers = {name: number for number, name in enumerate(options.classes.names, 1)}
        number_of = {one.written: numbers[one.name] for one in own.classes}
    return _read_scored(files.mask, grid, case, role, options, number_of)


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
    ids = label_components(reference.array != 0, options.connectivity)
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
    return read_ids(path, case, reading_rule(options), reference.grid, role=role)[0].array


def _read_scored(
    path: Path,
    grid: Grid | None,
    case: str,
    role: str,
    options: ScoringOptions,
    number_of: Mapping[int, int] | None = None,
) -> Volume:
    """A mask as it is scored, on a grid; its notes are sentences for the page. number_of: as of
    `_scored_values`."""
    stored, far = stored_mask(path, case, reading_rule(options), grid, role=role)
    found = with_values(stored, _scored_values(stored, case, role, options, number_of))
    if far and grid is not None:
        found = _carried(found, far, grid, case, role, options)
    return _told(found, far, case, role)


def _carried(
    mask: Volume, far: float, grid: Grid, case: str, role: str, options: ScoringOptions
) -> Volume:
    """A mask as it is scored, carried to a grid: by class, or by lesion id where no label says what
    its values are."""
    if options.labels is None:
        return carried_ids(mask, far, grid, case, role=role)
    return carried_numbers(mask, options.classes, far, grid, case, role=role)


def _carried_reference(
    mask: Volume,
    ignored: NDArray[np.bool_] | None,
    far: float,
    grid: Grid,
    case: str,
    options: ScoringOptions,
) -> tuple[Volume, NDArray[np.bool_] | None]:
    """The same of a reference, with the voxels that nobody judged."""
    if ignored is None:
        return _carried(mask, far, grid, case, "reference", options), None
    marked = with_values(mask, np.where(ignored, IGNORED, mask.array.astype(np.int32)))
    found = _carried(marked, far, grid, case, "reference", options)
    return with_values(found, np.maximum(found.array, 0)), found.array == IGNORED


def _told(volume: Volume, moved: float, case: str, role: str) -> Volume:
    """The volume with its notes as sentences for the page. moved: by how many mm it was."""
    notes = [f"{role} for {case}: {note}" for note in volume.notes]
    if moved:  # the last note says the same from the mask's side
        _, _, how = volume.notes[-1].partition("lesion by lesion, ")
        notes[-1] = (
            f"{role} for {case} was resampled to the reference's grid, lesion by lesion ({how})"
        )
    return dataclasses.replace(volume, notes=tuple(notes))


def _ignored(stored: Volume, case: str, options: ScoringOptions) -> NDArray[np.bool_] | None:
    if not options.ignore:
        return None
    found = np.isin(_whole(stored, case, "reference", options), options.ignore)
    return found if found.any() else None


def _scored_values(
    volume: Volume,
    case: str,
    role: str,
    options: ScoringOptions,
    number_of: Mapping[int, int] | None = None,
) -> NDArray[Any]:
    """A mask's voxels as they are scored; CaseError for what is no mask.

    number_of: of several classes, the number of the class that a value marks.
    """
    rule = reading_rule(options)
    if number_of is not None and len(options.classes) > 1:
        return numbers_by_value(volume, number_of, options, case, role)
    array = mask_values(volume, mask_labels(options), case, rule=rule, role=role)
    refuse_intensities(_whole(volume, case, role, options), case, role)
    return array


def _stored_values(
    volume: Volume, case: str, role: str, options: ScoringOptions
) -> tuple[int, ...]:
    whole = _whole(volume, case, role, options)
    return (
        () if whole.dtype == bool else tuple(sorted(distinct_values(whole) - {0, *options.ignore}))
    )


def _whole(volume: Volume, case: str, role: str, options: ScoringOptions) -> NDArray[Any]:
    rule = reading_rule(options)
    return whole_numbers(
        volume.array, case, role, threshold=rule.mask_threshold, key=rule.threshold_key
    )


def _stored_reference(
    case: ReportCase, options: ScoringOptions
) -> tuple[Volume, float, Grid | None]:
    """The reference, its values as stored; of a DICOM SEG also how many mm it lies beside the grid
    of its scan, and that grid."""
    grid = _scan_grid(case, options) if is_dicom_file(case.reference) else None
    rule = reading_rule(options)
    mask, far = stored_mask(case.reference, case.case, rule, grid, role="reference")
    refuse_beyond_memory(
        SCORING_BYTES * mask.array.size, "the reference, as it is scored,", case.case
    )
    return mask, far, grid


def _scan_grid(case: ReportCase, options: ScoringOptions) -> Grid | None:
    masks = (files.mask for files in case.predictions.values())
    for path in (case.image, *masks):
        if path is not None and (path.is_dir() or not is_dicom_file(path)):
            return reading_rule(options).read(path, case.case).grid
    return None
