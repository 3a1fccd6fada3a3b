"""Keys that several stages have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lesionseg.settings.defaults import EDGES_MM
from lesionseg.settings.network import NETWORKS
from lesionseg.settings.record import (
    Count,
    DeviceName,
    Edges,
    Positive,
    Record,
    SomeOf,
)

EXTRAS = ("candidates", "probability")  # what prediction can save beside masks
FORMATS = (
    "seg_nrrd",
    "itk_snap",
    "dicom_seg",
    "bids",
    "overview",
)  # in which prediction can write lesions too
Models = SomeOf(NETWORKS, least=1)
Extras = SomeOf(EXTRAS)
Formats = SomeOf(FORMATS)


def _of_64_bits(seed: int) -> int:
    if seed >= 2**63:
        raise ValueError("want a whole number of at least 0 and below 2^63")
    return seed


class SizeEdges(Record):
    """The edges between the size buckets."""

    edges_mm: Edges = Field(
        default=EDGES_MM,
        examples=[(3, 5, 10)],
        description="Ascending diameters between the size buckets.",
    )


class Device(Record):
    """What computes."""

    device: DeviceName = Field(
        default="auto",
        description="Where networks compute: auto, cpu, cuda, cuda:0 or mps; auto takes CUDA, "
        "then MPS, then the CPU.",
    )
    threads: Literal["auto"] | Annotated[Positive, Field(le=1024)] = Field(
        default="auto",
        description="Threads that compute on the CPU; auto: timed with all and with fewer, again "
        "every few hundred steps. With another number the last digits of results differ.",
    )


class Seed(Record):
    """Where randomness starts."""

    seed: Annotated[Count, AfterValidator(_of_64_bits)] = Field(
        default=0,
        description="Seed of every random draw: same seed, same machine, same numbers; to the last "
        "digit only where `threads` is a number.",
    )


class Workers(Record):
    """How many processes share the work."""

    workers: Count | None = Field(
        default=None,
        description="Processes; null: one for each core; 0: all work is done in this one.",
    )


class LossSlabs(Record):
    """How much the losses of trained models are measured on."""

    loss_slabs: Count = Field(
        default=240,
        description="Validation slabs on which the shares of the training loss by lesion size are "
        "measured; 0: not measured.",
    )
    price_lesions: Count = Field(
        default=120,
        description="Validation lesions, at most, for which it is measured what each loss term "
        "charges when one is missed; 0: not measured.",
    )
