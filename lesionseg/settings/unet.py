"""The U-Net baseline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from lesionseg.settings.record import Depth, OneOf, Record, Width

PIXEL_LOSSES = (
    "cross_entropy",
    "weighted_cross_entropy",
    "focal",
    "dice_cross_entropy",
    "focal_tversky",
    "blob",
    "component_dice",
    "catmil",
)
SCORES = ("peak", "mean", "mass")
SCORE_WORDS = (
    "How sure it is of a lesion: its most probable voxel (peak), the mean of its voxels (mean), or "
    "their sum (mass), by which large lesions come first."
)
LOSS_WORDS = (
    "Every pixel alike (cross_entropy), lesion pixels ten times (weighted_cross_entropy), those "
    "that are wrong more (focal); with the soft Dice of the batch's lesion pixels added "
    "(dice_cross_entropy); the Tversky index alone (focal_tversky); or with Dice and terms in "
    "which each lesion weighs alike added (blob, component_dice, catmil)."
)


class UNetSettings(Record):
    """MONAI's residual U-Net on the same slabs."""

    channels: tuple[Width, ...] = Field(
        default=(16, 32, 64, 96),
        min_length=2,
        max_length=10,
        examples=[(16, 32, 64, 96)],
        description="Channels of each level, finest first; each level halves the resolution.",
    )
    residual_units: Depth = Field(
        default=2, description="Convolutions a level, with a residual around."
    )
    norm: Annotated[str, Strict()] = Field(
        default="batch", description="Normalisation, as MONAI names it."
    )
    loss: Annotated[str, OneOf(PIXEL_LOSSES)] = Field(
        default="cross_entropy", description=LOSS_WORDS
    )
    scored_by: Annotated[str, OneOf(SCORES)] = Field(default="peak", description=SCORE_WORDS)
