"""By what a model is known again: everything that its weights and thresholds are made from."""

from __future__ import annotations

import pytest
from tiny_run import last_of_each

from lesionseg.cli import compose
from lesionseg.planning.anchor_plan import DetectorPlan
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.stages.training_request import training_request
from lesionseg.storage.provenance import changed_parts

PLAN = Plan((ChannelPlan("A", "mri", "zscore"),), 1.0, detector=DetectorPlan(window_px=96))


def request(*words, stage="train", name="unet", splits="s", cases="c", edges_mm=(3.0, 5.0, 10.0)):
    wanted = compose(stage, last_of_each(["output=x", "train.steps=5", *words]))
    return training_request(
        name,
        wanted,
        PLAN,
        splits_sha256=splits,
        cases_sha256=cases,
        seed=wanted.seed,
        edges_mm=edges_mm,
    )


def changed(*words, **options):
    """Parts of the model, and of its weights alone, that differ from the usual request."""
    usual, other = request(), request(*words, **options)
    return (
        changed_parts(usual.model_from, other.model_from),
        changed_parts(usual.weights_from, other.weights_from),
    )


def test_what_the_plan_says_is_filled_in():
    made = request(name="maskrcnn")
    assert made.sampling.size == 96
    assert made.settings["mask_bins"] == PLAN.detector.mask_bins
    assert request("sampling.size=64").sampling.size == 64


def test_run_and_train_ask_for_the_same_model():
    assert changed(stage="run") == ((), ())


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("train.steps=9", "budget"),
        ("train.minutes=1", "budget"),
        ("seed=1", "seed"),
        ("train.learning_rate=0.1", "train"),
        ("augmentation.flip=0", "augmentation"),
        ("sampling.size=64", "sampling"),
        ("network.unet.norm=instance", "network"),
    ],
)
def test_what_weights_are_made_of_is_named(word, part):
    assert changed(word) == ((part,), (part,))


def test_thresholds_and_buckets_make_another_model_of_the_same_weights():
    for word in ("train.threshold_cases=3", "train.threshold=max_f1", "train.threshold=recall=0.8"):
        assert changed(word) == (("thresholds",), ())
    assert changed(edges_mm=(2.0, 4.0)) == (("edges_mm",), ())


@pytest.mark.parametrize(
    "word", ["train.log_every=7", "train.resume=false", "device=cpu", "threads=1"]
)
def test_what_only_watches_a_training_changes_nothing(word):
    assert changed(word) == ((), ())


def test_other_splits_and_other_content_of_the_cases_are_other_weights():
    assert changed(splits="t") == (("splits",), ("splits",))
    assert changed(cases="d") == (("cases",), ("cases",))
