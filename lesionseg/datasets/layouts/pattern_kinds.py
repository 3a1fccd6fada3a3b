"""What the files of path patterns are, by the text of the patterns besides their fields."""

from __future__ import annotations

from collections.abc import Collection

from lesionseg.datasets.layouts.name_kinds import Kind, holds_masks, is_mask, kind_of, words_of
from lesionseg.datasets.layouts.patterns import FIELD
from lesionseg.io.formats import strip_suffix, suffix_of


def pattern_kinds(patterns: Collection[str]) -> dict[str, Kind]:
    """The kind of each pattern's files.

    Where none says image, words that all those of lesions share, as tumor_t1 and tumor_mask do, are
    of the dataset and tell nothing: what then says image is one, if a mask is left beside it. Where
    an image is there without them, lesion_t1 is a mask that was drawn on T1.
    """
    kinds = {pattern: pattern_kind(pattern) for pattern in patterns}
    lesions = [pattern for pattern, kind in kinds.items() if kind == "lesion"]
    if "image" in kinds.values() or len(lesions) < 2:
        return kinds
    words = {pattern: words_of(_texts(pattern)[-1]) for pattern in lesions}
    shared = set.intersection(*map(set, words.values()))
    rest = {p: kind_of(" ".join(word for word in words[p] if word not in shared)) for p in lesions}
    if not any(map(is_mask, rest.values())):
        return kinds
    return {**kinds, **{pattern: kind for pattern, kind in rest.items() if kind == "image"}}


def pattern_kind(pattern: str) -> Kind:
    """What the text of one pattern says besides its fields."""
    *folders, leaf = _texts(pattern)
    of_masks = [name for name in folders if holds_masks(name.strip())]
    if of_masks:
        return kind_of([*of_masks, leaf])
    kind = kind_of(leaf)
    return kind_of(folders) if kind == "unknown" and folders else kind


def _texts(pattern: str) -> list[str]:
    """The folders and the name without its ending, fields left out."""
    *folders, leaf = (FIELD.sub(" ", part) for part in pattern.split("/"))
    return [*folders, strip_suffix(leaf) if suffix_of(leaf) else leaf]
