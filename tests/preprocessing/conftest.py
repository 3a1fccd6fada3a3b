"""A small phantom cohort, and a copy of it that a test may break."""

from __future__ import annotations

import shutil

import pytest

from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.settings.data import PhantomSettings


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort")
    return write_cohort(root, PhantomSettings(num_train=6, num_test=1, seed=3, size=0.35))


@pytest.fixture
def broken(cohort, tmp_path):
    """A copy whose files may be broken."""
    return shutil.copytree(cohort, tmp_path / "raw")
