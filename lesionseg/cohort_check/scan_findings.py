"""What one scan shows by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from lesionseg.cohort_check.measures import ChannelMeasures, ScanMeasures
from lesionseg.datasets.cards.fields import Channel, Reading
from lesionseg.planning.doubts import scan_doubts
from lesionseg.planning.findings import Finding, Severity
from lesionseg.planning.scan_look import ChannelLook

BAD_PERCENT = 0.01
CLIPPED_PERCENT = 0.3  # of the body at the very maximum, and more than right below it
SPACING_SLACK = 0.05


def scan_findings(
    scan: ScanMeasures, channels: Sequence[Channel], reading: Reading
) -> list[Finding]:
    """Of intensities, mask, spacing, and of what was mended while reading."""
    found = [Finding(scan.case, "note", "mended on reading", note) for note in scan.notes]
    found += scan_doubts(scan.case, scan.look, channels)
    for measured, look, channel in zip(scan.channels, scan.look.channels, channels):
        found += _voxels(scan.case, measured, look, channel.name)
    for (one, first), (other, second) in combinations(zip(scan.channels, channels), 2):
        if one.voxels == other.voxels:
            text = f"channels {first.name} and {second.name} hold the same voxels"
            found.append(Finding(scan.case, "error", "same channel twice", text))
    return [*found, *_mask(scan), *_expected_spacing(scan, reading)]


def _voxels(
    case: str, measured: ChannelMeasures, look: ChannelLook, name: str
) -> Iterator[Finding]:
    if measured.bad_percent > 0:
        severity: Severity = "warning" if measured.bad_percent > BAD_PERCENT else "note"
        text = f"{name}: {measured.bad_percent:.2g} % of the voxels are not covered, or not finite"
        yield Finding(case, severity, "voxels without a value", f"{text}; read as air")
    if measured.top_percent > max(CLIPPED_PERCENT, measured.below_top_percent):
        top = look.levels[-1]
        text = f"{name}: {measured.top_percent:.2g} % of the body are exactly {top:g}, the maximum"
        yield Finding(case, "warning", "clipped", text)


def _mask(scan: ScanMeasures) -> Iterator[Finding]:
    if scan.mask_voxels is None:
        if scan.split == "test":
            yield Finding(scan.case, "note", "no mask", "this test scan cannot be scored")
    elif not scan.lesion_volumes_mm3:
        yield Finding(scan.case, "note", "no lesion", "its mask is empty")


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
