"""MRI or CT, where no card says it: by a channel's name, or by a look into one of its images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lesionseg.datasets.cards.fields import Channel, Modality
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.layouts.name_kinds import words_of
from lesionseg.errors import LesionsegError

CT_WORDS = frozenset(("ct", "cta", "ncct", "cect", "cbct"))
NO_CT_WORDS = frozenset(
    (
        *("flair", "t1", "t1w", "t1c", "t1n", "t1gd", "t1ce", "t2", "t2w", "t2f", "pd", "pdw"),
        *("pet", "suv", "spect", "ctp", "cbf", "cbv", "mtt", "tmax", "ttp", "adc", "dwi", "swi"),
        *("mri", "mr", "mprage", "stir", "psir", "tof", "dce"),
    )
)
TRIED = 3  # images of a channel, until one can be read
AIR_HU = -900.0  # at and below which only air lies, in Hounsfield units
AIR_SHARE = 0.01  # of the voxels of CT that show air, at least


def with_modalities(channels: Sequence[Channel], scans: Sequence[ScanFiles]) -> tuple[Channel, ...]:
    """The channels with the modality that their names say; where they say none, one image of each
    is looked at: it is CT where a part of it is as dark as air in HU, else MRI."""
    return tuple(
        channel.model_copy(update={"modality": _modality(channel.name, number, scans)})
        for number, channel in enumerate(channels)
    )


def _modality(name: str, number: int, scans: Sequence[ScanFiles]) -> Modality:
    words = set(words_of(name))
    if words & CT_WORDS:
        return "ct"
    if words & NO_CT_WORDS:
        return "mri"
    for scan in scans[:TRIED]:
        try:
            image = scan.rule_of(number).read(scan.images[number], scan.case).array
        except (LesionsegError, OSError):  # said where the scan is read
            continue
        return "ct" if np.mean(image <= AIR_HU) >= AIR_SHARE else "mri"
    return "mri"
