"""Per-RoI heads: a class and a finer box for every proposal, and a mask inside every kept box."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from lesionseg.models.losses import LossTerm, term_values
from lesionseg.models.mask_rcnn.mask_losses import mask_loss_term, mask_probability, num_maps
from lesionseg.models.mask_rcnn.rpn import Proposals
from lesionseg.models.targets import BACKGROUND, Target, owners_in_batch
from lesionseg.ops.assignment import assign_by_iou, sample_balanced
from lesionseg.ops.boxes import box_giou, clip_boxes, decode_boxes, encode_boxes, pad_boxes
from lesionseg.ops.masks import ellipse_mask, mask_targets
from lesionseg.ops.nms import nms
from lesionseg.ops.roi_align import pyramid_roi_align
from lesionseg.ops.roi_pool import pyramid_roi_pool
from lesionseg.ops.roi_resize import pyramid_roi_resize
from lesionseg.settings.mask_rcnn import RoIRule

CODE_WEIGHTS = (5.0, 5.0)
# The mask lives in the box grown by a pixel a side, so that a box half a pixel off still holds all
# of the lesion, and a mask value exists on both sides of the lesion's edge.
MASK_MARGIN_PX = 1.0
ELLIPSE_CELLS = 28  # a side, of the mask that a detector without mask head draws
ROI_OPS = {"align": pyramid_roi_align, "pool": pyramid_roi_pool, "resize": pyramid_roi_resize}


class RoIHeads(nn.Module):
    """Box head (two linear layers) and mask head (convolutions, K maps of m x m).

    He et al. 2017, section 3. roi_op: how a RoI reads the pyramid, `align`, `pool` or `resize`.
    mask_loss: see mask_losses. mask_convs: None for no mask head, as in Faster R-CNN: a lesion is
    then the ellipse inside its box.
    """

    def __init__(
        self,
        channels: int,
        *,
        num_classes: int,
        strides: Sequence[int],
        rule: RoIRule,
        roi_op: str,
        box_bins: int,
        box_width: int,
        mask_bins: int,
        mask_width: int,
        mask_convs: int | None,
        mask_loss: str,
    ) -> None:
        super().__init__()
        if roi_op not in ROI_OPS:
            raise ValueError(f"roi_op is {roi_op!r}, known: {', '.join(ROI_OPS)}")
        self.strides, self.rule, self.roi_op = list(strides), rule, roi_op
        self.num_classes, self.box_bins, self.mask_bins = num_classes, box_bins, mask_bins
        self.mask_loss = mask_loss
        self.box = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * box_bins * box_bins, box_width),
            nn.ReLU(inplace=True),
            nn.Linear(box_width, box_width),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Linear(box_width, num_classes + 1)
        self.refine = nn.Linear(box_width, 4 * num_classes)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.normal_(self.refine.weight, std=0.001)
        nn.init.zeros_(self.classify.bias)
        nn.init.zeros_(self.refine.bias)
        maps = num_maps(mask_loss, num_classes)
        self.mask = (
            None if mask_convs is None else _mask_head(channels, mask_width, mask_convs, maps)
        )

    @property
    def mask_margin_px(self) -> float:
        """How far the masks of `detect` reach beyond the boxes."""
        return 0.0 if self.mask is None else MASK_MARGIN_PX

    @property
    def mask_size(self) -> int:
        return 2 * self.mask_bins

    def losses(
        self,
        pyramid: Sequence[Tensor],
        proposals: Sequence[Tensor],
        targets: Sequence[Target],
        generator: Generator | None,
    ) -> dict[str, Tensor]:
        """Cross-entropy on classes, `box_loss` on boxes, `mask_loss` on masks."""
        return term_values(self.loss_terms(pyramid, proposals, targets, generator))

    def loss_terms(
        self,
        pyramid: Sequence[Tensor],
        proposals: Sequence[Tensor],
        targets: Sequence[Target],
        generator: Generator | None,
    ) -> dict[str, LossTerm]:
        """The losses with what they are made of, RoI by RoI and mask cell by mask cell."""
        rois, labels, matched, masks, owners = [], [], [], [], []
        for found, target in zip(proposals, targets):
            candidates = torch.cat([found, target.boxes])  # the lesions themselves, so some fit
            matches = assign_by_iou(
                candidates,
                target.boxes,
                positive=self.rule.positive_iou,
                negative=self.rule.positive_iou,
                force_best=False,
            )
            positive, negative = sample_balanced(
                matches,
                self.rule.num_samples,
                self.rule.positive_fraction,
                generator,
                hard_fraction=self.rule.hard_fraction,
            )
            chosen = torch.cat([positive, negative])
            owners.append(matches[chosen])
            owner = matches[chosen].clamp(min=0)
            is_lesion = matches[chosen] >= 0
            rois.append(candidates[chosen])
            if len(target.boxes):
                labels.append(torch.where(is_lesion, target.labels[owner], 0))
                matched.append(target.boxes[owner])
            else:
                labels.append(torch.zeros_like(owner))
                matched.append(candidates[chosen])
            first = positive[: self.rule.num_mask_samples]
            box = pad_boxes(candidates[first], MASK_MARGIN_PX)
            owner = matches[first]
            masks.append((box, owner))

        logits, codes = self._classify(pyramid, rois)
        label, roi, want = torch.cat(labels), torch.cat(rois), torch.cat(matched)
        positive = label > 0
        code = codes.view(len(codes), self.num_classes, 4)[positive, label[positive] - 1]
        num = max(len(label), 1)
        entropy = F.cross_entropy(logits.float(), label, reduction="none")
        if self.rule.box_loss == "giou":
            found = decode_boxes(code.float(), roi[positive], CODE_WEIGHTS)
            offset = 1 - box_giou(found, want[positive])[:, None]
        else:
            wanted = encode_boxes(want[positive], roi[positive], CODE_WEIGHTS)
            offset = F.smooth_l1_loss(code.float(), wanted, reduction="none", beta=0.5)

        def roi_owners() -> Tensor:  # (number of RoIs, 1)
            return torch.cat(owners_in_batch(owners, targets))[:, None]

        terms = {
            "roi_class": LossTerm(entropy.sum() / num, logits, roi_owners, entropy[:, None]),
            "roi_box": LossTerm(offset.sum() / num, code, lambda: roi_owners()[positive], offset),
        }
        if self.mask is not None:
            terms["roi_mask"] = self._mask_term(pyramid, masks, targets)
        return terms

    def _mask_term(
        self,
        pyramid: Sequence[Tensor],
        samples: Sequence[tuple[Tensor, Tensor]],
        targets: Sequence[Target],
    ) -> LossTerm:
        """samples: for each target, boxes (P, 4) and the piece (P,) that each is to outline."""
        label = torch.cat([target.labels[owner] for (_, owner), target in zip(samples, targets)])
        maps = self._masks(pyramid, [box for box, _ in samples])
        wanted = torch.cat(
            [
                mask_targets(target.masks[owner].float(), box, self.mask_size)
                for (box, owner), target in zip(samples, targets)
            ]
        )

        def owners() -> Tensor:  # like a pixel, a cell is the lesion's where the lesion is
            owner = torch.cat(owners_in_batch([owner for _, owner in samples], targets))
            return torch.where(wanted >= 0.5, owner[:, None, None], BACKGROUND)

        return mask_loss_term(maps, label, wanted, self.mask_loss, owners)

    @torch.no_grad()
    def detect(
        self, pyramid: Sequence[Tensor], proposals: Sequence[Proposals], shape: tuple[int, int]
    ) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Per image: boxes (D, 4), scores (D,), labels (D,), masks (D, m, m), best first.

        A score is the geometric mean of the proposal's objectness and its class probability: both
        stages say how sure they are of a lesion (Zhou et al. 2021, Probabilistic two-stage
        detection); it ranks, and is no probability. The masks fill the boxes grown by
        `mask_margin_px`.
        """
        counts = [len(found.boxes) for found in proposals]
        logits, codes = self._classify(pyramid, [found.boxes for found in proposals])
        probabilities = logits.float().softmax(dim=1)[:, 1:]
        codes = codes.float().view(-1, self.num_classes, 4)
        found = []
        for probability, code, (proposal, objectness) in zip(
            probabilities.split(counts), codes.split(counts), proposals
        ):
            joint = (objectness[:, None] * probability).sqrt()
            row, column = (joint >= self.rule.score_floor).nonzero(as_tuple=True)
            scores = joint[row, column]
            boxes = clip_boxes(decode_boxes(code[row, column], proposal[row], CODE_WEIGHTS), shape)
            kept = nms(boxes, scores, self.rule.nms_iou, groups=column)[: self.rule.num_detections]
            found.append((boxes[kept], scores[kept], column[kept] + 1))
        masks = self._drawn(pyramid, [boxes for boxes, _, _ in found], [row[2] for row in found])
        return [(*detection, mask) for detection, mask in zip(found, masks)]

    def _drawn(
        self, pyramid: Sequence[Tensor], boxes: Sequence[Tensor], labels: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """The masks (D, m, m) of each image's detections."""
        if self.mask is None:
            ellipse = ellipse_mask(ELLIPSE_CELLS).to(pyramid[0].device)
            return [ellipse.expand(len(one), -1, -1) for one in boxes]
        maps = self._masks(pyramid, [pad_boxes(one, MASK_MARGIN_PX) for one in boxes])
        masks = mask_probability(maps, torch.cat(list(labels)), self.mask_loss)
        return masks.split([len(one) for one in boxes])

    def _classify(self, pyramid: Sequence[Tensor], rois: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        seen = [pad_boxes(boxes, self.rule.context_px) for boxes in rois]
        pooled = self._pool(pyramid, seen, self.box_bins)
        hidden = self.box(pooled)
        return self.classify(hidden), self.refine(hidden)

    def _masks(self, pyramid: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        assert self.mask is not None
        return self.mask(self._pool(pyramid, boxes, self.mask_bins))

    def _pool(self, pyramid: Sequence[Tensor], boxes: Sequence[Tensor], bins: int) -> Tensor:
        """Each RoI reads the finest level on which it is at most `max_cells` cells wide."""
        rois = torch.cat(list(boxes))
        extent = (rois[:, 2:] - rois[:, :2]).amax(dim=1).clamp(min=1e-3)
        level = torch.log2(extent / (self.rule.max_cells * self.strides[0])).ceil().long()
        level = level.clamp(0, len(pyramid) - 1)
        return ROI_OPS[self.roi_op](pyramid, boxes, level, bins, [1 / s for s in self.strides])


def _mask_head(channels: int, width: int, num_convs: int, maps: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(num_convs):
        inputs = channels if i == 0 else width
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
    inputs = width if num_convs else channels
    return nn.Sequential(
        *layers,
        nn.ConvTranspose2d(inputs, width, 2, stride=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, maps, 1),
    )
