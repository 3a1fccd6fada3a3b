"""Detect, then segment each crop of the image with a network of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from lesionseg.models.blocks import normalisation
from lesionseg.models.interface import Detections, LossTerm, Network
from lesionseg.models.mask_rcnn.mask_losses import (
    judged_cells,
    mask_loss_term,
    mask_probability,
)
from lesionseg.models.mask_rcnn.model import MaskRCNN
from lesionseg.models.targets import Target
from lesionseg.ops.boxes import pad_boxes
from lesionseg.ops.masks import mask_targets
from lesionseg.ops.roi_align import roi_align


class CropSegmenter(nn.Sequential):
    """A small FCN: num_convs 3x3 convolutions of a resampled crop, then one map a class."""

    def __init__(self, in_channels: int, num_classes: int, *, width: int, num_convs: int) -> None:
        layers: list[nn.Module] = []
        for index in range(num_convs):
            inputs = width if index else in_channels
            layers += [
                nn.Conv2d(inputs, width, 3, padding=1, bias=False),
                normalisation("group", width),  # crops are few: no batch statistics
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers, nn.Conv2d(width, num_classes, 1))


class DetectThenSegment(Network):
    """A Faster R-CNN proposes; a small FCN segments the resampled crop around each of its boxes.

    The two share no weight: the second sees the image and not the first's features, so each is
    trained by its own loss, on the same slabs. detector: without mask head. cells: side of the
    resampled crop and of its mask. margin_px: image around a box that the crop shows. jitter_px:
    how far the sides of the training crops are moved off the lesions' boxes, as the boxes of a
    detector are.
    """

    detects = True

    def __init__(
        self,
        detector: MaskRCNN,
        segmenter: CropSegmenter,
        *,
        cells: int,
        margin_px: float,
        jitter_px: float,
    ) -> None:
        super().__init__()
        self.detector, self.segmenter = detector, segmenter
        self.cells, self.margin_px, self.jitter_px = cells, margin_px, jitter_px

    def loss_terms(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, LossTerm]:
        """The detector's terms and `crop_mask`. generator: draws RoI samples and crops."""
        terms = self.detector.loss_terms(images, targets, generator)
        boxes = [
            pad_boxes(self._jittered(target.boxes, generator), self.margin_px) for target in targets
        ]
        maps = self.segmenter(roi_align(images, boxes, self.cells, 1.0))
        wanted = torch.cat(
            [
                mask_targets(target.masks.float(), box, self.cells)
                for target, box in zip(targets, boxes)
            ]
        )
        labels = torch.cat([target.labels for target in targets])
        matches = [torch.arange(len(box), device=box.device) for box in boxes]
        used = judged_cells(targets, boxes, self.cells)
        term = mask_loss_term(maps, labels, wanted, "sigmoid", matches, used)
        return terms | {"crop_mask": term}

    def _jittered(self, boxes: Tensor, generator: Generator | None) -> Tensor:
        offset = torch.rand(boxes.shape, generator=generator).to(boxes) * 2 - 1
        return boxes + self.jitter_px * offset

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Detections]:
        """Detections of each image, best first; masks fill the boxes."""
        found = self.detector.predict(images)
        boxes = [pad_boxes(one.boxes, self.margin_px) for one in found]
        labels = torch.cat([one.labels for one in found])
        maps = self.segmenter(roi_align(images, boxes, self.cells, 1.0))
        masks = mask_probability(maps, labels, "sigmoid").split([len(box) for box in boxes])
        return [
            dataclasses.replace(one, boxes=box, masks=mask)
            for one, box, mask in zip(found, boxes, masks)
        ]
