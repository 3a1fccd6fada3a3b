"""From a mask file to lesion ids, and what is measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.components import label_components, label_pieces, lesion_measures, pieces_in_slice
from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.io.reading import STRICT, ReadingRule
from lesionseg.lesion_classes import LesionClasses
from lesionseg.lesion_kinds import IGNORED, LesionKinds, nested, of_one_class
from lesionseg.reading.mask_values import distinct_values
from lesionseg.reading.masks import class_numbers, mask_values
from lesionseg.structures import Affine, Volume


def lesion_ids(
    mask: Volume, labels: MaskLabels, case: str, *, rule: ReadingRule = STRICT
) -> tuple[NDArray[np.int32], LesionKinds]:
    """Lesion ids (X, Y, Z), numbered from 1, on the mask's own grid, and the class of each.

    The connected components of each class of `class_numbers`, or, where the mask holds instance
    ids, those: lesions that touch stay apart, and one of several pieces stays one. Raises CaseError
    as `class_numbers`.
    """
    if not labels.instances:
        found = class_numbers(mask, labels, case, rule=rule)
        return label_lesions(found, labels.classes)
    array = mask_values(mask, labels, case, rule=rule)
    ignored = np.isin(array, sorted(labels.ignored)) if labels.ignored else None
    if ignored is not None:
        array = np.where(ignored, 0, array)
    values = sorted(distinct_values(array))
    ids = np.searchsorted(values, array).astype(np.int32)
    kinds = of_one_class(ids)
    if ignored is not None:
        ids[ignored] = IGNORED
    return ids, kinds


def label_lesions(
    numbers: NDArray[Any], classes: LesionClasses
) -> tuple[NDArray[np.int32], LesionKinds]:
    """The lesions of a map of class numbers (X, Y, Z), as `class_numbers` gives it.

    Touching voxels of two classes are two lesions; of regions, a lesion is a component of all that
    lies in its region, and the innermost one has the voxel.
    """
    if len(classes) == 1:
        ids = label_components(numbers > 0)
        kinds = of_one_class(ids)
    elif classes.regions:
        ids, kinds = nested(_region_layers(numbers, classes))
    else:
        ids = label_pieces(np.maximum(numbers, 0).astype(np.int32))
        of_lesion = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
        of_lesion[ids] = np.maximum(numbers, 0)
        kinds = LesionKinds(of_lesion, np.zeros_like(of_lesion))
    if numbers.dtype != bool:
        ids[numbers == IGNORED] = IGNORED
    return ids, kinds


def _region_layers(numbers: NDArray[Any], classes: LesionClasses) -> list[NDArray[np.int32]]:
    """The components of each region, numbered on from region to region."""
    layers, last = [], 0
    for number in range(1, len(classes) + 1):
        ids = label_components(np.isin(numbers, classes.within(number)))
        layers.append(np.where(ids > 0, ids + np.int32(last), 0))
        last += int(ids.max(initial=0))
    return layers


def lesion_table(
    ids: NDArray[np.int32], kinds: LesionKinds, affine: Affine, slab_axis: int
) -> dict[int, Mapping[str, float]]:
    """Per lesion id: volume_mm3, diameter_mm (equal-volume sphere), centroid_{r,a,s}_mm,
    row_extent_mm and column_extent_mm (its in-plane box), num_slices, measured on this grid, class
    and inside (the lesion around it, 0 for none)."""
    spacing = geometry.spacing(affine)
    rows, columns = (axis for axis in range(3) if axis != slab_axis)
    table: dict[int, Mapping[str, float]] = {}
    for layer in kinds.layers(ids):
        boxes = ndimage.find_objects(layer)
        for lesion, measures in lesion_measures(layer, affine).items():
            extent = [side.stop - side.start for side in boxes[lesion - 1]]
            table[lesion] = {
                **measures,
                "row_extent_mm": float(extent[rows] * spacing[rows]),
                "column_extent_mm": float(extent[columns] * spacing[columns]),
                "num_slices": float(extent[slab_axis]),
                "class": float(kinds.classes[lesion]),
                "inside": float(kinds.inside[lesion]),
            }
    return dict(sorted(table.items()))


def lesion_volumes(ids: NDArray[np.int32], kinds: LesionKinds, affine: Affine) -> dict[int, float]:
    """Volume in mm3 by lesion id, ascending."""
    voxel = geometry.voxel_volume(affine)
    found: dict[int, float] = {}
    for layer in kinds.layers(ids):
        counts = np.bincount(layer[layer > 0])
        found |= {int(i): float(counts[i] * voxel) for i in np.flatnonzero(counts)}
    return dict(sorted(found.items()))


def in_plane_boxes(
    ids: NDArray[np.int32], kinds: LesionKinds, affine: Affine, slab_axis: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Width (along W) and height (along H) in mm of the box around each 2D component: (M, 2), and
    the id of its lesion: (M,)."""
    row_mm, column_mm = (
        mm for axis, mm in enumerate(geometry.spacing(affine)) if axis != slab_axis
    )
    boxes, owners = [], []
    for layer in kinds.layers(ids):
        slices = np.moveaxis(layer, slab_axis, 0)
        for number in np.flatnonzero(slices.any(axis=(1, 2))):
            for lesion, mask, _ in pieces_in_slice(np.ascontiguousarray(slices[number])):
                rows, columns = mask.shape
                boxes.append((columns * column_mm, rows * row_mm))
                owners.append(lesion)
    return np.array(boxes, np.float64).reshape(-1, 2), np.array(owners, np.int32)
