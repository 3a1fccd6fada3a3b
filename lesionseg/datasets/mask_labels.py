"""What the values of a dataset's masks mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MaskLabels:
    """What mask values mean: `known` may occur (0 always may), `lesions` of them are lesions.

    known: None where any value may occur. instances: any value but 0 is the id of one lesion
    instead.
    """

    known: frozenset[int] | None
    lesions: frozenset[int]
    instances: bool = False
