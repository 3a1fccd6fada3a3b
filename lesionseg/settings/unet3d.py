"""The 3D U-Net."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lesionseg.settings.record import OneOf, Positive, Record, Width
from lesionseg.settings.unet import SCORE_WORDS, SCORES

BLOCK_LOSSES = ("dice_cross_entropy", "cross_entropy", "weighted_cross_entropy", "focal")
Steps = tuple[Positive, Positive, Positive]


class UNet3DSettings(Record):
    """A 3D U-Net on blocks of slices, planned as nnU-Net plans its own."""

    block_slices: Positive | Literal["planned"] = Field(
        default="planned",
        description="Slices of a block; planned: as thick as the training window is wide, within a "
        "bound on its voxels.",
    )
    window_px: Positive | Literal["planned"] = Field(
        default="planned",
        description="Side of a block in its slices, pixels; planned: as the training window is.",
    )
    channels: tuple[Width, ...] = Field(
        default=(16, 32, 64, 96, 128),
        min_length=3,
        max_length=8,
        description="Channels of each level, finest first.",
    )
    strides: tuple[Steps, ...] | Literal["planned"] = Field(
        default="planned",
        description="Strides of each level along slices, rows and columns; planned: an axis is "
        "halved while its voxels are less than twice as long as the shortest, and 8 are left.",
    )
    kernels: tuple[Steps, ...] | Literal["planned"] = Field(
        default="planned",
        description="Kernels of each level; planned: 3, and 1 along an axis whose voxels are twice "
        "as long as the shortest.",
    )
    batch_size: Positive = Field(default=2, description="Blocks a training step.")
    loss: Annotated[str, OneOf(BLOCK_LOSSES)] = Field(
        default="dice_cross_entropy",
        description="Every voxel alike (cross_entropy), lesion voxels ten times "
        "(weighted_cross_entropy), those that are wrong more (focal), or with the soft Dice of the "
        "batch's lesion voxels added (dice_cross_entropy).",
    )
    scored_by: Annotated[str, OneOf(SCORES)] = Field(default="mean", description=SCORE_WORDS)
