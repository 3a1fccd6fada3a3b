"""docs/reference/data_cards.md and data_card.schema.json, made from the card's own fields.

python -m lesionseg.datasets.cards.docs [FOLDER]    (by default docs/reference)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lesionseg.datasets.cards.fields import Channel, DataCard, Reading, Splits
from lesionseg.datasets.dataset import load_card
from lesionseg.storage.atomic import write_text

PAGE, SCHEMA = "data_cards.md", "data_card.schema.json"
HEAD = """\
# Data cards

A data card is a YAML file that says what a dataset is, how it is read, how it is split and what to
beware of; the report prints it beside the scores. Every field without a default must be there.
"unknown" is an answer; leaving a field out is not, and a field that is not known here is an error.
`lesionseg check data.root=DIR output=DIR` drafts a card for a folder; give it as
`data.card=FILE.yaml`. This page and [the JSON schema](data_card.schema.json) are made by
`python -m lesionseg.datasets.cards.docs`.
"""


def card_page() -> str:
    """The page: every field of a card, then the cards that are shipped."""
    parts = [HEAD]
    for title, model in (
        ("The card", DataCard),
        ("reading", Reading),
        ("reading.channels", Channel),
        ("splits", Splits),
    ):
        parts.append(f"## {title}\n\n" + "\n".join(_field_table(model)) + "\n")
    parts.append("## Shipped cards\n\n" + "\n".join(_shipped()) + "\n")
    return "\n".join(parts)


def card_schema() -> str:
    """The JSON schema of a card, for editors."""
    return json.dumps(DataCard.model_json_schema(), indent=1) + "\n"


def _field_table(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    yield "| field | | what |"
    yield "|---|---|---|"
    for name, field in schema["properties"].items():
        needed = "required" if name in required else f"default {_default(field.get('default'))}"
        what = str(model.model_fields[name].description).replace("|", "\\|")
        yield f"| `{name}` | {needed} | {what} |"


def _default(value: Any) -> str:
    return "none" if value in (None, [], {}) else f"`{value}`"


def _shipped() -> Iterator[str]:
    yield "| `data=` | dataset | layout | licence | test set |"
    yield "|---|---|---|---|---|"
    folder = resources.files("lesionseg.data_cards")
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml")):
        card = load_card(name.removesuffix(".yaml"))
        fixed = card.splits.test_patients
        tests = fixed if isinstance(fixed, str) else ", ".join(fixed) or "none fixed"
        yield (
            f"| `{name.removesuffix('.yaml')}` | {card.name} | {card.reading.layout} "
            f"| {card.licence} | {tests} |"
        )


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")
    write_text(folder / PAGE, card_page())
    write_text(folder / SCHEMA, card_schema())


if __name__ == "__main__":
    main()
