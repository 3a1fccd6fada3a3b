"""The mask head: K maps of m x m for every RoI."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lesionseg.models.mask_rcnn.mask_losses import num_maps

# The mask lives in the box grown by a pixel a side, so that a box half a pixel off still holds all
# of the lesion, and a mask value exists on both sides of the lesion's edge.
MASK_MARGIN_PX = 1.0


class MaskHead(nn.Module):
    """3x3 convolutions on bins x bins features, then twice as many cells (He et al. 2017, fig. 4).

    loss: how the maps are read and trained, see mask_losses. masks: `per_class`, a map for each
    class, or `agnostic`, one for all.
    """

    def __init__(
        self,
        channels: int,
        *,
        num_classes: int,
        masks: str,
        bins: int,
        width: int,
        num_convs: int,
        loss: str,
    ) -> None:
        super().__init__()
        self.bins, self.loss, self.agnostic = bins, loss, masks == "agnostic"
        num_classes = 1 if self.agnostic else num_classes
        layers: list[nn.Module] = []
        for i in range(num_convs):
            inputs = channels if i == 0 else width
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(
            *layers,
            nn.ConvTranspose2d(width if num_convs else channels, width, 2, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, num_maps(loss, num_classes), 1),
        )

    @property
    def size(self) -> int:
        """Cells a side of a mask."""
        return 2 * self.bins

    def drawn_as(self, labels: Tensor) -> Tensor:
        """The class (R,) whose map is a RoI's, by its label (R,) 1..K."""
        return torch.ones_like(labels) if self.agnostic else labels

    def forward(self, pooled: Tensor) -> Tensor:
        """(R, C, bins, bins) -> maps (R, num_maps, m, m), m = 2 bins."""
        return self.layers(pooled)
