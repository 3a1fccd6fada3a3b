"""What the values of a dataset's masks mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MaskLabels:
    """What mask values mean: `known` may occur (0 always may), `lesions` of them are lesions.

    known: None where any value may occur. instances: any value but 0 is the id of one lesion
    instead. ignored: values of voxels that nobody annotated; they are none of the known ones, so
    that a mask that holds one is refused and not taken for background.
    """

    known: frozenset[int] | None
    lesions: frozenset[int]
    instances: bool = False
    ignored: frozenset[int] = frozenset()
