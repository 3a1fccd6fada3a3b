"""The plan of preprocessing: few numbers, each with its reason, chosen from the training scans."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lesionseg.datasets.dataset import Channel
from lesionseg.errors import NoInputError
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.planning.anchor_plan import DetectorPlan, plan_detector
from lesionseg.planning.channel_plan import ChannelPlan, plan_channels
from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.planning.training_scans import TrainingScans, training_scans
from lesionseg.settings.defaults import CONTEXT_SLICES, EDGES_MM, MARGIN_MM
from lesionseg.settings.plan import PlanOverrides
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.wording import counted

SMALL_MM = 5.0  # diameter below which a lesion counts as small
COMMON_PERCENTILE = 25.0  # "common" means that a quarter of the scans are at least as fine
MAX_UPSAMPLING = 2.0
SPACING_STEP = 0.85  # from one candidate spacing to the next finer one
MIN_CONTEXT_MM = 1.0
VOLUME_PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class LesionSizes:
    """Of the training lesions: how many, how large, and how wide the small ones are in-plane."""

    num_lesions: int = 0
    num_small: int = 0
    volume_mm3_percentiles: tuple[float, ...] = ()
    small_width_mm_median: float | None = None


@dataclass(frozen=True)
class Plan:
    """in_plane_spacing_mm: of rows and columns. context_slices: k neighbours on either side of a
    slice, each context_distance_mm further along the slab axis. margin_mm: kept around the body.
    cuts_air: whether what lies outside the body is cut off and set to one value. lesion_classes:
    what networks tell apart. scans: what training scans had in common."""

    channels: tuple[ChannelPlan, ...]
    in_plane_spacing_mm: float
    context_slices: int = CONTEXT_SLICES
    context_distance_mm: float = 1.0
    slab_axis: str = "the axis of largest spacing, the third where all are equal; never resampled"
    margin_mm: float = MARGIN_MM
    cuts_air: bool = True
    lesions: LesionSizes = field(default_factory=LesionSizes)
    detector: DetectorPlan = field(default_factory=DetectorPlan)
    reasons: Mapping[str, str] = field(default_factory=dict)
    lesion_classes: LesionClasses = ONE_CLASS
    scans: TrainingScans = field(default_factory=TrainingScans)

    @property
    def key(self) -> str:
        """Hash of all choices, without the reasons."""
        classes = self.lesion_classes.as_data
        context = [self.context_slices, self.context_distance_mm]
        return sha256_of_json([*self._of_cases, *context, classes])

    @property
    def case_key(self) -> str:
        """Hash of what stored cases depend on: a plan with another context has the same cases."""
        return sha256_of_json(self._of_cases)

    @property
    def _of_cases(self) -> list[Any]:
        channels = [dataclasses.astuple(channel) for channel in self.channels]
        return [channels, self.in_plane_spacing_mm, self.margin_mm, self.cuts_air]


@dataclass(frozen=True)
class SpacingLosses:
    """Of a sample of lesions, at the spacings in mm that were tried: how many vanish, and how many
    are cut to nothing at one half and kept as their nearest voxel."""

    num_lesions: int
    num_lost: Mapping[float, int]
    num_thin: Mapping[float, int]


def spacing_candidates(
    fingerprints: Sequence[CaseFingerprint], overrides: PlanOverrides
) -> tuple[float, ...]:
    """In-plane spacings to choose from: the one that the lesion widths need, then finer ones."""
    if not fingerprints or overrides.in_plane_spacing_mm is not None:
        return ()
    first, _ = _in_plane_spacing(fingerprints, _lesion_sizes(fingerprints), overrides)
    finest = _common_spacing(fingerprints) / MAX_UPSAMPLING
    steps = [first]
    while steps[-1] * SPACING_STEP > finest:
        steps.append(round(steps[-1] * SPACING_STEP, 3))
    return tuple(steps)


def make_plan(
    fingerprints: Sequence[CaseFingerprint],
    channels: Sequence[Channel],
    overrides: PlanOverrides,
    losses: SpacingLosses | None = None,
    *,
    edges_mm: Sequence[float] = EDGES_MM,
    classes: LesionClasses = ONE_CLASS,
) -> Plan:
    """Choose a plan from the fingerprints of the training cases. Raises NoInputError for none.

    losses: at the `spacing_candidates`, of which the first that loses no lesion is taken.
    edges_mm: of the size buckets by which the coverage of the anchors is told.
    """
    if not fingerprints:
        raise NoInputError("no training case to plan from; mend the rejected ones")
    sizes = _lesion_sizes(fingerprints)
    spacing, why_spacing = _in_plane_spacing(fingerprints, sizes, overrides)
    if losses is not None and losses.num_lesions:
        spacing, why_lossless = _lossless(losses)
        why_spacing = f"{why_spacing} {why_lossless}"
    distance, why_distance = _context_distance(fingerprints, overrides)
    planned, why_channels = plan_channels(fingerprints, channels)
    cuts_air, why_crop = _air(fingerprints, overrides)
    k = overrides.context_slices
    return Plan(
        channels=planned,
        in_plane_spacing_mm=spacing,
        context_slices=k,
        context_distance_mm=distance,
        margin_mm=overrides.margin_mm,
        cuts_air=cuts_air,
        lesions=sizes,
        detector=_detector(fingerprints, spacing, edges_mm, classes),
        lesion_classes=classes,
        scans=training_scans(fingerprints),
        reasons={
            "in_plane_spacing_mm": why_spacing,
            "through_plane": "Slices are never resampled through-plane: "
            "a lesion may be in one slice only, and averaging slices would thin it out.",
            "context_slices": f"{k} on either side of a slice, {2 * k + 1} slices a slab.",
            "context_distance_mm": why_distance,
            "channels": why_channels,
            "detector": "Anchors are fitted on every outline of every training lesion in a slice, "
            "at random places within a pixel and on whole pixels, as outlines lie; coverage says "
            "how well at random places within a pixel, for a finest stride of 2. Where a "
            "twentieth of the outlines or more is at most 2 px wide, a finest stride of 1 is asked "
            "for, which the base backbone has. Masks have cells enough for three quarters of the "
            "outlines, training windows, up to 192 px, for 95 of 100.",
            "crop": why_crop,
        },
    )


def _detector(
    fingerprints: Sequence[CaseFingerprint],
    spacing_mm: float,
    edges_mm: Sequence[float],
    classes: LesionClasses,
) -> DetectorPlan:
    """Fitted on the lesions of all classes; the coverage is told by class and size."""
    boxes = np.concatenate([one.boxes_mm for one in fingerprints]) / spacing_mm
    if not len(boxes):
        return DetectorPlan()
    volumes = np.concatenate([one.box_volumes_mm3 for one in fingerprints])
    buckets = SizeBuckets.from_edges(edges_mm)
    names, group = list(buckets.ranges), buckets.index(volumes)
    if len(classes) > 1:
        kinds = np.concatenate([one.box_kinds for one in fingerprints])
        group = group + (kinds - 1) * len(names)
        names = [f"{name} {size}" for name in classes.names for size in names]
    return plan_detector(boxes, names, group, np.random.default_rng(0))


def _lesion_sizes(fingerprints: Sequence[CaseFingerprint]) -> LesionSizes:
    volumes = np.concatenate([one.lesion_volumes_mm3 for one in fingerprints])
    widths = np.concatenate([one.small_widths_mm(SMALL_MM) for one in fingerprints])
    if not volumes.size:
        return LesionSizes()
    small = int((volumes < np.pi / 6 * SMALL_MM**3).sum())
    return LesionSizes(
        num_lesions=int(volumes.size),
        num_small=small,
        volume_mm3_percentiles=tuple(
            round(float(v), 2) for v in np.percentile(volumes, VOLUME_PERCENTILES)
        ),
        small_width_mm_median=round(float(np.median(widths)), 3) if widths.size else None,
    )


def _in_plane_spacing(
    fingerprints: Sequence[CaseFingerprint], sizes: LesionSizes, overrides: PlanOverrides
) -> tuple[float, str]:
    common = _common_spacing(fingerprints)
    width, want = sizes.small_width_mm_median, overrides.min_width_px
    if overrides.in_plane_spacing_mm is not None:
        spacing = float(overrides.in_plane_spacing_mm)
        return spacing, f"{spacing:g} mm was asked for; the data's own would be {common:.3g} mm."
    reason = (
        f"The finest common in-plane spacing is {common:.3g} mm "
        f"(a quarter of the {len(fingerprints)} training scans or more are as fine)"
    )
    if width is None:
        return round(common, 3), f"{reason}; there is no lesion below {SMALL_MM:g} mm to measure."
    reason += (
        f"; there the median width of {counted(sizes.num_small, 'lesion')} below {SMALL_MM:g} mm "
        f"is {width:.3g} mm = {width / common:.3g} px"
    )
    if width / common >= want:
        return round(common, 3), f"{reason}, at least the {want:g} px wanted: it is kept."
    spacing = max(width / want, common / MAX_UPSAMPLING)
    reason += f", fewer than the {want:g} px wanted: refined to {spacing:.3g} mm"
    if spacing > width / want:
        reason += (
            f", where they have {width / spacing:.3g} px. {width / want:.3g} mm would be wanted, "
            f"but finer than {MAX_UPSAMPLING:g} times the data's own adds no detail"
        )
    return round(spacing, 3), f"{reason}."


def _common_spacing(fingerprints: Sequence[CaseFingerprint]) -> float:
    finest = [min(one.in_plane_spacing_mm) for one in fingerprints]
    return float(np.percentile(finest, COMMON_PERCENTILE, method="lower"))


def _lossless(losses: SpacingLosses) -> tuple[float, str]:
    """The coarsest spacing tried that loses no lesion, else the one that loses fewest, and why."""
    sample = f"of {losses.num_lesions} small lesions that were tried"
    first, *_ = losses.num_lost
    least = min(losses.num_lost.values())
    spacing = next(mm for mm, lost in losses.num_lost.items() if lost == least)
    if spacing == first:
        reason = f"At {first:g} mm {least or 'none'} {sample} would vanish"
        reason += ", at finer ones as many" if least else ""
    else:
        reason = (
            f"At {first:g} mm {losses.num_lost[first]} {sample} would vanish, so it is refined "
        )
        reason += f"to {spacing:g} mm, where {least or 'none'} would"
    thin = losses.num_thin[spacing]
    return spacing, reason + (f"; {thin} are kept as one voxel." if thin else ".")


def _context_distance(
    fingerprints: Sequence[CaseFingerprint], overrides: PlanOverrides
) -> tuple[float, str]:
    if overrides.context_distance_mm is not None:
        distance = float(overrides.context_distance_mm)
        return distance, f"{distance:g} mm was asked for."
    median = float(np.median([one.spacing_mm[one.slab_axis] for one in fingerprints]))
    distance = round(max(median, MIN_CONTEXT_MM), 3)
    return distance, (
        f"The median through-plane spacing is {median:.3g} mm; "
        f"neighbours nearer than {MIN_CONTEXT_MM:g} mm would show the same tissue twice."
    )


def _air(fingerprints: Sequence[CaseFingerprint], overrides: PlanOverrides) -> tuple[bool, str]:
    """Whether air can be cut away, and why."""
    outside = [one.case for one in fingerprints if one.lesion_voxels_outside]
    if not outside:
        kept = f"{overrides.margin_mm:g} mm around head or body are kept"
        stray = sum(one.stray_voxels for one in fingerprints)
        but = f" but {counted(stray, 'single voxel')} of masks far out in it" if stray else ""
        return True, f"Air is cut away, {kept}; no lesion reaches into it{but}."
    return False, (
        f"Nothing is cut away: in {len(outside)} of {len(fingerprints)} training scans lesion "
        f"voxels lie outside head or body, first in {outside[0]}."
    )
