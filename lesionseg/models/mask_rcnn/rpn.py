"""The region proposal network: an objectness and a box for every anchor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lesionseg.models.interface import LossTerm
from lesionseg.models.mask_rcnn.anchors import (
    Anchors,
    AnchorShapes,
    num_per_cell,
    pyramid_anchors,
)
from lesionseg.models.targets import Target, owners_in_batch
from lesionseg.ops.assignment import (
    NEGATIVE,
    assign_by_atss,
    assign_by_centre,
    assign_by_iou,
    assign_by_nwd,
    ignore_covered,
)
from lesionseg.ops.boxes import clip_boxes, decode_boxes, encode_boxes
from lesionseg.ops.nms import nms
from lesionseg.settings.mask_rcnn import ProposalRule

CODE_WEIGHTS = (1.0, 1.0)

# (image (K,), anchor (K,)) -> box codes (K, 4). Codes are computed only for the anchors that are
# asked for: of the 50,000 anchors of a window dozens are positive and hundreds become proposals.
CodesAt = Callable[[Tensor, Tensor], Tensor]


class Proposals(NamedTuple):
    """Of one image, best first. boxes: (P, 4) xyxy in pixels. objectness: (P,) in [0, 1]."""

    boxes: Tensor
    objectness: Tensor


class ProposalNetwork(nn.Module):
    """1x1 objectness and box codes of every anchor on every pyramid level.

    Ren et al. 2015, without its 3x3 convolution, with which the pyramid ends already. The
    objectness is trained on all anchors with the focal loss of Lin et al. 2017, because a window
    holds thousands of anchors and a handful of lesions.
    """

    def __init__(
        self,
        channels: int,
        *,
        anchors: Sequence[AnchorShapes],
        strides: Sequence[int],
        rule: ProposalRule,
    ) -> None:
        super().__init__()
        if len(anchors) != len(strides):
            raise ValueError(f"anchors for {len(anchors)} levels, the pyramid has {len(strides)}")
        if rule.assigner == "centre" and any(num_per_cell(level) != 1 for level in anchors):
            raise ValueError("assigner is centre: want one anchor a cell, such as anchors=points")
        self.levels = [[list(shape) for shape in level] for level in anchors]
        self.strides, self.rule = list(strides), rule
        numbers = [num_per_cell(level) for level in self.levels]
        self.objectness = nn.ModuleList(nn.Conv2d(channels, num, 1) for num in numbers)
        self.codes = nn.Linear(channels, 4 * sum(numbers))  # of each kind of anchor, all levels
        nn.init.normal_(self.codes.weight, std=0.01)
        nn.init.zeros_(self.codes.bias)
        for head in self.objectness:
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            nn.init.normal_(head.weight, std=0.01)
            # objectness starts as if 1 % of the anchors were lesions
            nn.init.constant_(head.bias, -math.log(99.0))

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, CodesAt, Anchors]:
        """Pyramid -> logits (N, A), what gives codes, anchors, all levels concatenated."""
        logits, cells = [], []
        for level, objectness in zip(pyramid, self.objectness):
            logits.append(objectness(level).permute(0, 2, 3, 1).flatten(1))
            cells.append(level.permute(0, 2, 3, 1).flatten(1, 2))
        shapes = [(level.shape[2], level.shape[3]) for level in pyramid]
        anchors = pyramid_anchors(self.levels, self.strides, shapes, pyramid[0].device)
        codes_at = partial(self._codes_at, torch.cat(cells, 1), anchors)
        return torch.cat(logits, 1), codes_at, anchors

    def _codes_at(self, cells: Tensor, anchors: Anchors, image: Tensor, anchor: Tensor) -> Tensor:
        """Codes (K, 4) float32 of the anchors asked for. cells: (N, cells of all levels, C)."""
        cell, kind = anchors.cells_and_kinds(anchor)
        hidden = cells[image, cell].float()  # (K, C)
        weight = self.codes.weight.view(-1, 4, cells.shape[2])[kind]  # (K, 4, C)
        return (weight * hidden[:, None]).sum(2) + self.codes.bias.view(-1, 4)[kind]

    def loss_terms(
        self, logits: Tensor, codes_at: CodesAt, anchors: Anchors, targets: Sequence[Target]
    ) -> dict[str, LossTerm]:
        """Focal loss over all anchors that are not ignored, and L1 on the positives' codes."""
        rule = self.rule
        matches = torch.stack(
            [
                ignore_covered(self._assign(anchors, target.boxes), anchors.boxes, target.ignored)
                for target in targets
            ]
        )
        positive = matches >= 0
        used = positive | (matches == NEGATIVE)
        num_positive = positive.sum().clamp(min=1)
        # the positive anchors are looked up once a batch, not once an image
        image, anchor = positive.nonzero(as_tuple=True)
        boxes = torch.cat([target.boxes for target in targets])
        match = torch.stack(owners_in_batch(list(matches), targets))[image, anchor]
        chosen = codes_at(image, anchor)
        wanted = encode_boxes(boxes[match], anchors.boxes[anchor], CODE_WEIGHTS)
        per_image = list(matches)

        def objectness_term(logits: Tensor) -> LossTerm:
            focal = _focal_loss(logits.float(), positive, rule.focal_alpha, rule.focal_gamma) * used
            value = focal.sum() / num_positive
            return LossTerm(value, logits, focal, "scores", objectness_term, matches=per_image)

        def box_term(codes: Tensor) -> LossTerm:
            box = F.smooth_l1_loss(codes, wanted, reduction="none", beta=0.1)
            value = box.sum() / num_positive
            return LossTerm(value, codes, box, "codes", box_term, per_image, positive)

        return {"rpn_objectness": objectness_term(logits), "rpn_box": box_term(chosen)}

    def _assign(self, anchors: Anchors, boxes: Tensor) -> Tensor:
        """Which of the boxes (M, 4) each anchor is matched to: (A,)."""
        rule = self.rule
        if rule.assigner == "atss":
            return assign_by_atss(
                anchors.boxes,
                boxes,
                level_sizes=anchors.level_sizes,
                strides=self.strides,
                num_nearest=rule.atss_nearest,
            )
        if rule.assigner == "centre":
            return assign_by_centre(
                anchors.boxes, boxes, level_sizes=anchors.level_sizes, strides=self.strides
            )
        if rule.assigner == "nwd":
            if rule.nwd_constant_px == "planned":
                raise ValueError("nwd_constant_px is planned; fill in the plan's first")
            return assign_by_nwd(
                anchors.boxes,
                boxes,
                constant_px=rule.nwd_constant_px,
                positive=rule.nwd_positive,
                negative=rule.nwd_negative,
                force_best=True,
            )
        return assign_by_iou(
            anchors.boxes,
            boxes,
            positive=rule.positive_iou,
            negative=rule.negative_iou,
            force_best=True,
        )

    @torch.no_grad()
    def proposals(
        self,
        logits: Tensor,
        codes_at: CodesAt,
        anchors: Anchors,
        shape: tuple[int, int],
        *,
        num_candidates: int,
        least: float = 0.0,
    ) -> list[Proposals]:
        """Best proposals of each image, best first, clipped to `shape`.

        least: objectness below which an anchor proposes nothing, as one whose output is NaN.
        """
        rule = self.rule
        num_images, num_anchors = logits.shape
        num = min(num_candidates, num_anchors)
        scores, index = torch.where(logits.isnan(), -math.inf, logits.float()).topk(num, dim=1)
        image = torch.arange(num_images, device=index.device).repeat_interleave(num)
        anchor = index.flatten()
        codes = codes_at(image, anchor)
        boxes = clip_boxes(decode_boxes(codes, anchors.boxes[anchor], CODE_WEIGHTS), shape)
        boxes = boxes.view(num_images, num, 4)
        sound = torch.isfinite(boxes).all(dim=2) & torch.isfinite(scores)
        sound &= scores.sigmoid() >= least
        found = []
        for image_boxes, image_scores, whole in zip(boxes, scores, sound):
            candidates = image_boxes[whole]
            kept = nms(candidates, image_scores[whole], rule.nms_iou)[: rule.num_proposals]
            found.append(Proposals(candidates[kept], image_scores[whole][kept].sigmoid()))
        return found


def _focal_loss(logits: Tensor, positive: Tensor, alpha: float, gamma: float) -> Tensor:
    """Per-element focal loss (Lin et al. 2017, eq. 5)."""
    target = positive.to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p = logits.sigmoid()
    miss = torch.where(positive, 1 - p, p)
    return torch.where(positive, alpha, 1 - alpha) * miss**gamma * entropy
