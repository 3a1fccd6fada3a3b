"""The lesion classes that predictions name in their records, CASE.json beside each mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionseg.errors import UsageError, printable
from lesionseg.io.formats import strip_suffix
from lesionseg.lesion_classes import LesionClasses, classes_from
from lesionseg.settings.messages import checked
from lesionseg.settings.report import ScoringOptions
from lesionseg.storage.provenance import read_record

if TYPE_CHECKING:
    from lesionseg.reporting.scoring.records import ReportCase

KEY = "lesion_classes"


def record_of(mask: Path) -> Path:
    """Where the record of a mask stands, as lesionseg writes it."""
    return mask.with_name(f"{strip_suffix(mask.name)}.json")


def recorded_classes(path: Path) -> LesionClasses | None:
    """The classes of a record; None where it names none. Raises UsageError for classes that cannot
    be."""
    content = (read_record(path) or {}).get(KEY)
    if content is None:
        return None
    try:
        return classes_from(content)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{printable(path.name)} has {KEY} that cannot be ({error}); predict the scan again"
        ) from error


def with_predicted_classes(
    cases: Sequence[ReportCase], options: ScoringOptions
) -> tuple[ScoringOptions, list[str]]:
    """The options with the classes that the predictions name, where labels name none, and a
    sentence on it.

    Raises UsageError where models name different classes, or others than the labels.
    """
    named: dict[Any, tuple[str, LesionClasses]] = {}
    for case in cases:
        for model, files in case.predictions.items():
            if files.classes is not None:
                named.setdefault(_meaning(files.classes), (model, files.classes))
    if all(len(classes) == 1 for _, classes in named.values()) and len(options.classes) == 1:
        return options, [
            f"the masks of {model} are of the class {class_words(classes)}; they are scored as "
            f"{class_words(options.classes)}, as labels says"
            for model, classes in named.values()
            if options.labels is not None and classes.values != options.classes.values
        ]
    if options.labels is not None:
        for meaning, (model, classes) in named.items():
            if meaning != _meaning(options.classes):
                raise UsageError(
                    f"labels are {class_words(options.classes)}, and the masks of {model} are of "
                    f"{class_words(classes)}; give the labels of the masks, or none to take those"
                )
        return options, []
    (model, classes), *others = named.values()
    if others:
        other, differing = others[0]
        raise UsageError(
            f"the masks of {model} are of {class_words(classes)}, those of {other} of "
            f"{class_words(differing)}; report models of the same lesion classes"
        )
    words = f"the masks of {model} are of the lesion classes {class_words(classes)}"
    if options.instances:
        raise UsageError(
            f"instances=true says that mask values are lesion ids, and {words}; drop it"
        )
    given = {"labels": _values(classes), "regions": classes.regions}
    found = checked(ScoringOptions, {**dict(options), **given})
    return found, [f"{words}; they are scored by class"]


def class_words(classes: LesionClasses) -> str:
    """The classes in a line: "core (1, 3), oedema (2)"."""
    each = ", ".join(one.words for one in classes.classes)
    return f"{each}, regions" if classes.regions else each


def _values(classes: LesionClasses) -> Mapping[str, tuple[int, ...]]:
    return {one.name: one.values for one in classes.classes}


def _meaning(classes: LesionClasses) -> object:
    """What two records of the same classes have in common: not the values that masks hold."""
    each = ((name, frozenset(values)) for name, values in _values(classes).items())
    return classes.regions, frozenset(each)
