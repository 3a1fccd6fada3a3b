"""Preprocessing with small numbers, of a cohort that is read as the phantom."""

from __future__ import annotations

from lesionseg.datasets.dataset import find_scans, load_card
from lesionseg.preprocessing.stage import build_dataset
from lesionseg.settings.data import SplitRule
from lesionseg.settings.plan import PlanOverrides


def build(root, out, **options):
    options = {
        "workers": 0,
        "seed": 1,
        "split": SplitRule(validation_fraction=0.3),
        "overrides": PlanOverrides(),
    } | options
    return build_dataset(find_scans(load_card("phantom"), root), out, **options)
