"""A first data card for a folder that has none: what could be seen, and "unknown" for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from lesionseg.datasets.cards.fields import Channel, DataCard, Reading, Splits
from lesionseg.datasets.layouts.detection import Found
from lesionseg.errors import printable

UNKNOWN: Final = "unknown"
HEAD = """\
# A draft: what could be seen in the folder. Replace each "unknown" that can be answered, check the
# rest, and give this file as data.card=FILE.yaml.
"""


def draft_card(root: Path, found: Found) -> DataCard:
    """A card for the layout that was found; every question that names cannot answer is unknown."""
    channels: tuple[Channel, ...] = ()
    labels: dict[str, int] = {}
    if found.layout == "patterns" and found.channels:
        channels = tuple(
            Channel(name=name, modality="mri", pattern=pattern)  # until it is looked at
            for name, pattern in found.channels.items()
        )
        labels = {"lesion": 1}
    return DataCard(
        name=printable(root.stem) or "data",
        version=UNKNOWN,
        url=UNKNOWN,
        licence=UNKNOWN,
        citation=UNKNOWN,
        reading=Reading(
            layout=found.layout,
            channels=channels,
            mask=found.mask,
            labels=labels,
            spacing_mm=UNKNOWN,
        ),
        edges_mm=(3, 5, 10),
        splits=Splits(patient=UNKNOWN, test_patients="layout", reason=UNKNOWN),
        collection=UNKNOWN,
        annotation=UNKNOWN,
        raters=UNKNOWN,
        known_problems=(UNKNOWN,),
        personal_data=UNKNOWN,
        limits=(UNKNOWN,),
    )


def card_yaml(card: DataCard) -> str:
    """A card as the YAML file that would be it."""
    content = card.model_dump(mode="json", exclude_defaults=True)
    return HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
