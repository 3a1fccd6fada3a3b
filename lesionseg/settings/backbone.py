"""The residual backbone and feature pyramid that the detectors and the FCN share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lesionseg.settings.record import NoTruth, OneOf, Record, Width

# a list, so that a size that is added to the backbones can be asked for by name
BACKBONES = ["nano", "small", "base"]
FUSIONS = ("stack", "volume")
NORMS = ("batch", "group")


class BackboneSettings(Record):
    """The backbone and pyramid of a network."""

    backbone: Annotated[str, OneOf(BACKBONES)] = Field(
        default="nano", description="Size: nano for a CPU, small, or base, as large as ResNet-50."
    )
    fusion: Annotated[str, OneOf(FUSIONS)] = Field(
        default="stack",
        description="Slices of a slab as channels of one image (stack), or convolved through "
        "(volume).",
    )
    norm: Annotated[str, OneOf(NORMS)] = Field(default="batch", description="Normalisation.")
    finest_stride: Annotated[Literal[1, 2], NoTruth] | Literal["planned"] = Field(
        default="planned",
        description="Stride of the pyramid's finest level, pixels; planned: 2 for nano and small, "
        "for base as plan.yaml says.",
    )
    pyramid_channels: Width = Field(default=48, description="Channels of every pyramid level.")
