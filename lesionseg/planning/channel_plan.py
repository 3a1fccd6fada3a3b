"""How each channel is normalised, chosen from the training scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lesionseg.datasets.cards.fields import Normalisation
from lesionseg.datasets.dataset import Channel, Modality
from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.wording import counted

FARTHEST = 20.0  # spreads from the mean that are kept, so that one hot voxel rules no slice
BOUND = 1000.0  # spreads from the mean that can be kept for a lesion: half floats end at 65,504


@dataclass(frozen=True)
class ChannelPlan:
    """How one channel is normalised.

    zscore: by mean and standard deviation of the scan's own voxels inside the foreground, between
    the 5th and 95th percentile; low and high, in these standard deviations, are where it is
    clipped. cohort: clipped to [low, high], in the images' own unit, then (value - mean) / std.
    modality: says how air is recognised.
    """

    name: str
    modality: Modality
    normalisation: Normalisation
    low: float = -FARTHEST
    high: float = FARTHEST
    mean: float | None = None
    std: float | None = None


def plan_channels(
    fingerprints: Sequence[CaseFingerprint], channels: Sequence[Channel]
) -> tuple[tuple[ChannelPlan, ...], str]:
    """The plan of every channel, and why. What is clipped never reaches into a lesion's range."""
    planned, reasons = [], []
    for index, channel in enumerate(channels):
        plan_one = _zscore if channel.scaled_by == "zscore" else _cohort
        plan, reason = plan_one(fingerprints, channel, index)
        planned.append(plan)
        reasons.append(reason)
    return tuple(planned), " ".join(reasons)


def _zscore(
    fingerprints: Sequence[CaseFingerprint], channel: Channel, index: int
) -> tuple[ChannelPlan, str]:
    ranges = []
    for one in fingerprints:
        around = one.around_lesions[index]
        mean, std = one.middles[index]
        if around is not None and std > 0:
            ranges.append(((around[0] - mean) / std, (around[1] - mean) / std))
    low, high, widened = _widened(-FARTHEST, FARTHEST, ranges, -BOUND, BOUND)
    own = "as the data card asks" if channel.normalisation else "whose scale differs between scans"
    return ChannelPlan(channel.name, channel.modality, "zscore", low, high), (
        f"{channel.name} is {channel.modality.upper()}, {own}: z-score inside the foreground, by "
        "its voxels between the 5th and 95th percentile, clipped to "
        f"{low:g}..{high:g} standard deviations{widened}."
    )


def _cohort(
    fingerprints: Sequence[CaseFingerprint], channel: Channel, index: int
) -> tuple[ChannelPlan, str]:
    stats = np.array([one.intensities[index] for one in fingerprints])
    low, high, mean, std = (float(f"{v:.5g}") for v in np.median(stats, axis=0))
    std = std or 1.0
    inside = f"{low:g}..{high:g}"
    ranges = [around for one in fingerprints if (around := one.around_lesions[index]) is not None]
    low, high, widened = _widened(low, high, ranges, mean - BOUND * std, mean + BOUND * std)
    std = max(std, float(f"{(high - low) / (2 * FARTHEST):.5g}"))  # lungs lie far from soft tissue
    plan = ChannelPlan(channel.name, channel.modality, "cohort", low, high, mean, std)
    unit = "in HU" if channel.modality == "ct" else "as the data card asks"
    return plan, (
        f"{channel.name} is {channel.modality.upper()}, {unit}: clipped to {low:g}..{high:g} "
        f"({inside} are the 0.5th and 99.5th percentile inside the body, median over the training "
        f"scans{widened}), then {mean:g} taken off and divided by {std:g}."
    )


def _widened(
    low: float,
    high: float,
    ranges: Sequence[tuple[float, float]],
    lowest: float,
    highest: float,
) -> tuple[float, float, str]:
    """low and high widened to hold all ranges, as far as lowest and highest; and that, in words."""
    if not ranges:
        return low, high, ""
    lows, highs = zip(*ranges)
    beyond = sum(a < low or b > high for a, b in ranges)
    if not beyond:
        return low, high, ""
    low, high = min(low, _rounded(min(lows), -1)), max(high, _rounded(max(highs), 1))
    scans = f"{beyond} of {counted(len(ranges), 'scan')}"
    words = f", widened for what lies in and around the lesions of {scans}"
    return max(low, lowest), min(high, highest), words


def _rounded(value: float, way: int) -> float:
    """Few digits, rounded up (way 1) or down (-1), so that the value stays inside."""
    near = float(f"{value:.5g}")
    return near if way * near >= way * value else float(f"{value + way * abs(value) * 1e-4:.5g}")
