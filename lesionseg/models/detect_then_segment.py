"""Detect, then segment each crop of the image with a network of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from lesionseg.models.blocks import normalisation
from lesionseg.models.losses import LossTerm, term_values
from lesionseg.models.mask_rcnn.mask_losses import mask_loss_term, mask_probability
from lesionseg.models.mask_rcnn.model import MaskRCNN
from lesionseg.models.targets import BACKGROUND, Target, owners_in_batch
from lesionseg.ops.boxes import pad_boxes
from lesionseg.ops.masks import mask_targets
from lesionseg.ops.roi_align import roi_align
from lesionseg.structures import Detections


class DetectThenSegment(nn.Module):
    """A Faster R-CNN proposes; a small FCN segments the resampled crop around each of its boxes.

    The two share no weight: the second never sees the first's features, only the image, so that
    each is trained apart, on the same slabs. detector: settings of MaskRCNN, without mask head.
    crop_cells: side of the resampled crop and of its mask. crop_margin_px: image around a box that
    the crop shows. crop_width, crop_convs: of the FCN. jitter_px: how far the sides of the training
    crops stray from the lesions' boxes, as those of a detector do. generator: draws the strays.
    """

    detects = True

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        num_slices: int,
        crop_cells: int,
        crop_margin_px: float,
        crop_width: int,
        crop_convs: int,
        jitter_px: float,
        **detector: Any,
    ) -> None:
        super().__init__()
        self.detector = MaskRCNN(in_channels, num_classes, num_slices=num_slices, **detector)
        self.cells, self.margin_px, self.jitter_px = crop_cells, crop_margin_px, jitter_px
        layers: list[nn.Module] = []
        for index in range(crop_convs):
            inputs = crop_width if index else in_channels
            layers += [
                nn.Conv2d(inputs, crop_width, 3, padding=1, bias=False),
                normalisation("group", crop_width),  # crops are few: no batch statistics
                nn.ReLU(inplace=True),
            ]
        self.segmenter = nn.Sequential(*layers, nn.Conv2d(crop_width, num_classes, 1))
        self.generator: Generator | None = None

    def losses(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The detector's terms and `crop_mask`, to be summed."""
        return term_values(self._loss_terms(images, targets))

    def _loss_terms(self, images: Tensor, targets: Sequence[Target]) -> dict[str, LossTerm]:
        self.detector.generator = self.generator
        terms = self.detector._loss_terms(images, targets)
        boxes = [pad_boxes(self._strayed(target.boxes), self.margin_px) for target in targets]
        maps = self.segmenter(roi_align(images, boxes, self.cells, 1.0))
        wanted = torch.cat(
            [
                mask_targets(target.masks.float(), box, self.cells)
                for target, box in zip(targets, boxes)
            ]
        )
        labels = torch.cat([target.labels for target in targets])

        def owners() -> Tensor:
            pieces = [torch.arange(len(box), device=box.device) for box in boxes]
            owner = torch.cat(owners_in_batch(pieces, targets))
            return torch.where(wanted >= 0.5, owner[:, None, None], BACKGROUND)

        return terms | {"crop_mask": mask_loss_term(maps, labels, wanted, "sigmoid", owners)}

    def _strayed(self, boxes: Tensor) -> Tensor:
        stray = torch.rand(boxes.shape, generator=self.generator).to(boxes) * 2 - 1
        return boxes + self.jitter_px * stray

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Detections]:
        """Detections of each image, best first; masks fill the boxes."""
        found = self.detector.predict(images)
        boxes = [
            pad_boxes(torch.from_numpy(one.boxes).to(images.device), self.margin_px)
            for one in found
        ]
        labels = torch.cat([torch.from_numpy(one.labels) for one in found]).to(images.device)
        maps = self.segmenter(roi_align(images, boxes, self.cells, 1.0))
        masks = mask_probability(maps, labels, "sigmoid").split([len(box) for box in boxes])
        return [
            Detections(box.cpu().numpy(), one.scores, one.labels, mask.cpu().numpy())
            for one, box, mask in zip(found, boxes, masks)
        ]
