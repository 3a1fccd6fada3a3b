"""What the values of a dataset's masks mean."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lesionseg.datasets.layouts.name_kinds import kind_of
from lesionseg.errors import UsageError
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses, named_classes

IGNORE = "ignore"  # nnU-Net's label of voxels that nobody judged


@dataclass(frozen=True)
class MaskLabels:
    """What mask values mean: `known` may occur (0 always may), those of `classes` are lesions.

    known: None where any value may occur. instances: any value but 0 is the id of one lesion
    instead. ignored: values of voxels that nobody judged: neither lesion nor background.
    """

    known: frozenset[int] | None = frozenset({1})
    classes: LesionClasses = ONE_CLASS
    instances: bool = False
    ignored: frozenset[int] = frozenset()

    @property
    def lesions(self) -> frozenset[int]:
        """The values that are lesions, of any class."""
        return self.classes.values


def labels_by_name(
    labels: Mapping[str, tuple[int, ...]],
    lesions: Sequence[str] = (),
    *,
    order: Sequence[int] | None = None,
) -> MaskLabels:
    """What the values mean, each lesion label a class of its own.

    labels: name -> values; some that share values are regions, the larger before the smaller.
    lesions: the labels that are; else all, where each says lesion or there is one alone. order: the
    value that marks each label in a written mask, as nnU-Net's regions_class_order has it.

    Raises UsageError where another of several does not say lesion: an organ would become one; and
    for labels that cannot be classes.
    """
    named = [name for name in labels if name != IGNORE]
    names = list(lesions) or named
    if unknown := set(names) - set(named):
        raise UsageError(f"lesion labels {sorted(unknown)} are not among {sorted(named)}")
    if not names:
        raise UsageError(
            f"no label is a lesion, got {sorted(labels) or 'no label'}; name one in labels, "
            "of dataset.json or the card, like lesion: 1"
        )
    if not lesions:
        _refuse_others(names)
    written = None
    if order is not None:
        if len(order) != len(named):
            problem = f"regions_class_order has {len(order)} values for {len(named)} labels"
            raise UsageError(f"{problem}; want one for each but background and {IGNORE}")
        written = [order[named.index(name)] for name in names]
    values = {name: labels[name] for name in names}
    known = {value for name in named for value in labels[name]}
    classes = checked_classes(values, regions=_overlap(values.values()), written=written)
    return with_ignored(MaskLabels(frozenset(known), classes), labels.get(IGNORE, ()))


def labels_by_class(
    classes: Mapping[str, Sequence[int]],
    labels: Mapping[str, Sequence[int]],
    *,
    regions: bool,
) -> MaskLabels:
    """What the values mean where the classes are spelled out. labels: all that the masks name.

    Raises UsageError for classes that cannot be, and for values that no label has, where there are
    labels.
    """
    found = checked_classes(classes, regions=regions)
    named = {value for name, of_label in labels.items() if name != IGNORE for value in of_label}
    if named and (strange := sorted(found.values - named)):
        problem = f"classes name the values {strange}, the labels have {sorted(named)}"
        raise UsageError(f"{problem}; mend data.classes")
    known = frozenset({*named, *found.values})
    return with_ignored(MaskLabels(known, found), labels.get(IGNORE, ()))


def with_organ(labels: MaskLabels, values: Iterable[int]) -> MaskLabels:
    """The same, with more values that may occur and are no lesion. Raises UsageError where they
    are lesions or ignored."""
    more = frozenset(values)
    _refuse_both(labels.lesions & more, "lesions", "organ")
    _refuse_both(labels.ignored & more, "ignored", "organ")
    return dataclasses.replace(labels, known=None if labels.known is None else labels.known | more)


def with_ignored(labels: MaskLabels, values: Iterable[int]) -> MaskLabels:
    """The same, with more values that nobody judged. Raises UsageError where they are lesions."""
    more = frozenset(values)
    _refuse_both(labels.lesions & more, "lesions", "ignored")
    known = None if labels.known is None else labels.known - more
    return dataclasses.replace(labels, known=known, ignored=labels.ignored | more)


def _refuse_both(values: frozenset[int], one: str, other: str) -> None:
    if values:
        raise UsageError(f"mask values {sorted(values)} are {one} and {other}; name them once")


def checked_classes(
    values: Mapping[str, Sequence[int]],
    *,
    regions: bool = False,
    written: Sequence[int] | None = None,
) -> LesionClasses:
    """As `named_classes`; raises UsageError where they cannot be."""
    try:
        return named_classes(values, regions=regions, written=written)
    except ValueError as error:
        raise UsageError(str(error)) from error


def lesion_words(names: Mapping[str, tuple[int, ...]], labels: MaskLabels) -> str:
    """Which labels are taken as lesions, in words; nothing where none has a name."""
    if not names:
        return ""
    taken = ", ".join(one.words for one in labels.classes.classes)
    if len(labels.classes) == 1:
        return f"labels taken as lesions: {taken}"
    kind = "regions inside one another" if labels.classes.regions else "classes"
    return f"labels taken as {len(labels.classes)} {kind} of lesions: {taken}"


def ignored_words(labels: MaskLabels) -> str:
    """Which values are left out, in words; nothing where there are none."""
    if not labels.ignored:
        return ""
    values = ", ".join(map(str, sorted(labels.ignored)))
    return f"voxels of value {values} are ignored: neither lesion nor background"


def _refuse_others(names: Sequence[str]) -> None:
    said = [name for name in names if kind_of(name) == "lesion"]
    if len(said) == len(names) or len(names) == 1:
        return
    what = f"some say lesion by their names ({', '.join(said)}) and others do not"
    raise UsageError(
        f"of the labels {', '.join(names)}, {what if said else 'none says lesion by its name'}"
        "; say which are lesions with data.lesions, for example "
        f"data.lesions=[{','.join(said or names[-1:])}]"
    )


def _overlap(values: Iterable[Sequence[int]]) -> bool:
    return any(set(a) & set(b) for a, b in itertools.combinations(values, 2))
