"""What a user may decide instead of the planner."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesionseg.settings.defaults import CONTEXT_SLICES, MARGIN_MM
from lesionseg.settings.record import NotNegative, Number, Record, Truth, Whole

InPlaneSpacing = Annotated[Number, Field(ge=0.01, le=100)]
ContextSlices = Annotated[Whole, Field(ge=0, le=50)]
ContextDistance = Annotated[Number, Field(ge=0.01, le=1000)]


class PlanOverrides(Record):
    """The group `plan`; null leaves a choice to the training scans."""

    in_plane_spacing_mm: InPlaneSpacing | None = Field(
        default=None,
        description="Spacing of rows and columns; null: chosen from the training scans.",
    )
    context_slices: ContextSlices = Field(
        default=CONTEXT_SLICES,
        description="Slices on either side of a slice that are shown with it.",
    )
    context_distance_mm: ContextDistance | None = Field(
        default=None,
        description="Distance between them; null: the through-plane spacing, at least 1 mm.",
    )
    min_width_px: Annotated[Number, Field(ge=0.1, le=100)] = Field(
        default=3.0, description="Median width in-plane that small lesions should have."
    )
    margin_mm: NotNegative = Field(
        default=MARGIN_MM, description="Margin kept around the head or body."
    )
    allow_lost_lesions: Truth = Field(
        default=False,
        description="Accept a plan under which a lesion vanishes; lesion_audit.csv names them.",
    )
