"""Which of a folder's patterns is that of the lesion masks: told by names, or asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.layouts.name_kinds import Kind
from lesionseg.errors import UsageError

SHOWN = 6  # patterns that a message names


def lesion_mask(
    root: Path, first: str, found: Mapping[str, set[int]], kinds: Mapping[str, Kind]
) -> str | None:
    """The pattern of the lesion masks. Raises UsageError where none or several are it."""
    others = [p for p in sorted(found) if p != first]
    best = [p for p in others if kinds[p] == "lesion"]
    best = best or [p for p in others if kinds[p] == "mask"]
    folder = first.rpartition("/")[0]
    best = [p for p in best if p.rpartition("/")[0] == folder] or best
    if len(best) == 1:
        return best[0]
    recurring = [p for p in others if len(found[p]) > 1]
    maybe = best or [p for p in recurring if kinds[p] in ("other mask", "unknown")]
    if not maybe:
        return None
    what = "several may be" if best else "none says that it is"
    raise UsageError(
        f"{root.name}: of {_shown(maybe)}, {what} the mask of the lesions; say "
        f"which with data.mask, for example data.mask='{maybe[0]}'"
    )


def named_mask(root: Path, mask: str, found: Mapping[str, set[int]]) -> str:
    """The pattern that a user means by a pattern or by the name of a file."""
    fitting = [p for p in sorted(found) if p == mask or p.rpartition("/")[2] == mask]
    if len(fitting) == 1 or mask in fitting:
        return mask if mask in fitting else fitting[0]
    got = _shown(sorted(found))
    raise UsageError(f"data.mask is '{mask}', which {root.name} does not hold once; got {got}")


def _shown(patterns: Sequence[str]) -> str:
    more = f" and {len(patterns) - SHOWN} more" if len(patterns) > SHOWN else ""
    return ", ".join(f"'{pattern}'" for pattern in patterns[:SHOWN]) + more
