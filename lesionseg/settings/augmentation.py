"""How training slabs are varied."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from lesionseg.settings.record import NotNegative, Number, Record, Share


class AugmentationRule(Record):
    """Probabilities and ranges; every number is drawn again for each slab."""

    flip: Share = Field(
        default=0.5, description="Probability of a mirror image, for each in-plane axis."
    )
    spatial: Share = Field(default=0.5, description="Probability of rotating and scaling in-plane.")
    rotation_degrees: Annotated[Number, Field(ge=0, le=180)] = Field(
        default=20.0, description="Rotations are uniform between minus and plus this."
    )
    scale: Annotated[Number, Field(ge=1, le=4)] = Field(
        default=1.2, description="Scales lie between 1/scale and scale."
    )
    intensity: Share = Field(
        default=0.7,
        description="Probability of shift, gain, gamma and noise, a draw for each image.",
    )
    shift: NotNegative = Field(
        default=0.2, description="Largest number added to the z-scored intensities, up or down."
    )
    gain: Share = Field(default=0.2, description="Largest share by which intensities are scaled.")
    gamma: NotNegative = Field(
        default=0.25, description="Largest logarithm of the exponent of the intensities."
    )
    noise: NotNegative = Field(
        default=0.1,
        description="Largest standard deviation of the noise added to z-scored intensities.",
    )

    @property
    def reach(self) -> float:
        """How much larger a window must be read so that rotation and scale never look outside."""
        angle = math.radians(min(self.rotation_degrees, 45.0))
        return (math.cos(angle) + math.sin(angle)) * self.scale if self.spatial > 0 else 1.0
