"""Which volume of a file that holds several is read: by one rule for all formats."""

from __future__ import annotations

from collections.abc import Sequence

from lesionseg.errors import CaseError

WANT_ONE = (
    "want one: save the volume that is meant as a file of its own, or say which it is, from 0, by "
    "volume=0 in lesionseg predict and read_volume"
)


def chosen_volume(
    wanted: int | None, count: int, shape: Sequence[int], name: str, case: str
) -> int:
    """The number of the volume to read, from 0.

    wanted: as asked for; None takes the one of a file that holds one. count: volumes of the file,
    each of `shape`. Raises CaseError for one that is not there, and where none of several is named.
    """
    if wanted is None and count > 1:
        raise CaseError(
            case,
            f"{name} holds several volumes ({count} of {'x'.join(map(str, shape))}); {WANT_ONE}",
        )
    if wanted is not None and not 0 <= wanted < count:
        raise CaseError(case, f"{name} has no volume {wanted}; it holds {count}, counted from 0")
    return wanted or 0
