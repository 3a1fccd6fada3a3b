"""The whole detector: slab in, lesions with boxes, scores and masks out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Generator, Tensor, nn

from lesionseg.models.blocks import padded
from lesionseg.models.losses import LossTerm, cross_entropy_term, soft_dice_loss, term_values
from lesionseg.models.mask_rcnn.anchors import AnchorShapes
from lesionseg.models.mask_rcnn.backbone import DenseHead, PyramidBackbone, backbone_size
from lesionseg.models.mask_rcnn.roi_heads import RoIHeads
from lesionseg.models.mask_rcnn.rpn import ProposalNetwork
from lesionseg.models.targets import Target, pixel_owners
from lesionseg.ops.boxes import pad_boxes
from lesionseg.settings.mask_rcnn import ProposalRule, RoIRule
from lesionseg.structures import Detections


class MaskRCNN(nn.Module):
    """2.5D Mask R-CNN (He et al. 2017) sized for lesions of 2 to 10 pixels.

    images: (N, in_channels, H, W) float; any H and W, padded here to the coarsest stride.
    backbone: `nano`, `small` or `base`. anchors: of each level, rows of width, height and density.
    mask_convs: None for Faster R-CNN, which has no mask head. dense_weight: of the auxiliary pixel
    loss; 0 leaves its head out. generator: draws the RoI samples; seeded by the caller.
    """

    detects = True

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        num_slices: int,
        backbone: str,
        fusion: str,
        norm: str,
        finest_stride: int,
        pyramid_channels: int,
        anchors: Sequence[AnchorShapes],
        proposal_rule: ProposalRule,
        roi_rule: RoIRule,
        roi_op: str,
        box_bins: int,
        box_width: int,
        mask_bins: int,
        mask_width: int,
        mask_convs: int | None,
        mask_loss: str,
        dense_weight: float,
    ) -> None:
        super().__init__()
        self.backbone = PyramidBackbone(
            in_channels,
            size=backbone_size(backbone),
            pyramid_channels=pyramid_channels,
            norm=norm,
            fusion=fusion,
            num_slices=num_slices,
            finest_stride=finest_stride,
        )
        strides = self.backbone.strides
        self.rpn = ProposalNetwork(
            pyramid_channels, anchors=anchors, strides=strides, rule=proposal_rule, norm=norm
        )
        self.roi_heads = RoIHeads(
            pyramid_channels,
            num_classes=num_classes,
            strides=strides,
            rule=roi_rule,
            roi_op=roi_op,
            box_bins=box_bins,
            box_width=box_width,
            mask_bins=mask_bins,
            mask_width=mask_width,
            mask_convs=mask_convs,
            mask_loss=mask_loss,
        )
        self.dense_weight = dense_weight
        self.dense = DenseHead(pyramid_channels, num_classes, strides[0]) if dense_weight else None
        self.generator: Generator | None = None

    def losses(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Every loss term by name, to be summed; finite for images without any lesion."""
        return term_values(self._loss_terms(images, targets))

    def _loss_terms(self, images: Tensor, targets: Sequence[Target]) -> dict[str, LossTerm]:
        shape = (images.shape[2], images.shape[3])
        pyramid = self.backbone(padded(images, self.backbone.strides[-1]))
        logits, codes_at, anchors = self.rpn(pyramid)
        num = self.rpn.rule.num_train_candidates
        found = self.rpn.proposals(logits, codes_at, anchors, shape, num_candidates=num)
        terms = self.rpn.loss_terms(logits, codes_at, anchors, targets)
        proposals = [one.boxes for one in found]
        terms |= self.roi_heads.loss_terms(pyramid, proposals, targets, self.generator)
        if self.dense is not None:
            terms["dense"] = self._dense_term(pyramid[0], targets)
        return terms

    def _dense_term(self, finest: Tensor, targets: Sequence[Target]) -> LossTerm:
        """Auxiliary pixel loss on the finest level (Jaeger et al. 2018, Retina U-Net)."""
        assert self.dense is not None
        semantic = torch.stack([target.semantic for target in targets])
        logits = self.dense(finest, (semantic.shape[1], semantic.shape[2])).float()
        owners = partial(pixel_owners, targets)
        entropy = cross_entropy_term(logits, semantic, owners)
        value = self.dense_weight * (entropy.value + soft_dice_loss(logits, semantic))
        return LossTerm(value, logits, owners, None)

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Detections]:
        """Detections of each image, best first; masks fill the boxes."""
        shape = (images.shape[2], images.shape[3])
        pyramid = self.backbone(padded(images, self.backbone.strides[-1]))
        logits, codes_at, anchors = self.rpn(pyramid)
        num = self.rpn.rule.num_candidates
        proposals = self.rpn.proposals(logits, codes_at, anchors, shape, num_candidates=num)
        found = self.roi_heads.detect(pyramid, proposals, shape)
        return [
            Detections(
                boxes=pad_boxes(boxes, self.roi_heads.mask_margin_px).cpu().numpy(),
                scores=scores.cpu().numpy(),
                labels=labels.cpu().numpy(),
                masks=masks.cpu().numpy(),
            )
            for boxes, scores, labels, masks in found
        ]
