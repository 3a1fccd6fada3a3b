"""What the values of a dataset's masks mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lesionseg.datasets.layouts.name_kinds import kind_of
from lesionseg.errors import UsageError

IGNORE = "ignore"  # nnU-Net's label of voxels that nobody annotated


@dataclass(frozen=True)
class MaskLabels:
    """What mask values mean: `known` may occur (0 always may), `lesions` of them are lesions.

    known: None where any value may occur. instances: any value but 0 is the id of one lesion
    instead. ignored: values of voxels that nobody annotated; they are none of the known ones, so
    that a mask that holds one is refused and not taken for background.
    """

    known: frozenset[int] | None
    lesions: frozenset[int]
    instances: bool = False
    ignored: frozenset[int] = frozenset()


def labels_by_name(labels: Mapping[str, tuple[int, ...]], lesions: Sequence[str]) -> MaskLabels:
    """What the values mean. lesions: the labels that are; all, where names do not tell them apart.

    Raises UsageError where some names say lesion and others do not: an organ would become one.
    """
    ignored = set(labels.get(IGNORE, ()))
    named = [name for name in labels if name != IGNORE]
    names = lesions or named
    if unknown := set(names) - set(named):
        raise UsageError(f"lesion labels {sorted(unknown)} are not among {sorted(named)}")
    said = [name for name in names if kind_of(name) == "lesion"]
    if not lesions and said and len(said) < len(names):
        raise UsageError(
            f"of the labels {', '.join(names)}, some say lesion by their names ({', '.join(said)}) "
            "and others do not; say which are lesions with data.lesions, for example "
            f"data.lesions=[{','.join(said)}]"
        )
    values = {value for name in names for value in labels[name]}
    known = {value for name in named for value in labels[name]}
    if not values:
        raise UsageError(
            f"no label is a lesion, got {sorted(labels) or 'none'}; name one in labels"
        )
    return MaskLabels(frozenset(known), frozenset(values), ignored=frozenset(ignored))


def ignored_words(labels: MaskLabels) -> str:
    """What becomes of masks that hold ignored values, in words; nothing where there are none."""
    if not labels.ignored:
        return ""
    values = ", ".join(map(str, sorted(labels.ignored)))
    return f"masks that hold the label {IGNORE} ({values}) are refused, for it is not background"
