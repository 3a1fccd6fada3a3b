"""Time points in the names of files, where a patient's folder holds several: P1/P1_T2_flair.nii.gz.

T1 and T2 name images too. They are time points where another word says what the image is, and
masks bear them as well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from lesionseg.datasets.layouts.name_kinds import kind_of
from lesionseg.datasets.layouts.patterns import FIELD
from lesionseg.io.formats import strip_suffix

SESSION = "{session}"
TIME = re.compile(
    r"(?<![A-Za-z0-9{])(?:(?:ses|session|visit|tp|time|timepoint|scan|t|v|m|y)-?\d{1,4}|\d{2})"
    r"(?![A-Za-z0-9}])",
    re.IGNORECASE,
)
MASKS = ("lesion", "mask")


def with_sessions(found: Mapping[str, str | None]) -> dict[str, str | None]:
    """The patterns of places, a time point in the name of a file as {session} where images and
    masks have several that agree; other patterns as they are."""
    made = {pattern: _with_session(pattern) for pattern in set(found.values()) if pattern}
    times: dict[str, set[str]] = defaultdict(set)
    kinds: dict[str, str] = {}
    for general, time in filter(None, made.values()):
        times[general].add(time)
        kinds[general] = kind_of(strip_suffix(FIELD.sub(" ", general.rpartition("/")[2])))
    of_masks = [times[general] for general, kind in kinds.items() if kind in MASKS]
    several = {
        general
        for general, kind in kinds.items()
        if kind in ("image", *MASKS) and any(len(times[general] & other) > 1 for other in of_masks)
    }
    return {place: _chosen(pattern, made, several) for place, pattern in found.items()}


def _chosen(
    pattern: str | None, made: Mapping[str, tuple[str, str] | None], several: set[str]
) -> str | None:
    general = made.get(pattern or "")
    return general[0] if general and general[0] in several else pattern


def _with_session(pattern: str) -> tuple[str, str] | None:
    """The pattern with its one time point as a field, and the time point; None without."""
    *folders, leaf = pattern.split("/")
    times = list(TIME.finditer(strip_suffix(leaf)))
    if not any("{patient}" in folder for folder in folders) or SESSION in pattern or not times:
        return None
    place = times[0]
    if len(times) > 1:  # of T1 and t1 in P1_T1_t1, the second is the image
        rest = [kind_of(one[0]) != "image" for one in times]
        place = times[rest.index(True)] if rest.count(True) == 1 else times[0]
    general = leaf[: place.start()] + SESSION + leaf[place.end() :]
    return "/".join([*folders, general]), place[0]
