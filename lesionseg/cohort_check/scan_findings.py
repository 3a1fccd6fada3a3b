"""What one scan shows by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from lesionseg.cohort_check.findings import Finding, Severity
from lesionseg.cohort_check.measures import ChannelMeasures, ScanMeasures
from lesionseg.datasets.cards.fields import Channel, Reading

BAD_PERCENT = 0.01
CLIPPED_PERCENT = 0.3  # of the head at the very maximum, and more than right below it
BRIGHT_BORDER = 0.85  # of the way from the head's 1st to its 99th percentile
AIR_PERCENT = 20.0  # of a mask that may lie in air
HU_AIR = -200.0  # the border and the minimum of CT lie below
SPACING_SLACK = 0.05


def scan_findings(
    scan: ScanMeasures, channels: Sequence[Channel], reading: Reading
) -> list[Finding]:
    """Of intensities, mask, spacing, and of what was mended while reading."""
    found = [Finding(scan.case, "note", "mended on reading", note) for note in scan.notes]
    for measured, channel in zip(scan.channels, channels):
        found += _intensities(scan.case, measured, channel)
    for (one, first), (other, second) in combinations(zip(scan.channels, channels), 2):
        if one.voxels == other.voxels:
            text = f"channels {first.name} and {second.name} hold the same voxels"
            found.append(Finding(scan.case, "error", "same channel twice", text))
    return [*found, *_mask(scan), *_expected_spacing(scan, reading)]


def _intensities(case: str, measured: ChannelMeasures, channel: Channel) -> Iterator[Finding]:
    name = channel.name
    if measured.bad_percent > 0:
        severity: Severity = "warning" if measured.bad_percent > BAD_PERCENT else "note"
        text = f"{name}: {measured.bad_percent:.2g} % of the voxels are not finite; read as air"
        yield Finding(case, severity, "NaN or infinite voxels", text)
    low, _, high, top = measured.levels
    if measured.top_percent > max(CLIPPED_PERCENT, measured.below_top_percent):
        text = f"{name}: {measured.top_percent:.2g} % of the head are exactly {top:g}, the maximum"
        yield Finding(case, "warning", "clipped", text)
    if channel.modality == "mri" and measured.border - low > BRIGHT_BORDER * (high - low) > 0:
        text = f"{name}: the border ({measured.border:g}) is as bright as the brightest of the head"
        yield Finding(case, "warning", "inverted contrast", text)
    if channel.modality == "ct" and min(measured.minimum, measured.border) > HU_AIR:
        text = f"{name}: the lowest is {measured.minimum:g}; want Hounsfield units, air at -1000"
        yield Finding(case, "error", "not in Hounsfield units", text)


def _mask(scan: ScanMeasures) -> Iterator[Finding]:
    if scan.mask_voxels is None:
        if scan.split == "test":
            yield Finding(scan.case, "note", "no mask", "this test scan cannot be scored")
    elif not scan.lesion_volumes_mm3:
        yield Finding(scan.case, "note", "no lesion", "its mask is empty")
    elif scan.lesion_air_percent > AIR_PERCENT:
        text = f"{scan.lesion_air_percent:.0f} % of the lesion voxels lie where the images show air"
        yield Finding(scan.case, "error", "mask beside the image", text)


def _expected_spacing(scan: ScanMeasures, reading: Reading) -> Iterator[Finding]:
    if isinstance(reading.spacing_mm, str):
        return
    pairs = zip(sorted(scan.spacing_mm), sorted(reading.spacing_mm))
    if any(abs(got / want - 1) > SPACING_SLACK for got, want in pairs):
        got, want = (
            " x ".join(f"{s:.3g}" for s in spacing)
            for spacing in (scan.spacing_mm, reading.spacing_mm)
        )
        text = f"spacing is {got} mm; the data card says {want} mm"
        yield Finding(scan.case, "warning", "unexpected spacing", text)
