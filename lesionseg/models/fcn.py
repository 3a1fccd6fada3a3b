"""A one-stage network on the detector's own backbone: every pixel a class, no boxes."""

from __future__ import annotations

from torch import Tensor

from lesionseg.models.blocks import padded
from lesionseg.models.mask_rcnn.backbone import DenseHead, PyramidBackbone
from lesionseg.models.semantic import SemanticNetwork


class PyramidFCN(SemanticNetwork):
    """Fully convolutional segmentation (Long et al. 2015) from upsampled pyramid features.

    What the detector would be without its second stage. backbone: of one level. dense: its head.
    """

    def __init__(
        self, backbone: PyramidBackbone, dense: DenseHead, *, loss: str, scored_by: str
    ) -> None:
        super().__init__(loss=loss, classes=dense.classes, scored_by=scored_by)
        self.backbone, self.dense = backbone, dense

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, num_maps, H, W)."""
        pyramid = self.backbone(padded(images, self.backbone.strides[-1]))
        return self.dense(pyramid[0], (images.shape[2], images.shape[3]))
