"""Which proposals of a training batch the heads learn from, and the lesion of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lesionseg.models.targets import Target
from lesionseg.ops.assignment import assign_by_iou, ignore_covered, sample_balanced
from lesionseg.ops.boxes import box_iou
from lesionseg.settings.mask_rcnn import RoIRule


@dataclass(frozen=True, eq=False)
class RoISamples:
    """One tensor an image in each list.

    boxes: (R_i, 4) xyxy in pixels, lesions first. matches: (R_i,) place among the image's pieces,
    negative for none. labels: (R_i,) 1..K, 0 where there is no lesion. wanted: (R_i, 4) the box of
    the piece, or the RoI itself. num_masks: how many of the first RoIs of each image learn a mask.
    belongs: of regions, (R_i, K) bool, the classes of all pieces that a RoI fits; else empty.
    """

    boxes: list[Tensor]
    matches: list[Tensor]
    labels: list[Tensor]
    wanted: list[Tensor]
    num_masks: list[int]
    belongs: list[Tensor]


def sample_rois(
    proposals: Sequence[Tensor],
    targets: Sequence[Target],
    rule: RoIRule,
    generator: Generator | None,
    *,
    num_classes: int,
    regions: bool = False,
) -> RoISamples:
    """Match proposals, and the lesions' own boxes, to lesions and draw what is trained on.

    proposals: (P_i, 4) of each image, best first. regions: a RoI that fits several pieces, as one
    fits a lesion and its core, is matched to one of them at random and not to the nearest.
    """
    samples = RoISamples([], [], [], [], [], [])
    for found, target in zip(proposals, targets):
        candidates = torch.cat([found, target.boxes])  # the lesions' own boxes, so that some fit
        matches = assign_by_iou(
            candidates,
            target.boxes,
            positive=rule.positive_iou,
            negative=rule.positive_iou,
            force_best=False,
        )
        matches = ignore_covered(matches, candidates, target.ignored)
        fits = box_iou(candidates, target.boxes) >= rule.positive_iou if regions else None
        if fits is not None and len(target.boxes):  # fits: (P, pieces)
            lots = torch.rand(fits.shape, generator=generator).to(fits.device)
            matches = torch.where(matches >= 0, (lots * fits).argmax(dim=1), matches)
        positive, negative = sample_balanced(
            matches,
            rule.num_samples,
            rule.positive_fraction,
            generator,
            hard_fraction=rule.hard_fraction,
        )
        chosen = torch.cat([positive, negative])
        match = matches[chosen]
        owner = match.clamp(min=0)
        samples.boxes.append(candidates[chosen])
        samples.matches.append(match)
        if len(target.boxes):
            samples.labels.append(torch.where(match >= 0, target.labels[owner], 0))
            samples.wanted.append(target.boxes[owner])
        else:
            samples.labels.append(torch.zeros_like(owner))
            samples.wanted.append(candidates[chosen])
        samples.num_masks.append(min(len(positive), rule.num_mask_samples))
        if fits is not None:
            classes = F.one_hot(target.labels - 1, num_classes).bool()  # (pieces, K)
            samples.belongs.append((fits[chosen][:, :, None] & classes).any(dim=1))
    return samples
