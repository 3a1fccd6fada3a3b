"""What is doubtful about scans and masks: told before training, and in full by the check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.datasets.dataset import Channel
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.planning.class_doubts import exchanged_classes
from lesionseg.planning.findings import Finding
from lesionseg.planning.likeness import FEW, ROUGH, from_text, unit_rows
from lesionseg.planning.scan_look import WAYS, ChannelLook, ScanLook
from lesionseg.wording import counted

BRIGHT_BORDER = 0.85  # of the way from the body's 1st to its 99th percentile
AIR_PERCENT = 20.0  # of a mask that may lie in air
HU_AIR = -200.0  # the border and the minimum of CT lie below
CT_BORDER = -900.0  # at and below which the border of a scan can only be air in Hounsfield units
SWAP_MARGIN = 0.15  # a channel by which another order fits the cohort better
MAX_CHANNELS = 5  # all orders of so many channels are tried
UNLIKE = 0.3  # correlation with the cohort, at and below which a contrast is another
ALIKE = 0.6  # the same of most scans, without which there is nothing to compare with
CONTRAST = 0.35  # of the mask turned over, from which it is, if it is so many times its own
TIMES = 3.0


def doubts(
    looks: Mapping[str, ScanLook],
    channels: Sequence[Channel],
    classes: LesionClasses = ONE_CLASS,
) -> list[Finding]:
    """All doubts about the scans of a cohort, by case."""
    found: list[Finding] = []
    for case, look in looks.items():
        found += scan_doubts(case, look, channels)
    return [*found, *cohort_doubts(looks, [channel.name for channel in channels], classes)]


def doubt_lines(found: Sequence[Finding], num_scans: int) -> list[str]:
    """One line for each kind of doubt: how many scans, and the first of them; what is doubtful
    about the whole folder by itself."""
    kinds: dict[str, list[Finding]] = defaultdict(list)
    lines = [finding.text for finding in found if not finding.case]
    for finding in found:
        if finding.case:
            kinds[finding.kind].append(finding)
    for kind, same in kinds.items():
        cases = len({finding.case for finding in same})
        lines.append(
            f"{kind} in {cases} of {counted(num_scans, 'scan')}, as in {same[0].case}: "
            f"{same[0].text}; lesionseg check shows all"
        )
    return lines


def scan_doubts(case: str, look: ScanLook, channels: Sequence[Channel]) -> Iterator[Finding]:
    """What one scan shows by itself."""
    for measured, channel in zip(look.channels, channels):
        yield from _intensities(case, measured, channel)
    if look.lesion_air_percent > AIR_PERCENT:
        text = f"{look.lesion_air_percent:.0f} % of the lesion voxels lie where the images show air"
        yield Finding(case, "error", "mask beside the image", text)
    elif look.lesions_in_air:
        text = f"{counted(look.lesions_in_air, 'lesion')} of its mask: no image shows more than air"
        yield Finding(case, "warning", "lesions in the air", text)
    best = int(np.argmax(look.mirrored))
    if look.mirrored[best] >= max(CONTRAST, TIMES * look.contrast):
        text = (
            f"lesions differ from what surrounds them by {look.contrast:.2f} standard deviations, "
            f"with the mask turned {WAYS[best]} by {look.mirrored[best]:.2f}"
        )
        yield Finding(case, "error", "mask turned over", text)


def _intensities(case: str, measured: ChannelLook, channel: Channel) -> Iterator[Finding]:
    name = channel.name
    low, _, high, _ = measured.levels
    if channel.modality == "mri" and max(measured.border, measured.minimum) <= CT_BORDER:
        text = (
            f"{name} is declared MRI and its border lies at {measured.border:g}, as CT's does in "
        )
        yield Finding(case, "error", "CT declared as MRI", f"{text}HU; give it modality ct")
    elif channel.modality == "mri" and measured.border - low > BRIGHT_BORDER * (high - low) > 0:
        text = f"{name}: the border ({measured.border:g}) is as bright as the brightest of the body"
        yield Finding(case, "warning", "inverted contrast", text)
    if channel.modality == "ct" and min(measured.minimum, measured.border) > HU_AIR:
        text = f"{name}: the lowest is {measured.minimum:g}; want Hounsfield units, air at -1000"
        yield Finding(case, "error", "not in Hounsfield units", text)


def cohort_doubts(
    looks: Mapping[str, ScanLook], channels: Sequence[str], classes: LesionClasses = ONE_CLASS
) -> Iterator[Finding]:
    """What shows when scans are compared: channels in another order, a contrast turned over, lesion
    classes exchanged."""
    if len(looks) < FEW:
        return
    roughs = {
        case: np.stack([from_text(channel.rough, ROUGH) for channel in look.channels])
        for case, look in looks.items()
    }
    swapped = list(_swapped_channels(roughs, channels))
    yield from swapped
    moved = {finding.case for finding in swapped}
    yield from exchanged_classes(
        {case: look for case, look in looks.items() if case not in moved}, classes
    )
    for number, name in enumerate(channels):
        agreement = _agreement({case: one[number] for case, one in roughs.items()})
        usual = float(np.median(list(agreement.values()))) if agreement else 0.0
        for case, value in agreement.items():
            if value <= UNLIKE and usual >= ALIKE and case not in moved:
                text = f"{name}: its contrast is unlike that of the other scans (r = {value:.2f}, "
                text += f"theirs {usual:.2f}): inverted, or another kind of image"
                yield Finding(case, "warning", "another contrast", text)


def _agreement(roughs: Mapping[str, NDArray[np.int8]]) -> dict[str, float]:
    """Correlation of each scan with the mean of the others, inside the body, away from its edge,
    which is dark on one side whatever the contrast is."""
    shown = np.mean([one != 0 for one in roughs.values()], axis=0) > 0.5  # 0 is air
    core = ndimage.binary_erosion(shown, iterations=2)
    if not core.any():
        return {}
    rows = {case: unit_rows([one[core]])[0] for case, one in roughs.items()}
    total = np.sum(list(rows.values()), axis=0)
    return {case: float(row @ unit_rows([total - row])[0]) for case, row in rows.items()}


def better_order(own: NDArray[np.float32], others: NDArray[np.float32]) -> tuple[int, ...]:
    """Which channel of the others each channel of a scan fits: (0, 1, ...) unless another order
    fits clearly better.

    own, others: (C, voxels), each channel less what all channels of a scan share, which cannot tell
    them apart.
    """
    count = len(own)
    straight = tuple(range(count))
    if not 1 < count <= MAX_CHANNELS:
        return straight
    fit = unit_rows(own) @ unit_rows(others).T
    order = max(permutations(straight), key=lambda o: sum(fit[n, o[n]] for n in straight))
    moved = [n for n in straight if order[n] != n]
    gain = sum(fit[n, order[n]] - fit[n, n] for n in moved)
    return order if moved and gain / len(moved) > SWAP_MARGIN else straight


def _swapped_channels(
    roughs: Mapping[str, NDArray[np.int8]], channels: Sequence[str]
) -> Iterator[Finding]:
    """Scans whose channels fit the others' better in another order."""
    count = len(channels)
    if count < 2:
        return
    # what all channels of a scan share cannot tell them apart
    rows = {case: unit_rows(one) for case, one in roughs.items()}
    apart = {case: unit_rows(own - own.mean(axis=0)) for case, own in rows.items()}
    total = np.sum(list(apart.values()), axis=0)
    for case, own in apart.items():
        order = better_order(own, total - own)
        moved = [n for n in range(count) if order[n] != n]
        if moved:
            words = ", ".join(f"{channels[n]} looks like {channels[order[n]]}" for n in moved)
            yield Finding(case, "error", "channels swapped", f"{words} of the other scans")
