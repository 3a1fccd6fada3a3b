"""The second stage: what becomes of proposals, in training and in prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from lesionseg.models.interface import Detections, LossTerm
from lesionseg.models.mask_rcnn.box_head import BoxHead
from lesionseg.models.mask_rcnn.mask_head import MASK_MARGIN_PX, MaskHead
from lesionseg.models.mask_rcnn.mask_losses import (
    judged_cells,
    mask_loss_term,
    mask_probability,
)
from lesionseg.models.mask_rcnn.roi_pooler import RoIPooler
from lesionseg.models.mask_rcnn.roi_sampling import RoISamples, sample_rois
from lesionseg.models.mask_rcnn.rpn import Proposals
from lesionseg.models.targets import Target
from lesionseg.ops.boxes import box_giou, clip_boxes, decode_boxes, encode_boxes, pad_boxes
from lesionseg.ops.masks import ellipse_mask, mask_targets
from lesionseg.ops.nms import nms
from lesionseg.settings.mask_rcnn import RoIRule

CODE_WEIGHTS = (5.0, 5.0)
ELLIPSE_CELLS = 28  # a side, of the mask that a detector without mask head draws


class Scored(NamedTuple):
    """Of one image. boxes: (N, 4) xyxy in pixels. scores: (N,) in [0, 1]. labels: (N,) 1..K."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class RoIHeads(nn.Module):
    """Reads each RoI once for its class and box, once for its mask (He et al. 2017, section 3).

    mask_head: None for Faster R-CNN, whose lesion is the ellipse inside its box. regions: whether
    classes contain one another; a RoI may then be of several, else they compete.
    """

    def __init__(
        self,
        pooler: RoIPooler,
        box_head: BoxHead,
        mask_head: MaskHead | None,
        rule: RoIRule,
        *,
        regions: bool = False,
    ) -> None:
        super().__init__()
        self.pooler, self.rule, self.regions = pooler, rule, regions
        self.box_head, self.mask_head = box_head, mask_head

    @property
    def mask_margin_px(self) -> float:
        """How far the masks of `detect` reach beyond the boxes."""
        return 0.0 if self.mask_head is None else MASK_MARGIN_PX

    @property
    def least_objectness(self) -> float:
        """Of a proposal whose score could reach `rule.score_floor`: were it a lesion for certain,
        its score would be the root of its objectness."""
        return self.rule.score_floor**2

    def loss_terms(
        self,
        pyramid: Sequence[Tensor],
        proposals: Sequence[Tensor],
        targets: Sequence[Target],
        generator: Generator | None,
    ) -> dict[str, LossTerm]:
        """Cross-entropy on classes, of each region by itself, `rule.box_loss` on boxes, the mask
        head's loss on masks."""
        samples = sample_rois(
            proposals,
            targets,
            self.rule,
            generator,
            num_classes=self.box_head.num_classes,
            regions=self.regions,
        )
        terms = self._box_terms(pyramid, samples)
        if self.mask_head is not None:
            terms["roi_mask"] = self._mask_term(pyramid, samples, targets)
        return terms

    def _box_terms(self, pyramid: Sequence[Tensor], samples: RoISamples) -> dict[str, LossTerm]:
        logits, codes = self._classify(pyramid, samples.boxes)
        label, roi = torch.cat(samples.labels), torch.cat(samples.boxes)
        positive = label > 0
        roi, want = roi[positive], torch.cat(samples.wanted)[positive]
        code = codes[positive, label[positive] - 1]
        num, matches = max(len(label), 1), samples.matches

        def class_term(logits: Tensor) -> LossTerm:
            entropy = F.cross_entropy(logits.float(), label, reduction="none")[:, None]
            return LossTerm(
                entropy.sum() / num, logits, entropy, "classes", class_term, matches=matches
            )

        def box_term(code: Tensor) -> LossTerm:
            if self.rule.box_loss == "giou":
                found = decode_boxes(code.float(), roi, CODE_WEIGHTS)
                offset = 1 - box_giou(found, want)[:, None]
            else:
                wanted = encode_boxes(want, roi, CODE_WEIGHTS)
                offset = F.smooth_l1_loss(code.float(), wanted, reduction="none", beta=0.5)
            return LossTerm(offset.sum() / num, code, offset, "codes", box_term, matches, positive)

        def region_term(logits: Tensor) -> LossTerm:
            belongs = torch.cat(samples.belongs).float()
            entropy = F.binary_cross_entropy_with_logits(logits.float(), belongs, reduction="none")
            return LossTerm(
                entropy.sum() / num, logits, entropy, "scores", region_term, matches=matches
            )

        of_classes = region_term(logits[:, 1:]) if self.regions else class_term(logits)
        return {"roi_class": of_classes, "roi_box": box_term(code)}

    def _mask_term(
        self, pyramid: Sequence[Tensor], samples: RoISamples, targets: Sequence[Target]
    ) -> LossTerm:
        assert self.mask_head is not None
        owners = [match[:num] for match, num in zip(samples.matches, samples.num_masks)]
        boxes = [
            pad_boxes(box[:num], MASK_MARGIN_PX)
            for box, num in zip(samples.boxes, samples.num_masks)
        ]
        label = torch.cat([target.labels[owner] for owner, target in zip(owners, targets)])
        maps = self._masks(pyramid, boxes)
        wanted = torch.cat(
            [
                mask_targets(target.masks[owner].float(), box, self.mask_head.size)
                for box, owner, target in zip(boxes, owners, targets)
            ]
        )
        used = judged_cells(targets, boxes, self.mask_head.size)
        drawn = self.mask_head.drawn_as(label)
        return mask_loss_term(maps, drawn, wanted, self.mask_head.loss, owners, used)

    @torch.no_grad()
    def scored(
        self, pyramid: Sequence[Tensor], proposals: Sequence[Proposals], shape: tuple[int, int]
    ) -> list[Scored]:
        """The refined boxes of each image whose score reaches `rule.score_floor`.

        A score is the geometric mean of the proposal's objectness and its class probability: both
        stages say how sure they are of a lesion (Zhou et al. 2021, Probabilistic two-stage
        detection); it ranks, and is no probability.
        """
        counts = [len(found.boxes) for found in proposals]
        logits, codes = self._classify(pyramid, [found.boxes for found in proposals])
        logits = logits.float()
        probabilities = (logits.sigmoid() if self.regions else logits.softmax(dim=1))[:, 1:]
        codes, made = codes.float(), []
        for probability, code, (proposal, objectness) in zip(
            probabilities.split(counts), codes.split(counts), proposals
        ):
            joint = (objectness[:, None] * probability).sqrt()
            row, column = (joint >= self.rule.score_floor).nonzero(as_tuple=True)
            box = clip_boxes(decode_boxes(code[row, column], proposal[row], CODE_WEIGHTS), shape)
            made.append(Scored(box, joint[row, column], column + 1))
        return made

    @torch.no_grad()
    def detect(self, pyramid: Sequence[Tensor], scored: Sequence[Scored]) -> list[Detections]:
        """Detections of each image, best first, none of a class over another of it; masks fill the
        boxes grown by `mask_margin_px`."""
        kept = []
        for box, score, label in scored:
            best = nms(box, score, self.rule.nms_iou, groups=label)[: self.rule.num_detections]
            kept.append(Scored(box[best], score[best], label[best]))
        masks = self._drawn(pyramid, [one.boxes for one in kept], [one.labels for one in kept])
        return [Detections(*one, mask) for one, mask in zip(kept, masks)]

    def _drawn(
        self, pyramid: Sequence[Tensor], boxes: Sequence[Tensor], labels: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """The masks (D, m, m) of each image's detections."""
        if self.mask_head is None:
            ellipse = ellipse_mask(ELLIPSE_CELLS).to(pyramid[0].device)
            return [ellipse.expand(len(one), -1, -1) for one in boxes]
        maps = self._masks(pyramid, [pad_boxes(one, MASK_MARGIN_PX) for one in boxes])
        drawn = self.mask_head.drawn_as(torch.cat(list(labels)))
        masks = mask_probability(maps, drawn, self.mask_head.loss)
        return masks.split([len(one) for one in boxes])

    def _classify(self, pyramid: Sequence[Tensor], rois: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        seen = [pad_boxes(boxes, self.box_head.context_px) for boxes in rois]
        return self.box_head(self.pooler(pyramid, seen, self.box_head.bins))

    def _masks(self, pyramid: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        assert self.mask_head is not None
        return self.mask_head(self.pooler(pyramid, boxes, self.mask_head.bins))
