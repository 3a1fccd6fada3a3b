"""What is doubtful about the lesion classes of a cohort: rare ones, some exchanged in a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lesionseg.lesion_classes import LesionClasses
from lesionseg.planning.findings import Finding
from lesionseg.planning.likeness import FEW
from lesionseg.planning.scan_look import ClassLook, ScanLook
from lesionseg.wording import counted

GAIN = (
    30.0  # squared spreads by which classes must fit better exchanged: of random cohorts in which
)
# none are, even of few scans and classes that hardly differ, one in 20 or fewer reach it
FIT = 0.25  # of that gain, the most by which they may still be off when exchanged
MOST_ALIKE = 0.8  # of the other scans, which must not fit better exchanged the same way
LEAST_SPREAD = 0.1  # of a class's contrast over scans, in standard deviations of the body
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
    """Scans whose classes fit the other scans better when some of them are exchanged.

    Compared is, by channel, how bright the lesions of each class are beside those of the scan's
    other classes, with at least FEW - 1 other scans that have all of these, or else two of them.
    """
    seen = {case: {one.number: one for one in look.classes} for case, look in looks.items()}
    for case, own in seen.items():
        for numbers, others in _comparisons(case, seen):
            places = _moved(_contrasts(own, numbers), np.stack(others))
            if not places:
                continue
            moved = [own[numbers[place]] for place in places]
            each = [
                f"{classes.names[one.number - 1]} ({counted(one.lesions, 'lesion')})"
                for one in moved
            ]
            pair = "their intensities differ the other way round than in"
            several = "each has the intensities that another of them has in"
            text = (
                f"classes {', '.join(each[:-1])} and {each[-1]} look exchanged: "
                f"{pair if len(each) == 2 else several} "
                + (
                    f"the other {len(others)} scans with both"
                    if len(numbers) == 2
                    else f"{len(others)} other scans"
                )
            )
            yield Finding(case, "warning", "classes exchanged", text)


Looks = Mapping[int, ClassLook]  # of one scan, by class


def _comparisons(
    case: str, seen: Mapping[str, Looks]
) -> Iterator[tuple[tuple[int, ...], list[NDArray[np.float64]]]]:
    """All classes of a scan, or where too few other scans have these, each two of them; and the
    contrasts of the scans that have them."""
    every = tuple(sorted(seen[case]))
    if len(every) < 2:
        return
    for numbers in (every, *combinations(every, 2)):
        others = [
            _contrasts(look, numbers)
            for other, look in seen.items()
            if other != case and all(number in look for number in numbers)
        ]
        if len(others) >= FEW - 1:
            yield numbers, others
            if numbers == every:
                return


def _contrasts(look: Looks, numbers: Sequence[int]) -> NDArray[np.float64]:
    """(classes, channels), less their mean: a scan may be brighter or darker as a whole."""
    found = np.array([look[number].contrasts for number in numbers])
    return np.asarray(found - found.mean(axis=0))


def _moved(own: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[int, ...]:
    """The places of the classes that look like others of them; none where that is not clear.

    own: (classes, channels). others: (scans, classes, channels).
    """
    num, places, _ = others.shape
    usual = np.median(others, axis=0)
    few = num / (num - 1) * np.sqrt(places / (places - 1))  # the median and the mean were fitted
    spread = few * MAD_TO_SPREAD * np.median(np.abs(others - usual), axis=(0, 1))
    spread = np.maximum(spread, LEAST_SPREAD)
    cost = (((own[:, None] - usual) / spread) ** 2).sum(axis=-1)
    mine, like = linear_sum_assignment(cost)
    left = float(cost[mine, like].sum())
    gain = float(np.trace(cost)) - left
    as_named, exchanged = (
        ((others - one) ** 2 / spread**2).sum(axis=(1, 2)) for one in (usual, usual[like])
    )
    alike = float((as_named < exchanged).mean())
    if gain < GAIN or left > FIT * gain or alike < MOST_ALIKE:
        return ()
    return tuple(int(place) for place in mine[mine != like])
