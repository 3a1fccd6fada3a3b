"""A detector, and a small network of its own that segments the crop around each box."""

from __future__ import annotations

from pydantic import Field

from lesionseg.settings.mask_rcnn import MaskRCNNSettings
from lesionseg.settings.record import Bins, Depth, NotNegative, Width


class DetectThenSegmentSettings(MaskRCNNSettings):
    """The detector's settings and those of the crops."""

    crop_cells: Bins = Field(
        default=28, description="Cells a side of the resampled crop and its mask."
    )
    crop_margin_px: NotNegative = Field(
        default=3.0, description="Pixels of the image around a box that the crop shows."
    )
    crop_width: Width = Field(
        default=32, description="Channels of the network that segments crops."
    )
    crop_convs: Depth = Field(default=4, description="Its convolutions.")
    jitter_px: NotNegative = Field(
        default=0.75,
        description="Pixels by which the sides of the training crops are moved, at most.",
    )
