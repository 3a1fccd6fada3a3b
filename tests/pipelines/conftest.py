"""What the tests of pipelines share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def without_plots(undrawn):
    """Their plots are drawn in tests/reporting/page and by the quickstart."""
