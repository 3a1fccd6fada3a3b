"""The whole detector: slab in, lesions with boxes, scores and masks out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from lesionseg.models.blocks import padded
from lesionseg.models.interface import Detections, LossTerm, Network
from lesionseg.models.losses import cross_entropy_term, soft_dice_loss
from lesionseg.models.mask_rcnn.backbone import DenseHead, PyramidBackbone
from lesionseg.models.mask_rcnn.roi_heads import RoIHeads
from lesionseg.models.mask_rcnn.rpn import ProposalNetwork
from lesionseg.models.targets import Target
from lesionseg.ops.boxes import pad_boxes


class OnTheWay(NamedTuple):
    """Of one image, boxes (N, 4) xyxy in pixels of each stage.

    anchors: where it looks. proposals: what the first stage keeps. scored: what the second gives a
    score that counts. kept: those of them that no better one covers. detections: the same with
    their masks, in boxes that hold these.
    """

    anchors: Tensor
    proposals: Tensor
    scored: Tensor
    kept: Tensor
    detections: Detections


class MaskRCNN(Network):
    """2.5D Mask R-CNN (He et al. 2017) sized for lesions of 2 to 10 pixels.

    Composed of its parts: the backbone makes a pyramid, the rpn proposes boxes on it, the RoI heads
    classify, refine and outline them; without a mask head it is Faster R-CNN. dense: an auxiliary
    head that gives each pixel a class while training, its loss times `dense_weight`; None leaves
    it out.
    """

    detects = True

    def __init__(
        self,
        backbone: PyramidBackbone,
        rpn: ProposalNetwork,
        roi_heads: RoIHeads,
        dense: DenseHead | None = None,
        *,
        dense_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.backbone, self.rpn, self.roi_heads = backbone, rpn, roi_heads
        self.dense, self.dense_weight = dense, dense_weight

    def loss_terms(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, LossTerm]:
        """The terms of both stages and of the dense head. generator: draws the RoI samples."""
        shape = (images.shape[2], images.shape[3])
        pyramid = self.backbone(padded(images, self.backbone.strides[-1]))
        logits, codes_at, anchors = self.rpn(pyramid)
        num = self.rpn.rule.num_train_candidates
        found = self.rpn.proposals(logits, codes_at, anchors, shape, num_candidates=num)
        terms = self.rpn.loss_terms(logits, codes_at, anchors, targets)
        proposals = [one.boxes for one in found]
        terms |= self.roi_heads.loss_terms(pyramid, proposals, targets, generator)
        if self.dense is not None:
            terms["dense"] = self._dense_term(pyramid[0], targets)
        return terms

    def _dense_term(self, finest: Tensor, targets: Sequence[Target]) -> LossTerm:
        """Auxiliary pixel loss on the finest level (Jaeger et al. 2018, Retina U-Net)."""
        assert self.dense is not None
        semantic, classes = torch.stack([t.semantic for t in targets]), self.dense.classes

        def term(logits: Tensor) -> LossTerm:
            entropy = cross_entropy_term(logits, semantic, classes)
            value = self.dense_weight * (entropy.value + soft_dice_loss(logits, semantic, classes))
            return LossTerm(value, logits, None, entropy.kind, term)

        return term(self.dense(finest, (semantic.shape[1], semantic.shape[2])).float())

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Detections]:
        """Detections of each image, best first; masks fill the boxes."""
        return [one.detections for one in self.on_the_way(images)]

    @torch.no_grad()
    def on_the_way(self, images: Tensor) -> list[OnTheWay]:
        """What each stage makes of each image."""
        shape = (images.shape[2], images.shape[3])
        pyramid = self.backbone(padded(images, self.backbone.strides[-1]))
        logits, codes_at, anchors = self.rpn(pyramid)
        num = self.rpn.rule.num_candidates
        proposals = self.rpn.proposals(
            logits,
            codes_at,
            anchors,
            shape,
            num_candidates=num,
            least=self.roi_heads.least_objectness,
        )
        scored = self.roi_heads.scored(pyramid, proposals, shape)
        margin = self.roi_heads.mask_margin_px
        return [
            OnTheWay(
                anchors.boxes,
                proposed.boxes,
                above.boxes,
                found.boxes,
                dataclasses.replace(found, boxes=pad_boxes(found.boxes, margin)),
            )
            for proposed, above, found in zip(
                proposals, scored, self.roi_heads.detect(pyramid, scored)
            )
        ]
