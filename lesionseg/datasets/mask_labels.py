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
    """What the values mean. lesions: the labels that are; else all, where each says lesion or
    there is one alone.

    Raises UsageError where another of several does not say lesion: an organ would become one.
    """
    ignored = set(labels.get(IGNORE, ()))
    named = [name for name in labels if name != IGNORE]
    names = lesions or named
    if unknown := set(names) - set(named):
        raise UsageError(f"lesion labels {sorted(unknown)} are not among {sorted(named)}")
    said = [name for name in names if kind_of(name) == "lesion"]
    if not lesions and len(said) < len(names) and len(names) > 1:
        what = f"some say lesion by their names ({', '.join(said)}) and others do not"
        raise UsageError(
            f"of the labels {', '.join(names)}, {what if said else 'none says lesion by its name'}"
            "; say which are lesions with data.lesions, for example "
            f"data.lesions=[{','.join(said or names[-1:])}]"
        )
    values = {value for name in names for value in labels[name]}
    known = {value for name in named for value in labels[name]}
    if not values:
        raise UsageError(
            f"no label is a lesion, got {sorted(labels) or 'none'}; name one in labels"
        )
    return MaskLabels(frozenset(known), frozenset(values), ignored=frozenset(ignored))


def lesion_words(names: Mapping[str, tuple[int, ...]], labels: MaskLabels) -> str:
    """Which labels are taken as lesions, in words; nothing where none has a name."""
    taken = [
        f"{name} ({', '.join(map(str, values))})"
        for name, values in names.items()
        if name != IGNORE and set(values) <= labels.lesions
    ]
    return f"labels taken as lesions: {', '.join(taken)}" if taken else ""


def ignored_words(labels: MaskLabels) -> str:
    """What becomes of masks that hold ignored values, in words; nothing where there are none."""
    if not labels.ignored:
        return ""
    values = ", ".join(map(str, sorted(labels.ignored)))
    return f"masks that hold the label {IGNORE} ({values}) are refused, for it is not background"
