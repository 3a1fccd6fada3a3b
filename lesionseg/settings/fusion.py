"""A detector and a U-Net of one run, joined."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesionseg.settings.mask_rcnn import MaskRCNNSettings
from lesionseg.settings.record import NotNegative, Number, Record
from lesionseg.settings.unet import UNetSettings

MEMBERS = ("unet", "maskrcnn")  # in the order in which they stand in a fusion


class FusionSettings(Record):
    """The Mask R-CNN finds, both score, the U-Net draws what is large."""

    outline_mm: NotNegative = Field(
        default=5.0,
        description="A part of the U-Net's mask of at least this diameter (of a ball of its "
        "volume) is the outline of the lesion that the detector finds on it.",
    )
    outline_threshold: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.3, description="Probability from which on a voxel is in the U-Net's mask."
    )


class JoinedSettings(FusionSettings):
    """The same with those of its members, as a model folder keeps them."""

    unet: UNetSettings = Field(description="The U-Net.")
    maskrcnn: MaskRCNNSettings = Field(description="The Mask R-CNN.")
