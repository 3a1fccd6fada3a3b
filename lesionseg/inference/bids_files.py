"""The names of a prediction's files as a BIDS derivative, by the name of its case."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from lesionseg.datasets.layouts.bids_names import parse_name
from lesionseg.errors import UsageError

BIDS = "bids"  # the format, and its folder
ENDINGS = (".nii.gz", ".tsv", ".json")
OF_DERIVATIVES = ("space", "res", "den", "label", "desc")  # entities that say how a file was made


def bids_start(case: str) -> str:
    """Folder and first entities of a case's files: "sub-01/ses-02/anat/sub-01_ses-02_run-1".

    The entities of a case that is named as in BIDS, sub-CASE for another: its letters, without
    their accents, and digits.
    """
    named = parse_name(Path(f"{case}_image.nii.gz"))
    entities = {"sub": _plain(case)}
    if named is not None:
        entities = {k: v for k, v in named.entities.items() if k not in OF_DERIVATIVES}
    folders = [f"{key}-{entities[key]}" for key in ("sub", "ses") if key in entities]
    return "/".join([*folders, "anat", "_".join(f"{k}-{v}" for k, v in entities.items())])


def _plain(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "", unicodedata.normalize("NFKD", text))


def bids_files(case: str, model: str) -> list[str]:
    """The files of a case, relative to the folder of predictions."""
    start = f"{BIDS}/{bids_start(case)}_desc-{_plain(model)}_dseg"
    return [f"{start}{ending}" for ending in ENDINGS]


def refuse_shared_names(cases: Iterable[str]) -> None:
    """Raise UsageError for a case that BIDS has no name for, and two that would have one name."""
    owner: dict[str, str] = {}
    for case in cases:
        start = bids_start(case).lower()
        if start.endswith("sub-"):
            raise UsageError(
                f"case {case} has no letter or digit for a BIDS name; rename it, or leave out "
                "formats=[bids]"
            )
        other = owner.setdefault(start, case)
        if other != case:
            raise UsageError(
                f"cases {other} and {case} would both be {bids_start(case).rpartition('/')[2]} in "
                "BIDS; rename one, or leave out formats=[bids]"
            )
