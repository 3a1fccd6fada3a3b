"""The whole detector: slab in, lesions with boxes, scores and masks out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from lesionseg.models.losses import LossTerm, cross_entropy_term, soft_dice_loss, term_values
from lesionseg.models.mask_rcnn.anchors import AnchorSizes
from lesionseg.models.mask_rcnn.backbone import PyramidBackbone
from lesionseg.models.mask_rcnn.roi_heads import MASK_MARGIN_PX, RoIHeads, RoIRule
from lesionseg.models.mask_rcnn.rpn import ProposalNetwork, ProposalRule
from lesionseg.models.targets import Target, pixel_owners
from lesionseg.ops.boxes import pad_boxes
from lesionseg.structures import Detections


class MaskRCNN(nn.Module):
    """2.5D Mask R-CNN (He et al. 2017) sized for lesions of 2 to 10 pixels.

    images: (N, in_channels, H, W) float; any H and W, padded here to the coarsest stride.
    generator: draws the RoI samples; seeded by the caller.
    """

    detects = True

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        widths: Sequence[int],
        blocks: Sequence[int],
        pyramid_channels: int,
        norm: str,
        anchor_sizes: AnchorSizes,
        anchor_ratios: Sequence[float],
        proposal_rule: ProposalRule,
        roi_rule: RoIRule,
        box_bins: int,
        box_width: int,
        mask_bins: int,
        mask_width: int,
        mask_convs: int,
        dense_weight: float,
    ) -> None:
        super().__init__()
        self.backbone = PyramidBackbone(
            in_channels, widths=widths, blocks=blocks, pyramid_channels=pyramid_channels, norm=norm
        )
        strides = self.backbone.strides
        self.rpn = ProposalNetwork(
            pyramid_channels,
            sizes=anchor_sizes,
            ratios=anchor_ratios,
            strides=strides,
            rule=proposal_rule,
            norm=norm,
        )
        self.roi_heads = RoIHeads(
            pyramid_channels,
            num_classes=num_classes,
            strides=strides,
            rule=roi_rule,
            box_bins=box_bins,
            box_width=box_width,
            mask_bins=mask_bins,
            mask_width=mask_width,
            mask_convs=mask_convs,
        )
        self.dense_weight = dense_weight
        self.dense = nn.Conv2d(pyramid_channels, 4 * (num_classes + 1), 1) if dense_weight else None
        self.generator: Generator | None = None

    def losses(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Every loss term by name, to be summed; finite for images without any lesion."""
        return term_values(self._loss_terms(images, targets))

    def _loss_terms(self, images: Tensor, targets: Sequence[Target]) -> dict[str, LossTerm]:
        shape = (images.shape[2], images.shape[3])
        pyramid = self.backbone(self._padded(images))
        logits, codes, anchors = self.rpn(pyramid)
        proposals = self.rpn.proposals(logits, codes, anchors, shape)
        terms = self.rpn.loss_terms(logits, codes, anchors, targets)
        terms |= self.roi_heads.loss_terms(pyramid, proposals, targets, self.generator)
        if self.dense is not None:
            terms["dense"] = self._dense_term(pyramid[0], targets)
        return terms

    def _dense_term(self, finest: Tensor, targets: Sequence[Target]) -> LossTerm:
        """Auxiliary pixel loss on the finest level (Jaeger et al. 2018, Retina U-Net)."""
        assert self.dense is not None
        semantic = torch.stack([target.semantic for target in targets])
        logits = F.pixel_shuffle(self.dense(finest), 2)[
            ..., : semantic.shape[1], : semantic.shape[2]
        ]
        logits = logits.float()
        owners = partial(pixel_owners, targets)
        entropy = cross_entropy_term(logits, semantic, owners)
        value = self.dense_weight * (entropy.value + soft_dice_loss(logits, semantic))
        return LossTerm(value, logits, owners, None)

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Detections]:
        """Detections of each image, best first; masks fill the box grown by `mask_margin_px`."""
        shape = (images.shape[2], images.shape[3])
        pyramid = self.backbone(self._padded(images))
        logits, codes, anchors = self.rpn(pyramid)
        proposals = self.rpn.proposals(logits, codes, anchors, shape)
        found = self.roi_heads.detect(pyramid, proposals, shape)
        return [
            Detections(
                boxes=pad_boxes(boxes, MASK_MARGIN_PX).cpu().numpy(),
                scores=scores.cpu().numpy(),
                labels=labels.cpu().numpy(),
                masks=masks.cpu().numpy(),
            )
            for boxes, scores, labels, masks in found
        ]

    def _padded(self, images: Tensor) -> Tensor:
        stride = self.backbone.strides[-1]
        bottom, right = -images.shape[2] % stride, -images.shape[3] % stride
        return F.pad(images, (0, right, 0, bottom), mode="replicate") if bottom or right else images
