"""A U-Net and a Mask R-CNN that were trained apart, as one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from torch import Generator, Tensor, nn

from lesionseg.models.interface import LossTerm, Network
from lesionseg.models.targets import Target


class Fusion(Network):
    """The members' answers are joined in 3D, see `inference.fused_maps`; it has no loss of its own.

    outline_mm, outline_threshold: as in the settings.
    """

    detects = True

    def __init__(
        self, unet: Network, maskrcnn: Network, *, outline_mm: float, outline_threshold: float
    ) -> None:
        super().__init__()
        self.members = nn.ModuleDict({"unet": unet, "maskrcnn": maskrcnn})
        self.outline_mm, self.outline_threshold = outline_mm, outline_threshold

    def loss_terms(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, LossTerm]:
        """Raises TypeError: its members are trained, each by its own."""
        self._refuse()

    def predict(self, images: Tensor) -> NoReturn:
        """Raises TypeError: what it answers is joined over the slices of a scan."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise TypeError("a fusion answers for whole scans, by its members")
