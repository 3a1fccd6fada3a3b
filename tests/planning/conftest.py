"""What the tests of planning share."""

from __future__ import annotations

import pytest

from lesionseg.planning import anchor_fit

TRIES = anchor_fit.TRIES  # read before any fixture


@pytest.fixture
def all_places_for_anchors(monkeypatch):
    monkeypatch.setattr(anchor_fit, "TRIES", TRIES)
