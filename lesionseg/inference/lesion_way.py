"""How far each lesion comes through a detector: the stage that loses it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from lesionseg.errors import UsageError
from lesionseg.inference.linking import link_slices
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.score_calibration import calibrated
from lesionseg.models.interface import Detections
from lesionseg.models.mask_rcnn.model import MaskRCNN, OnTheWay
from lesionseg.models.targets import slice_target
from lesionseg.ops.boxes import box_iou
from lesionseg.ops.masks import paste_masks
from lesionseg.settings.defaults import FOUND_IOU
from lesionseg.slabs.slab import read_slab, slab_shape
from lesionseg.structures import Case, LesionMap

# in order: an anchor fits it, a proposal does, its box has a score that counts, no better box takes
# its place, a mask covers it, the linked lesion does, the score reaches the model's threshold
STAGES = ("anchor", "proposal", "score", "suppression", "mask", "linking", "threshold")
FITS = 0.35  # IoU of a box in a slice from which it may become the lesion's
SLICES = 8  # of a batch


def lesion_way(model: LoadedModel, case: Case) -> pd.DataFrame:
    """One row a lesion of a case with references: case, lesion (id), volume_mm3, diameter_mm, and
    for each of STAGES whether the lesion came so far.

    In a slice a lesion is its pieces, each with its box, of which the best counts; in a scan its
    best slice. Boxes fit from an IoU of FITS on; masks and linked lesions, of a probability of 0.5
    and more, from FOUND_IOU. A lesion that a later stage has was not lost before. One anchor a cell
    is no guess of a box and loses none. Classes are linked as one. Raises UsageError for a network
    without boxes of its own.
    """
    network = model.network
    if not isinstance(network, MaskRCNN):
        raise UsageError(f"{model.name} makes no boxes on the way; want maskrcnn or fasterrcnn")
    assert case.lesion_ids is not None
    ids = np.asarray(case.lesion_ids[:])
    slices = np.moveaxis(ids, case.slab_axis, 0)
    reached = {int(lesion): np.zeros(len(STAGES), bool) for lesion in case.lesions}
    if network.rpn.rule.assigner == "centre":
        for far in reached.values():
            far[STAGES.index("anchor")] = True
    found: list[Detections] = []
    for index, stages in _answers(network, model, case):
        stages = stages._replace(detections=stages.detections.to("cpu"))
        _judge(stages, slices[index], case, reached)
        found.append(stages.detections)
    linked = link_slices(found, slices.shape[1:], affine=case.affine, slab_axis=case.slab_axis)
    for layer in case.kinds.layers(ids):
        for lesion, score in _best_found(layer, linked).items():
            reached[lesion][STAGES.index("linking")] = True
            reached[lesion][STAGES.index("threshold")] = any(
                calibrated(score, point.calibration) >= point.score_threshold
                for point in model.points
            )
    rows = [
        {
            "case": case.name,
            "lesion": lesion,
            "volume_mm3": case.lesions[lesion]["volume_mm3"],
            "diameter_mm": case.lesions[lesion]["diameter_mm"],
            **dict(zip(STAGES, np.logical_or.accumulate(far[::-1])[::-1].tolist())),
        }
        for lesion, far in reached.items()
    ]
    return pd.DataFrame(rows, columns=["case", "lesion", "volume_mm3", "diameter_mm", *STAGES])


def _answers(network: MaskRCNN, model: LoadedModel, case: Case) -> Iterator[tuple[int, OnTheWay]]:
    """Each slice and what the stages make of it."""
    device = next(network.parameters()).device
    depth = slab_shape(case)[0]
    for start in range(0, depth, SLICES):
        indices = range(start, min(start + SLICES, depth))
        stack = np.stack([read_slab(case, i, model.slab_rule).image for i in indices])
        yield from zip(indices, network.on_the_way(torch.from_numpy(stack).to(device)))


def _judge(
    stages: OnTheWay, ids: NDArray[np.int32], case: Case, reached: dict[int, NDArray[np.bool_]]
) -> None:
    """Note which stages have which lesions of a slice."""
    target = slice_target(ids, case.kinds)
    if not len(target.boxes):
        return
    owners = target.lesion_ids.tolist()
    for place, boxes in enumerate((stages.anchors, stages.proposals, stages.scored, stages.kept)):
        for owner, fits in zip(owners, _best(boxes.cpu(), target.boxes) >= FITS):
            reached[owner][place] |= bool(fits)
    masks = target.masks.numpy()
    drawn = np.zeros(len(masks))
    for rows, columns, mask in paste_masks(
        stages.detections.masks, stages.detections.boxes, ids.shape
    ):
        own = mask >= 0.5
        overlap = masks[:, rows, columns][:, own].sum(1)
        union = masks.sum((1, 2)) + own.sum() - overlap
        drawn = np.maximum(drawn, overlap / np.maximum(union, 1))
    for owner, iou in zip(owners, drawn):
        reached[owner][STAGES.index("mask")] |= bool(iou >= FOUND_IOU)


def _best(boxes: Tensor, targets: Tensor) -> Tensor:
    """The highest IoU of each target with any of the boxes."""
    if not len(boxes):
        return torch.zeros(len(targets))
    return box_iou(boxes, targets).amax(dim=0)


def _best_found(layer: NDArray[np.int32], linked: LesionMap) -> dict[int, float]:
    """The best score of a linked lesion that finds it, by lesion of a layer that is found."""
    candidates = np.where(linked.probability >= 0.5, linked.lesion_ids, 0)
    sizes = np.bincount(candidates.ravel())
    best: dict[int, float] = {}
    for lesion, box in enumerate(ndimage.find_objects(layer), 1):
        if box is None:
            continue
        own = layer[box] == lesion
        meeting, shared = np.unique(candidates[box][own], return_counts=True)
        for one, overlap in zip(meeting.tolist(), shared.tolist()):
            iou = overlap / (int(own.sum()) + int(sizes[one]) - overlap)
            if one and iou >= FOUND_IOU:
                best[lesion] = max(best.get(lesion, 0.0), linked.scores[one])
    return best
