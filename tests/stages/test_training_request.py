"""By what a model is known again: what it was asked to be, not how long or on which day."""

from __future__ import annotations

import pytest

from lesionseg.cli import compose
from lesionseg.planning.anchor_plan import DetectorPlan
from lesionseg.planning.plan import ChannelPlan, Plan
from lesionseg.stages.training_request import training_request

PLAN = Plan((ChannelPlan("A", "mri", "zscore"),), 1.0, detector=DetectorPlan(window_px=96))


def request(*words, stage="train", name="unet", splits="s", edges_mm=(3.0, 5.0, 10.0)):
    wanted = compose(stage, ["output=x", "train.steps=5", *words])
    return training_request(
        name, wanted, PLAN, splits_sha256=splits, seed=wanted.seed, edges_mm=edges_mm
    )


def test_what_the_plan_says_is_filled_in():
    made = request(name="maskrcnn")
    assert made.sampling.size == 96
    assert made.settings["mask_bins"] == PLAN.detector.mask_bins
    assert request("sampling.size=64").sampling.size == 64


def test_run_and_train_ask_for_the_same_model():
    assert request(stage="run").finished_key == request().finished_key


@pytest.mark.parametrize(
    "word",
    [
        *("train.steps=9", "train.threshold_cases=3", "train.minutes=1"),
        *("train.threshold=max_f1", "train.threshold=fp_per_scan=4", "train.threshold=recall=0.8"),
    ],
)
def test_a_budget_changes_what_is_finished_but_not_what_is_resumed(word):
    assert request(word).key == request().key
    assert request(word).finished_key != request().finished_key


@pytest.mark.parametrize("word", ["train.log_every=7", "train.resume=false", "device=cpu"])
def test_what_only_watches_a_training_changes_nothing(word):
    assert request(word).finished_key == request().finished_key


@pytest.mark.parametrize(
    "word",
    ["seed=1", "train.learning_rate=0.1", "augmentation.flip=0", "network.unet.norm=instance"],
)
def test_what_a_model_is_made_of_changes_both(word):
    assert request(word).key != request().key


def test_other_splits_and_buckets_are_other_models():
    assert request(splits="t").key != request().key
    assert request(edges_mm=(2.0, 4.0)).finished_key != request().finished_key
