"""Lesion-wise Dice in the manner of the BraTS 2023 challenges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import label_components
from lesionseg.evaluation.matching import Matched
from lesionseg.evaluation.sparse_lesions import Frame, Lesions
from lesionseg.slack import exceeds

DILATION_VOX = 1  # the metastasis challenge's numbers, the ones meant for small lesions
MINIMUM_MM3 = 2.0


def brats_lesion_dice(matched: Matched) -> float:
    """Mean Dice over reference lesions above MINIMUM_MM3 and false positives, which count as 0.

    Reference lesions whose dilations (DILATION_VOX voxels, 18-neighbourhood) touch are one lesion;
    every predicted lesion that reaches into the dilation is compared with it.
    NaN where nothing is left to average. Source: Moawad et al., The Brain Tumor Segmentation -
    Metastases (BraTS-METS) Challenge 2023, and its published lesion-wise evaluation.
    """
    reference, prediction = matched.reference, matched.prediction
    groups = _dilated_groups(reference, matched.frame)
    num_groups = int(groups.max())
    in_reference = groups[reference.flat].astype(np.int64)
    size = np.bincount(in_reference, minlength=num_groups + 1)
    at_prediction = groups[prediction.flat].astype(np.int64)
    reached = at_prediction > 0
    pairs = np.unique(np.stack([at_prediction[reached], prediction.index[reached]], axis=1), axis=0)
    predicted = np.zeros(num_groups + 1)
    np.add.at(predicted, pairs[:, 0], prediction.sizes[pairs[:, 1]])
    shared = np.bincount(
        in_reference[prediction.mask.reshape(-1)[reference.flat]], minlength=num_groups + 1
    )
    kept = exceeds(size * matched.voxel_mm3, MINIMUM_MM3)
    kept[0] = False
    num_false_positive = len(prediction) - len(np.unique(pairs[:, 1]))
    total = int(kept.sum()) + num_false_positive
    if total == 0:
        return float("nan")
    return float((2 * shared[kept] / (size[kept] + predicted[kept])).sum() / total)


def _dilated_groups(reference: Lesions, frame: Frame) -> NDArray[np.int32]:
    """The dilated reference's component number at each voxel of the flattened frame, 0 outside."""
    x, y, z = frame.steps
    face_and_edge = [0, x, y, z, x + y, x - y, x + z, x - z, y + z, y - z]
    dilated = np.zeros(reference.mask.size, dtype=bool)
    for step in face_and_edge:
        dilated[reference.flat + step] = True
        dilated[reference.flat - step] = True
    return label_components(dilated.reshape(frame.shape)).reshape(-1)
