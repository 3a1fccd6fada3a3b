"""Whether each lesion class has lesions where it needs some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lesionseg.errors import UsageError
from lesionseg.lesion_classes import LesionClasses
from lesionseg.wording import counted


def absent_classes(classes: LesionClasses, loads: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Names of the classes of which none of the cases has a lesion. loads: by case, the number of
    lesions of each class."""
    return tuple(
        name
        for number, name in enumerate(classes.names)
        if not any(of_case[number] for of_case in loads.values())
    )


def refuse_absent_classes(classes: LesionClasses, training: Mapping[str, Sequence[int]]) -> None:
    """Raise UsageError where one of several classes has no lesion to be learnt from.

    training: by training case, the number of lesions of each class.
    """
    absent = absent_classes(classes, training) if len(classes) > 1 else ()
    if absent:
        scans = counted(len(training), "training scan")
        raise UsageError(
            f"no lesion of class {' or '.join(absent)} in the {scans}; leave it out of "
            "data.classes and name its values in data.organ or data.ignore, or put it into one "
            "class with another"
        )


def unvalidated_words(
    classes: LesionClasses, validation: Mapping[str, Sequence[int]]
) -> tuple[str, ...]:
    """A line for each of several classes that no validation case has a lesion of.

    validation: by validation case, the number of lesions of each class.
    """
    if len(classes) == 1 or not validation:
        return ()
    scans = counted(len(validation), "validation scan")
    return tuple(
        f"class {name} has no lesion in the {scans}: its thresholds are those of all classes "
        "together"
        for name in absent_classes(classes, validation)
    )
