"""A plan as it stands in plan.yaml and in a model's folder, which anybody may have written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lesionseg.settings.mask_rcnn import AnchorLevel
from lesionseg.settings.plan import ContextDistance, ContextSlices, InPlaneSpacing
from lesionseg.settings.record import (
    AboveZero,
    Bins,
    Count,
    MaskValues,
    NotNegative,
    NoTruth,
    Number,
    Positive,
    Record,
    Text,
    Truth,
)


class StoredChannel(Record):
    """How a channel is normalised."""

    name: Text = Field(description="Name.")
    modality: Text = Field(description="Modality, as data cards name it.")
    normalisation: Text = Field(description="zscore or cohort.")
    low: Number = Field(description="Value at which it is cut below.")
    high: Number = Field(description="Value at which it is cut above.")
    mean: Number | None = Field(default=None, description="Mean of the cohort.")
    std: AboveZero | None = Field(default=None, description="Standard deviation of the cohort.")


class StoredLesions(Record):
    """Sizes of the training lesions."""

    num_lesions: Count = Field(description="How many.")
    num_small: Count = Field(description="How many small ones.")
    volume_mm3_percentiles: tuple[NotNegative, ...] = Field(description="Volumes, mm3.")
    small_width_mm_median: NotNegative | None = Field(description="Width of the small ones, mm.")


class StoredDetector(Record):
    """What is fitted for detectors."""

    finest_stride: Annotated[Literal[1, 2], NoTruth] = Field(description="Finest stride, pixels.")
    anchors: dict[str, tuple[AnchorLevel, ...]] = Field(description="Anchors by finest stride.")
    mask_bins: Bins = Field(description="Half the side of a mask.")
    mean_box_px: AboveZero = Field(description="Mean side of the boxes, pixels.")
    window_px: Annotated[Positive, Field(le=4096)] = Field(description="Training window, pixels.")
    coverage: tuple[str, ...] = Field(description="Coverage of the anchors, for people.")


class StoredClass(Record):
    """A lesion class."""

    name: Text = Field(description="Name.")
    values: MaskValues = Field(description="Mask values that mark it.")
    written: Positive = Field(description="The value that marks it in masks that are written.")


class StoredClasses(Record):
    """What networks tell apart."""

    regions: Truth = Field(description="Whether the classes contain one another.")
    classes: Annotated[tuple[StoredClass, ...], Field(min_length=1, max_length=255)] = Field(
        description="Classes, in order."
    )


Range = tuple[Number, Number]


class StoredScans(Record):
    """What the training scans had in common."""

    num_scans: Count = Field(description="How many.")
    in_plane_mm: Range = Field(description="Least and largest spacing in a slice.")
    slab_mm: Range = Field(description="Least and largest distance of slices.")
    slab_axes: tuple[Annotated[Count, Field(le=2)], ...] = Field(description="Axes of slices.")
    field_mm: tuple[Range, ...] = Field(description="Field of view along R, A and S.")
    low: tuple[Range, ...] = Field(description="Low percentile of intensities, by channel.")
    high: tuple[Range, ...] = Field(description="High percentile of intensities, by channel.")
    looks: tuple[str, ...] = Field(description="Rough pictures, by channel.")


class StoredPlan(Record):
    """A plan."""

    channels: Annotated[tuple[StoredChannel, ...], Field(min_length=1, max_length=50)] = Field(
        description="Channels, in order."
    )
    in_plane_spacing_mm: InPlaneSpacing = Field(description="Spacing of rows and columns.")
    context_slices: ContextSlices = Field(description="Slices on either side.")
    context_distance_mm: ContextDistance = Field(description="Distance between them.")
    slab_axis: str = Field(description="The rule for the slab axis, for people.")
    margin_mm: NotNegative = Field(description="Margin around the head or body.")
    cuts_air: Truth = Field(description="Whether what lies outside the body is cut off.")
    lesions: StoredLesions = Field(description="Sizes of the training lesions.")
    detector: StoredDetector = Field(description="What is fitted for detectors.")
    reasons: dict[str, str] = Field(description="Why, for people.")
    lesion_classes: StoredClasses = Field(description="What networks tell apart.")
    scans: StoredScans = Field(description="What training scans had in common.")
