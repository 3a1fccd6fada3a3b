"""The page and the schema in docs are those that the card's fields make."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest
import yaml

from lesionseg.datasets.cards.docs import PAGE, SCHEMA, card_page, card_schema
from lesionseg.datasets.cards.fields import DataCard

DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize(("name", "made"), [(PAGE, card_page), (SCHEMA, card_schema)])
def test_docs_are_in_step_with_the_fields(name, made):
    assert (DOCS / name).read_text(encoding="utf-8") == made(), "run `make cards`"


def test_the_page_names_every_field_and_every_card():
    page = card_page()
    shipped = [f.name for f in resources.files("lesionseg.data_cards").iterdir()]
    cards = [name.removesuffix(".yaml") for name in shipped if name.endswith(".yaml")]
    assert len(cards) >= 10
    for name in (*DataCard.model_fields, *cards):
        assert f"| `{name}` |" in page


def test_the_schema_wants_what_the_shipped_cards_have():
    schema = json.loads(card_schema())
    assert schema["additionalProperties"] is False
    text = resources.files("lesionseg.data_cards").joinpath("open_ms.yaml").read_text()
    assert set(schema["required"]) == set(yaml.safe_load(text))
