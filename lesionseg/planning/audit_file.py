"""The lesion audit on file: plain data in each stored case, lesion_audit.csv for people."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg.errors import UsageError
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.planning.lesion_audit import OUTCOMES, STEPS, LesionAudit
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.csv_table import write_csv
from lesionseg.wording import counted

NAMED = 5  # lost lesions that a message names


def audit_rows(
    cases: Mapping[str, LesionAudit], edges_mm: Sequence[float], classes: LesionClasses = ONE_CLASS
) -> list[dict[str, object]]:
    """One row per case, step, class and size bucket that has lesions: numbers, and their ids."""
    rows: list[dict[str, object]] = []
    buckets = SizeBuckets.from_edges(edges_mm)
    ranges = list(enumerate(buckets.ranges))
    for case, audit in cases.items():
        group = {i: (audit.classes[i], buckets.number(v)) for i, v in audit.volumes_mm3.items()}
        for step, outcomes in audit.steps.items():
            for number, (size, bucket) in itertools.product(range(1, len(classes) + 1), ranges):
                reference = list(group.values()).count((number, size))
                if not reference:
                    continue
                head = {"case": case, "step": step, "class": classes.names[number - 1]}
                head |= {"bucket": bucket}
                ids = {o: [i for i in outcomes[o] if group[i] == (number, size)] for o in OUTCOMES}
                counts = {outcome: len(found) for outcome, found in ids.items()}
                named = {f"{o}_ids": " ".join(map(str, found)) for o, found in ids.items()}
                rows.append({**head, "reference": reference, **counts, **named})
    return rows


def write_audit(
    folder: Path,
    cases: Mapping[str, LesionAudit],
    edges_mm: Sequence[float],
    classes: LesionClasses = ONE_CLASS,
) -> None:
    """Write lesion_audit.csv, atomically."""
    heads = ["case", "step", "class", "bucket", "reference", *OUTCOMES]
    heads += [f"{outcome}_ids" for outcome in OUTCOMES]
    rows = ([row[head] for head in heads] for row in audit_rows(cases, edges_mm, classes))
    write_csv(folder / "lesion_audit.csv", heads, rows)


def audit_content(audit: LesionAudit) -> dict[str, Any]:
    """An audit as plain data, for the stored case. Inverse: audit_from."""
    return {
        "num_outside": audit.num_outside,
        "classes": {str(lesion): number for lesion, number in audit.classes.items()},
        "volumes_mm3": {str(lesion): v for lesion, v in audit.volumes_mm3.items()},
        "steps": {
            step: {outcome: list(ids) for outcome, ids in found.items() if ids}
            for step, found in audit.steps.items()
        },
    }


def audit_from(content: Any) -> LesionAudit | None:
    """Inverse of audit_content; None for anything else."""
    try:
        steps = content["steps"]
        return LesionAudit(
            {int(lesion): float(v) for lesion, v in content["volumes_mm3"].items()},
            {s: {o: tuple(steps[s].get(o, ())) for o in OUTCOMES} for s in STEPS} if steps else {},
            int(content["num_outside"]),
            {int(lesion): int(number) for lesion, number in content["classes"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def audit_words(cases: Mapping[str, LesionAudit]) -> str:
    """One line for people: how many lesions come through, and what happens to the others."""
    total = sum(len(one.volumes_mm3) for one in cases.values())
    lost = sum(len(one.lost) for one in cases.values())
    came = {
        outcome: sum(len(one.steps["home"][outcome]) for one in cases.values() if one.steps)
        for outcome in OUTCOMES[1:]
    }
    outside = sum(one.num_outside for one in cases.values())
    return (
        f"{total - lost} of {counted(total, 'lesion')} reach the networks and the scan's own grid "
        "again, no intensity of theirs clipped"
        + (f" ({outside} more lie outside their scans' fields of view)" if outside else "")
        + f"; touching another there: {came['merged']}, in pieces: {came['split']}, changed by "
        f"more than a fifth of their volume: {came['changed']}"
    )


def refuse_losses(cases: Mapping[str, LesionAudit], spacing_mm: float) -> None:
    """Raise UsageError where a lesion vanishes on the way, naming the first ones."""
    lost = [(case, lesion) for case, one in cases.items() for lesion in one.lost]
    if not lost:
        return
    named = ", ".join(f"{lesion} of case {case}" for case, lesion in lost[:NAMED])
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    raise UsageError(
        f"the plan loses {counted(len(lost), 'lesion')} at {spacing_mm:g} mm in-plane: "
        f"{named}{more}; want none; take a finer plan.in_plane_spacing_mm, or "
        "plan.allow_lost_lesions=true"
    )
