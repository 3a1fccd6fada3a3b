"""The one-stage network on the detector's backbone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesionseg.settings.backbone import BackboneSettings
from lesionseg.settings.record import OneOf
from lesionseg.settings.unet import LOSS_WORDS, PIXEL_LOSSES, SCORE_WORDS, SCORES


class FCNSettings(BackboneSettings):
    """Every pixel a class, without boxes."""

    loss: Annotated[str, OneOf(PIXEL_LOSSES)] = Field(
        default="cross_entropy", description=LOSS_WORDS
    )
    scored_by: Annotated[str, OneOf(SCORES)] = Field(default="peak", description=SCORE_WORDS)
