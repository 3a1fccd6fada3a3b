"""Thresholds of each lesion class from the validation cases, and what is counted of these."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lesionseg.evaluation import Candidates, match_candidates
from lesionseg.inference.lesion_maps import lesions_at, predict_lesion_maps
from lesionseg.inference.operating_point import (
    KEPT,
    VOXEL_THRESHOLDS,
    Choice,
    best_choice,
    count_at,
)
from lesionseg.lesion_kinds import IGNORED
from lesionseg.models.interface import Network
from lesionseg.models.threads import ThreadChooser
from lesionseg.settings.threshold_rule import FIXED_BUDGET, ThresholdRule
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case, LesionMap, OperatingPoint
from lesionseg.wording import counted

ENOUGH = 10  # lesions of a class by which its own thresholds are chosen


def choose_operating_point(
    scans: Iterable[tuple[LesionMap, NDArray[np.int32]]], rule: ThresholdRule
) -> Choice:
    """Search voxel and score thresholds on validation, as `best_choice` does.

    scans: a map and the lesion ids on its grid, one pair a validation case, taken one at a time.
    """
    (choice,) = choose_operating_points(([one] for one in scans), rule, 1)
    return choice


def choose_operating_points(
    scans: Iterable[Sequence[tuple[LesionMap, NDArray[np.int32]]]],
    rule: ThresholdRule,
    num_classes: int,
    patients: Sequence[str] = (),
) -> list[Choice]:
    """As `choose_operating_point`, for each lesion class of several.

    scans: of each validation case a map and lesion ids for every class. patients: of each case, as
    `best_choice` wants them. A class of which validation
    holds fewer than ENOUGH lesions has the thresholds of all classes together. A fixed budget of
    false positives a scan is for all classes, each has an equal share of it.
    """
    matched = [_empty() for _ in range(num_classes)]
    num_cases = 0
    for by_class in scans:
        num_cases += 1
        for of_class, (lesion_map, ids) in zip(matched, by_class, strict=True):
            _match(of_class, lesion_map, ids)
    if num_classes == 1:
        return [best_choice(matched[0], rule, num_cases, patients)]
    together = {t: [one for of_class in matched for one in of_class[t]] for t in VOXEL_THRESHOLDS}
    of_all = best_choice(together, rule, num_cases, tuple(patients) * num_classes)
    share = rule
    if rule.kind == FIXED_BUDGET:
        share = dataclasses.replace(rule, value=rule.value / num_classes)
    choices = []
    for of_class in matched:
        own = best_choice(of_class, share, num_cases, patients)
        if own.num_lesions < ENOUGH:
            budget = share.value if rule.kind == FIXED_BUDGET else np.inf
            own = _at_point(of_class, own, of_all, budget * num_cases)
        elif not own.calibration:  # one scale for all classes of a prediction
            own = dataclasses.replace(own, calibration=of_all.calibration)
        choices.append(own)
    return choices


def _empty() -> dict[float, list[Candidates]]:
    return {threshold: [] for threshold in VOXEL_THRESHOLDS}


def _match(
    matched: Mapping[float, list[Candidates]], lesion_map: LesionMap, ids: NDArray[np.int32]
) -> None:
    """Add the candidates of one scan at each voxel threshold; those on what nobody judged are
    none."""
    reference, unjudged = np.maximum(ids, 0), ids == IGNORED if (ids < 0).any() else None
    for voxel_threshold, candidates in matched.items():
        lesions, scores = lesions_at(lesion_map.probability, voxel_threshold, lesion_map)
        found = match_candidates(
            reference, lesions, scores, reference_instances=True, ignored=unjudged
        )
        candidates.append(found)


def _at_point(
    matched: Mapping[float, Sequence[Candidates]], own: Choice, of_all: Choice, budget: float
) -> Choice:
    """The choice of all classes, with what it scores on one of few lesions.

    budget: of false positives over all cases; the score threshold is raised to keep it.
    """
    voxel, score = of_all.point.voxel_threshold, of_all.point.score_threshold
    scores = np.unique(np.concatenate([[score], *(one.score for one in matched[voxel])]))
    fitting = (
        float(one)
        for one in scores[scores >= score]
        if count_at(matched[voxel], float(one)).false_positives <= budget
    )
    above_all = min(float(np.nextafter(scores.max(), np.inf)), 1.0)
    point = OperatingPoint(voxel, next(fitting, above_all))
    counts = count_at(matched[point.voxel_threshold], point.score_threshold)
    few = f"{counted(own.num_lesions, 'lesion')} in validation: thresholds of all classes together"
    return dataclasses.replace(
        own,
        point=point,
        quality=counts.quality,
        f1=counts.f1,
        recall=counts.found / own.num_lesions if own.num_lesions else None,
        fp_per_scan=counts.false_positives / max(own.num_cases, 1),
        rule=of_all.rule,
        problem=of_all.problem,
        calibration=of_all.calibration,
        of_all=few,
    )


def maps_and_references(
    model: Network,
    case: Case,
    rule: SlabRule,
    num_classes: int,
    device: torch.device,
    threads: ThreadChooser | None = None,
) -> list[tuple[LesionMap, NDArray[np.int32]]]:
    """Of each lesion class, where the model sees it in a whole case and the ids of its lesions."""
    assert case.lesion_ids is not None
    ids = np.asarray(case.lesion_ids[:])
    maps = predict_lesion_maps(model, case, rule, device, num_classes=num_classes, threads=threads)
    unjudged = ids == IGNORED
    references = (case.kinds.of_class(ids, number) for number in range(1, num_classes + 1))
    return [
        (one, np.where(unjudged, IGNORED, reference).astype(np.int32))
        for one, reference in zip(maps, references)
    ]


def count_case(model: Network, case: Case, rule: SlabRule, num_classes: int) -> dict[str, float]:
    """Lesions, lesions found and false positives of one whole case, at thresholds of 0.5, each
    class by itself, and its voxels, those marked as lesion and all."""
    device = next(model.parameters()).device
    matched = _empty()
    marked = np.zeros(case.shape, bool)
    for lesion_map, ids in maps_and_references(model, case, rule, num_classes, device):
        _match({KEPT: matched[KEPT]}, lesion_map, ids)
        lesions, scores = lesions_at(lesion_map.probability, KEPT, lesion_map)
        marked |= np.isin(lesions, [one for one, score in scores.items() if score >= KEPT])
    counts = count_at(matched[KEPT], KEPT)
    return {
        "num_reference": counts.lesions,
        "num_found": counts.found,
        "num_false_positive": counts.false_positives,
        "marked_voxels": int(marked.sum()),
        "scan_voxels": marked.size,
    }
