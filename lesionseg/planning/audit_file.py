"""The lesion audit on file: plain data in each stored case, lesion_audit.csv for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg.errors import UsageError
from lesionseg.planning.lesion_audit import OUTCOMES, STEPS, LesionAudit
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.csv_table import write_csv
from lesionseg.wording import counted

NAMED = 5  # lost lesions that a message names


def audit_rows(
    cases: Mapping[str, LesionAudit], edges_mm: Sequence[float]
) -> list[dict[str, object]]:
    """One row per case, step and size bucket that has lesions: numbers, and the ids of each."""
    rows: list[dict[str, object]] = []
    buckets = SizeBuckets.from_edges(edges_mm)
    for case, audit in cases.items():
        bucket = {i: buckets.number(v) for i, v in audit.volumes_mm3.items()}
        for step, outcomes in audit.steps.items():
            for number, name in enumerate(buckets.ranges):
                reference = sum(b == number for b in bucket.values())
                if reference:
                    ids = {o: [i for i in outcomes[o] if bucket[i] == number] for o in OUTCOMES}
                    counts = {outcome: len(found) for outcome, found in ids.items()}
                    named = {f"{o}_ids": " ".join(map(str, found)) for o, found in ids.items()}
                    head = {"case": case, "step": step, "bucket": name, "reference": reference}
                    rows.append({**head, **counts, **named})
    return rows


def write_audit(folder: Path, cases: Mapping[str, LesionAudit], edges_mm: Sequence[float]) -> None:
    """Write lesion_audit.csv, atomically."""
    heads = ["case", "step", "bucket", "reference", *OUTCOMES, *(f"{o}_ids" for o in OUTCOMES)]
    rows = ([row[head] for head in heads] for row in audit_rows(cases, edges_mm))
    write_csv(folder / "lesion_audit.csv", heads, rows)


def audit_content(audit: LesionAudit) -> dict[str, Any]:
    """An audit as plain data, for the stored case. Inverse: audit_from."""
    return {
        "num_outside": audit.num_outside,
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
