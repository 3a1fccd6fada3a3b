"""Case ids that end in a visit, like P14_T1 and P14_T3, are taken as one patient's.

Where no rule says which part of a case id is the patient, several visits of one patient would
otherwise train and test alike, and every figure would be of patients that the model has seen.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Sequence

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.wording import counted

VISIT = re.compile(
    r"[-_.](?:"
    r"(?:ses|session|visit|tp|timepoint)[-_]?[a-z0-9]+"
    r"|(?:time|scan|t|v|m|w|y|day|month|week|year)[-_]?\d{1,4}"
    r"|(?:bl|baseline|pre|post|fu|followup|follow-up)[-_]?\d*"
    r"|(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d"
    r")$"
    r"|(?<=[-_]\d{5})-\d{3}$",  # of BraTS-GLI-00012-001, the visit
    re.IGNORECASE,
)
NAMED = 3  # patients that a message names


def visit_patients(cases: Sequence[str]) -> tuple[dict[str, str], str]:
    """The patient of each case id that ends in a visit of a patient with several, and in words what
    was found. Nothing where all would be one patient's, as where all are named by their dates."""
    visits: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        visits[VISIT.sub("", case)].append(case)
    several = {patient: found for patient, found in visits.items() if len(found) > 1}
    if not several or len(visits) < 2:
        return {}, ""
    patients = {case: patient for patient, found in several.items() for case in found}
    shown = [f"{patient} ({', '.join(found)})" for patient, found in several.items()][:NAMED]
    more = ", ..." if len(several) > NAMED else ""
    return patients, (
        f"{len(patients)} scans are taken as visits of {counted(len(several), 'patient')}: "
        f"{', '.join(shown)}{more}"
    )


def with_visits_joined(scans: Sequence[ScanFiles]) -> tuple[list[ScanFiles], str]:
    """The scans with visits of one patient under one name, and in words what was done.

    Only scans whose patient is their case id are looked at. Names stay as they are where all would
    be one patient's, as where every scan of a folder is named by its date.
    """
    own = [scan.case for scan in scans if scan.patient == scan.case]
    patients, words = visit_patients(own)
    if not patients:
        return list(scans), ""
    joined = [
        dataclasses.replace(scan, patient=patients.get(scan.case, scan.patient)) for scan in scans
    ]
    return joined, f"{words}; data.patient='.*' takes each as a patient of its own"
