"""The box head: a class and a finer box for every RoI."""

from __future__ import annotations

from torch import Tensor, nn


class BoxHead(nn.Module):
    """Two linear layers on bins x bins features, then classes and box codes (Girshick 2015).

    channels: of the pyramid. refines: `per_class`, a box for each class, or `agnostic`, one for
    all. context_px: the head reads the box grown by so many pixels a side,
    because a 3 px box alone shows no surroundings.
    """

    def __init__(
        self,
        channels: int,
        *,
        num_classes: int,
        refines: str,
        bins: int,
        width: int,
        context_px: float,
    ) -> None:
        super().__init__()
        self.num_classes, self.bins, self.context_px = num_classes, bins, context_px
        self.num_boxes = num_classes if refines == "per_class" else 1
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * bins * bins, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Linear(width, num_classes + 1)
        self.refine = nn.Linear(width, 4 * self.num_boxes)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.normal_(self.refine.weight, std=0.001)
        nn.init.zeros_(self.classify.bias)
        nn.init.zeros_(self.refine.bias)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """(R, C, bins, bins) -> class logits (R, 1 + K) and box codes (R, K, 4), one a class."""
        hidden = self.layers(pooled)
        codes = self.refine(hidden).view(-1, self.num_boxes, 4)
        return self.classify(hidden), codes.expand(-1, self.num_classes, 4)
