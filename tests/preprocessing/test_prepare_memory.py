"""A grid that does not fit into memory is refused before any of it is taken."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.errors import CaseError
from lesionseg.planning.plan import ChannelPlan, Plan
from lesionseg.preprocessing.case import prepare_image
from lesionseg.structures import Volume


def test_a_spacing_that_asks_for_more_than_there_is_rejects_the_scan(monkeypatch):
    monkeypatch.setattr("lesionseg.storage.memory.free_memory", lambda: 2_000_000_000)
    rng = np.random.default_rng(0)
    array = np.zeros((64, 64, 20), np.float32)
    array[8:56, 8:56, 2:18] = rng.uniform(50, 100, (48, 48, 16))
    volume = Volume(array, np.diag([1.0, 1.0, 3.0, 1.0]))
    plan = Plan((ChannelPlan("FLAIR", "mri", "zscore"),), 0.01)
    with pytest.raises(
        CaseError, match=r"case a: the scan of .* resampled to .* of memory"
    ) as caught:
        prepare_image([volume], plan, case="a")
    assert "\n" not in str(caught.value)
