"""A folder read by one of the layouts, as a data card describes it."""

from __future__ import annotations

from pathlib import Path

from lesionseg.datasets.cards.fields import Reading
from lesionseg.datasets.layouts import (
    Found,
    Layout,
    read_bids,
    read_decathlon,
    read_nnunet,
    read_path_table,
    read_patterns,
)
from lesionseg.errors import UsageError


def read_layout(
    layout: str,
    root: Path,
    reading: Reading,
    patient: str | None,
    seen: Found | None,
    *,
    masks: bool = True,
) -> Layout:
    """The scans of a folder of this layout.

    patient: as in `patient_of`. seen: what was found by looking, wanted for tables. masks: as in
    `whole`: training wants masks, prediction does not. Raises NoInputError, UsageError as the
    readers of the layouts do.
    """
    if layout in ("nnunet", "msd"):
        if masks and reading.mask is not None:
            raise UsageError(f"layout '{layout}' has its masks in dataset.json; drop the mask")
        read = read_nnunet if layout == "nnunet" else read_decathlon
        return read(root, patient=patient, masks=masks)
    if layout == "bids":
        patterns = {c.name: c.pattern or c.name for c in reading.channels}
        return read_bids(root, channels=patterns or None, mask=reading.mask, masks=masks)
    if layout == "table":
        assert seen is not None
        assert seen.table is not None
        return read_path_table(
            seen.table,
            patient=patient,
            consensus=reading.consensus,
            mask=reading.mask,
            masks=masks,
        )
    if layout == "patterns":
        return _read_patterns(root, reading, patient, masks)
    raise UsageError(f"data.layout is '{layout}'; want auto or one that lesionseg reads")


def _read_patterns(root: Path, reading: Reading, expression: str | None, masks: bool) -> Layout:
    if any(channel.pattern is None for channel in reading.channels) or not reading.channels:
        raise UsageError("layout 'patterns' wants a data card whose channels have patterns")
    return read_patterns(
        root,
        channels={channel.name: str(channel.pattern) for channel in reading.channels},
        mask=reading.mask,
        raters=reading.raters,
        consensus=reading.consensus,
        patient=expression,
        masks=masks,
    )
