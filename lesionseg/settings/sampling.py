"""Which slabs a network is trained on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesionseg.settings.record import OneOf, Positive, Record, Share, Whole

BALANCES = ("classes", "classes_and_sizes", "cases")


class SamplingRule(Record):
    """The stream of training slabs, the same for every model of a comparison."""

    size: Annotated[Whole, Field(ge=32)] | None = Field(
        default=None,
        description="Side of the square training window, pixels; null: as plan.yaml says.",
    )
    batch_size: Positive = Field(default=16, description="Slabs a training step.")
    lesion_fraction: Share = Field(
        default=0.67,
        description="Share of the slabs that hold a lesion, picked by `balance`; the others are "
        "picked evenly over cases, slices and places.",
    )
    balance: Annotated[str, OneOf(BALANCES)] = Field(
        default="classes",
        description="How those lesions are picked: evenly over the lesion classes, then over the "
        "cases that have any, then over the lesions of the case (classes); the same, the classes "
        "divided by the size buckets (classes_and_sizes); or over cases and lesions alone (cases).",
    )
