"""From a mask file to lesion ids, and what is measured of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg import geometry
from lesionseg.components import label_components, lesion_measures, pieces_in_slice
from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.io.reading import STRICT, ReadingRule
from lesionseg.reading.mask_values import distinct_values
from lesionseg.reading.masks import lesion_mask, mask_values
from lesionseg.structures import Affine, Volume


def lesion_ids(
    mask: Volume, labels: MaskLabels, case: str, *, rule: ReadingRule = STRICT
) -> NDArray[np.int32]:
    """Lesion ids (X, Y, Z), numbered from 1, on the mask's own grid; 0 = background.

    The connected components of `lesion_mask`, or, where the mask holds instance ids, those: lesions
    that touch stay apart, and one of several pieces stays one. Raises CaseError as `lesion_mask`.
    """
    found = lesion_mask(mask, labels, case, rule=rule)
    if not labels.instances:
        return label_components(found)
    array = mask_values(mask, labels, case, rule=rule)
    values = sorted(distinct_values(array))
    return np.searchsorted(values, array).astype(np.int32)


def lesion_table(
    ids: NDArray[np.int32], affine: Affine, slab_axis: int
) -> dict[int, Mapping[str, float]]:
    """Per lesion id: volume_mm3, diameter_mm (equal-volume sphere), centroid_{r,a,s}_mm,
    row_extent_mm and column_extent_mm (its in-plane box) and num_slices, measured on this grid."""
    spacing = geometry.spacing(affine)
    rows, columns = (axis for axis in range(3) if axis != slab_axis)
    boxes = ndimage.find_objects(ids)
    table: dict[int, Mapping[str, float]] = {}
    for lesion, measures in lesion_measures(ids, affine).items():
        extent = [side.stop - side.start for side in boxes[lesion - 1]]
        table[lesion] = {
            **measures,
            "row_extent_mm": float(extent[rows] * spacing[rows]),
            "column_extent_mm": float(extent[columns] * spacing[columns]),
            "num_slices": float(extent[slab_axis]),
        }
    return table


def in_plane_boxes(
    ids: NDArray[np.int32], affine: Affine, slab_axis: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Width (along W) and height (along H) in mm of the box around each 2D component: (M, 2), and
    the id of its lesion: (M,)."""
    slices = np.moveaxis(ids, slab_axis, 0)
    row_mm, column_mm = (
        mm for axis, mm in enumerate(geometry.spacing(affine)) if axis != slab_axis
    )
    boxes, owners = [], []
    for number in np.flatnonzero(slices.any(axis=(1, 2))):
        for lesion, mask, _ in pieces_in_slice(np.ascontiguousarray(slices[number])):
            rows, columns = mask.shape
            boxes.append((columns * column_mm, rows * row_mm))
            owners.append(lesion)
    return np.array(boxes, np.float64).reshape(-1, 2), np.array(owners, np.int32)
