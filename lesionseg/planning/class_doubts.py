"""What is doubtful about the lesion classes of a cohort: rare ones, and two exchanged in a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lesionseg.lesion_classes import LesionClasses
from lesionseg.planning.findings import Finding
from lesionseg.planning.likeness import FEW
from lesionseg.planning.scan_look import ScanLook
from lesionseg.wording import counted

UNUSUAL = -0.5  # of how two classes differ in most scans, at and below which they are exchanged
APART = 4.0  # spreads of that difference over the scans, below which classes are not told apart
MOST_ALIKE = 0.8  # of the scans in which two classes must differ the same way
LEAST_SPREAD = 0.15  # of a difference, in standard deviations of the body
MAD_TO_SPREAD = 1.4826  # from median absolute deviation to the spread of a normal distribution


def rare_classes(
    classes: LesionClasses, loads: Mapping[str, Sequence[int]], patients: Mapping[str, str]
) -> Iterator[Finding]:
    """Of several classes those that no patient has, or one alone, as findings of the whole folder.

    loads: by scan that has a mask, the number of lesions of each class. patients: by scan.
    """
    if len(classes) == 1 or not loads:
        return
    every = counted(len({patients[case] for case in loads}), "patient")
    for number, name in enumerate(classes.names):
        having = {patients[case] for case, of_case in loads.items() if of_case[number]}
        if not having:
            text = f"class {name} has no lesion in {every}: nothing can be learnt of it"
            yield Finding("", "warning", "class without lesions", text)
        elif len(having) == 1:
            text = f"class {name} has lesions in 1 of {every}: it can be in one part alone"
            yield Finding("", "warning", "class of one patient", text)


def exchanged_classes(looks: Mapping[str, ScanLook], classes: LesionClasses) -> Iterator[Finding]:
    """Scans in which two classes differ the other way round than in the other scans.

    Compared is, by channel, how much brighter the lesions of one class are than those of the other
    in the same scan, in at least FEW scans that have both.
    """
    for first, second in combinations(range(1, len(classes) + 1), 2):
        both = {}
        for case, look in looks.items():
            found = {one.number: one for one in look.classes}
            if first in found and second in found:
                both[case] = found[first], found[second]
        if len(both) < FEW:
            continue
        difference = np.array(
            [np.subtract(one.contrasts, other.contrasts) for one, other in both.values()]
        )
        names = classes.names[first - 1], classes.names[second - 1]
        for (case, (one, other)), agrees in zip(both.items(), _agreement(difference)):
            if agrees <= UNUSUAL:
                text = (
                    f"classes {names[0]} ({counted(one.lesions, 'lesion')}) and {names[1]} "
                    f"({counted(other.lesions, 'lesion')}) look exchanged: their intensities "
                    f"differ the other way round than in the other {len(both) - 1} scans with both"
                )
                yield Finding(case, "warning", "classes exchanged", text)


def _agreement(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """By scan, how its difference between two classes fits the usual one: 1 as usual, -1 the other
    way round; all 1 where the classes are not told apart. difference: (scans, channels)."""
    usual = np.median(difference, axis=0)
    deviation = np.median(np.abs(difference - usual), axis=0)
    weight = usual / np.maximum(MAD_TO_SPREAD * deviation, LEAST_SPREAD) ** 2
    apart = float(np.sqrt(usual @ weight))
    if apart < APART:
        return np.ones(len(difference))
    agreement = np.asarray(difference @ weight) / apart**2
    same_way = float((agreement > 0).mean())
    return agreement if same_way >= MOST_ALIKE else np.ones(len(difference))
