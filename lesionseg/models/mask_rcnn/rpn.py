"""The region proposal network: an objectness and a box for every anchor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lesionseg.models.blocks import conv_block
from lesionseg.models.losses import LossTerm, term_values
from lesionseg.models.mask_rcnn.anchors import AnchorSizes, pyramid_anchors
from lesionseg.models.targets import Target, owners_in_batch
from lesionseg.ops.assignment import NEGATIVE, assign_by_iou
from lesionseg.ops.boxes import clip_boxes, decode_boxes, encode_boxes
from lesionseg.ops.nms import nms

CODE_WEIGHTS = (1.0, 1.0)


@dataclass(frozen=True)
class ProposalRule:
    """How anchors meet lesions and how many proposals go on.

    positive_iou, negative_iou: assignment thresholds; low, since a 1 px shift of a 4 px box leaves
    IoU .39. num_candidates: best anchors of a slice that enter NMS at nms_iou; num_proposals: of
    the survivors go on.
    """

    positive_iou: float = 0.4
    negative_iou: float = 0.2
    focal_gamma: float = 2.0
    focal_alpha: float = 0.5
    num_candidates: int = 1000
    num_proposals: int = 512
    nms_iou: float = 0.6


class ProposalNetwork(nn.Module):
    """One 3x3 convolution over every pyramid level, then 1x1 objectness and box codes.

    Ren et al. 2015; the objectness is trained on all anchors with the focal loss of Lin et al.
    2017, because a slice holds about 10,000 anchors and a handful of lesions.
    """

    def __init__(
        self,
        channels: int,
        *,
        sizes: AnchorSizes,
        ratios: Sequence[float],
        strides: Sequence[int],
        rule: ProposalRule,
        norm: str,
    ) -> None:
        super().__init__()
        if len(sizes) != len(strides):
            raise ValueError(
                f"anchor sizes for {len(sizes)} levels, the pyramid has {len(strides)}"
            )
        self.sizes = [list(level) for level in sizes]
        self.ratios, self.strides, self.rule = list(ratios), list(strides), rule
        self.shared = conv_block(channels, channels, norm=norm)
        self.objectness = nn.ModuleList(
            nn.Conv2d(channels, len(level) * len(ratios), 1) for level in sizes
        )
        self.codes = nn.ModuleList(
            nn.Conv2d(channels, 4 * len(level) * len(ratios), 1) for level in sizes
        )
        for head in (*self.objectness, *self.codes):
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            nn.init.normal_(head.weight, std=0.01)
            # objectness starts as if 1 % of the anchors were lesions
            nn.init.constant_(head.bias, -math.log(99.0) if head in self.objectness else 0.0)

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Pyramid -> logits (N, A), codes (N, A, 4), anchors (A, 4), all levels in a row."""
        logits, codes = [], []
        for level, objectness, code in zip(pyramid, self.objectness, self.codes):
            hidden = self.shared(level)
            logits.append(objectness(hidden).permute(0, 2, 3, 1).flatten(1))
            codes.append(code(hidden).permute(0, 2, 3, 1).reshape(len(level), -1, 4))
        shapes = [(level.shape[2], level.shape[3]) for level in pyramid]
        anchors = pyramid_anchors(self.sizes, self.ratios, self.strides, shapes)
        return torch.cat(logits, 1), torch.cat(codes, 1), anchors.to(pyramid[0].device)

    def losses(
        self, logits: Tensor, codes: Tensor, anchors: Tensor, targets: Sequence[Target]
    ) -> dict[str, Tensor]:
        """Focal loss over all anchors that are not ignored, and L1 on the positives' codes."""
        return term_values(self.loss_terms(logits, codes, anchors, targets))

    def loss_terms(
        self, logits: Tensor, codes: Tensor, anchors: Tensor, targets: Sequence[Target]
    ) -> dict[str, LossTerm]:
        """The losses with what they are made of, anchor by anchor."""
        rule = self.rule
        matches = torch.stack(
            [
                assign_by_iou(
                    anchors,
                    target.boxes,
                    positive=rule.positive_iou,
                    negative=rule.negative_iou,
                    force_best=True,
                )
                for target in targets
            ]
        )
        positive = matches >= 0
        used = positive | (matches == NEGATIVE)
        num_positive = positive.sum().clamp(min=1)
        focal = _focal_loss(logits.float(), positive, rule.focal_alpha, rule.focal_gamma) * used
        wanted = [
            encode_boxes(target.boxes[match[match >= 0]], anchors[match >= 0], CODE_WEIGHTS)
            for target, match in zip(targets, matches)
        ]
        chosen = codes[positive]
        box = F.smooth_l1_loss(chosen.float(), torch.cat(wanted), reduction="none", beta=0.1)

        def owners() -> Tensor:  # (N, A): background and ignored anchors alike
            return torch.stack(owners_in_batch(list(matches), targets))

        return {
            "rpn_objectness": LossTerm(focal.sum() / num_positive, logits, owners, focal),
            "rpn_box": LossTerm(
                box.sum() / num_positive, chosen, lambda: owners()[positive][:, None], box
            ),
        }

    @torch.no_grad()
    def proposals(
        self, logits: Tensor, codes: Tensor, anchors: Tensor, shape: tuple[int, int]
    ) -> list[Tensor]:
        """Best proposals of each image, best first: (P_i, 4) clipped to `shape`."""
        rule = self.rule
        num_images, num_anchors = logits.shape
        num = min(rule.num_candidates, num_anchors)
        scores, index = logits.float().topk(num, dim=1)
        chosen = codes.gather(1, index[..., None].expand(-1, -1, 4)).float()
        boxes = clip_boxes(
            decode_boxes(chosen.flatten(0, 1), anchors[index].flatten(0, 1), CODE_WEIGHTS), shape
        )
        return [
            image_boxes[nms(image_boxes, image_scores, rule.nms_iou)[: rule.num_proposals]]
            for image_boxes, image_scores in zip(boxes.view(num_images, num, 4), scores)
        ]


def _focal_loss(logits: Tensor, positive: Tensor, alpha: float, gamma: float) -> Tensor:
    """Per-element focal loss (Lin et al. 2017, eq. 5)."""
    target = positive.to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p = logits.sigmoid()
    miss = torch.where(positive, 1 - p, p)
    return torch.where(positive, alpha, 1 - alpha) * miss**gamma * entropy
