"""Several models as one: what they must have in common, and what is taken from each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from exported_predictions import MODEL

from lesionseg.errors import UsageError
from lesionseg.inference import Detections, predict_case
from lesionseg.inference.ensemble import Ensemble, ensemble_of, single
from lesionseg.inference.export_record import made_by
from lesionseg.lesion_classes import named_classes
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.planning.training_scans import TrainingScans
from lesionseg.structures import OperatingPoint, Volume

FLAIR, T1 = ChannelPlan("FLAIR", "mri", "zscore"), ChannelPlan("T1", "mri", "zscore")


class Sees(torch.nn.Module):
    """Lesion is where the first channel lies above a bound: with a probability, or as one detection
    a slice with a score."""

    scored_by = "peak"

    def __init__(self, bound, value, *, detects=False):
        super().__init__()
        self.detects, self.bound, self.value = detects, bound, value
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.shapes = set()

    @torch.no_grad()
    def predict(self, images):
        self.shapes.add(tuple(images.shape[2:]))
        inside = images[:, 0] * self.weight > self.bound
        if not self.detects:
            return list(inside[:, None].float() * self.value)
        return [self._detection(one) for one in inside]

    def _detection(self, inside):
        places = torch.nonzero(inside)
        num = min(len(places), 1)
        boxes = torch.zeros(num, 4)
        if num:
            low, high = places.amin(0), places.amax(0) + 1
            boxes[0] = torch.tensor([low[1], low[0], high[1], high[0]])
        scores = torch.full((num,), self.value)
        return Detections(boxes, scores, torch.ones(num, dtype=torch.int64), torch.ones(num, 8, 8))


def member(network=None, *, spacing=1.0, points=((0.5, 0.5),), **changes):
    plan = Plan((FLAIR,), spacing, context_slices=0, cuts_air=False)
    model = dataclasses.replace(
        MODEL,
        network=network or Sees(8, 0.8),
        plan=dataclasses.replace(plan, **changes.pop("plan", {})),
        points=tuple(OperatingPoint(*point) for point in points),
    )
    return dataclasses.replace(model, **changes)


def a_scan():
    """A cube of 6 voxels a side, its core of 4 brighter, in noise."""
    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, (24, 24, 12)).astype(np.float32)
    image[8:14, 8:14, 3:9] = 200
    image[9:13, 9:13, 4:8] = 300
    return Volume(image, np.eye(4))


def test_thresholds_are_the_mean_of_the_members_own():
    joined = ensemble_of({"a": member(points=((0.4, 0.7),)), "b": member(points=((0.5, 0.2),))})
    (point,) = joined.points
    assert point.voxel_threshold == pytest.approx(0.45)
    assert point.score_threshold == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (member(name="maskrcnn"), "model b is a maskrcnn, model a a unet"),
        (member(plan={"channels": (FLAIR, T1)}), r"b reads FLAIR \(mri\), T1 \(mri\), model a FLA"),
        (member(plan={"channels": (T1,)}), r"b reads T1 \(mri\), model a FLAIR \(mri\)"),
        (
            member(plan={"channels": (ChannelPlan("FLAIR", "ct", "cohort"),)}),
            r"b reads FLAIR \(ct\)",
        ),
        (
            member(plan={"lesion_classes": named_classes({"core": (1,), "rim": (2,)})}),
            "model b tells apart .*core.*rim.*, model a .*lesion",
        ),
        (
            member(plan={"lesion_classes": named_classes({"lesion": (2,)})}),
            "model b tells apart .*2",
        ),
    ],
)
def test_members_that_do_not_fit_together_are_one_line(other, said):
    with pytest.raises(UsageError, match=said) as caught:
        ensemble_of({"a": member(), "b": other})
    assert "\n" not in str(caught.value)


def test_members_that_score_lesions_otherwise_are_refused():
    other = Sees(8, 0.8)
    other.scored_by = "mean"
    with pytest.raises(UsageError, match="b scores lesions by mean, model a peak"):
        ensemble_of({"a": member(), "b": member(other)})


def test_one_network_is_asked_for_where_an_ensemble_has_no_answer():
    one = member()
    assert single(one, "x") is one
    with pytest.raises(UsageError, match="model x is an ensemble of 2; want one network"):
        single(ensemble_of({"a": one, "b": member()}), "x")


@pytest.mark.parametrize("detects", [True, False])
def test_an_ensemble_of_a_model_or_of_it_twice_says_what_the_model_says(detects):
    model, scan = member(Sees(8, 0.83, detects=detects)), a_scan()
    alone = predict_case(model, scan)
    assert len(alone.scores) == 1
    for members in ({"a": model}, {"a": model, "b": dataclasses.replace(model)}):
        joined = ensemble_of(members)
        assert isinstance(joined, Ensemble)
        found = predict_case(joined, scan)
        np.testing.assert_array_equal(found.mask, alone.mask)
        np.testing.assert_array_equal(found.instances, alone.instances)
        np.testing.assert_array_equal(found.probability, alone.probability)
        assert found.scores == alone.scores


def test_semantic_members_of_two_plans_are_averaged():
    """One sees the cube, one its core; where both see it the mean is above one half."""
    wide, core = member(Sees(8, 0.6)), member(Sees(17, 0.8), spacing=1.0, plan={"margin_mm": 5})
    assert wide.plan.case_key != core.plan.case_key
    found = predict_case(ensemble_of({"a": wide, "b": core}), a_scan())
    expected = np.zeros((24, 24, 12), bool)
    expected[9:13, 9:13, 4:8] = True
    np.testing.assert_array_equal(found.mask > 0, expected)
    np.testing.assert_allclose(found.probability[expected], 0.7, rtol=1e-6)
    np.testing.assert_allclose(found.probability[8, 8:14, 3:9], 0.3, rtol=1e-6)
    assert found.scores == pytest.approx({1: 0.7})


def test_members_are_joined_on_the_finest_grid_that_one_has():
    coarse, fine = member(Sees(8, 0.8), spacing=2.0), member(Sees(8, 0.8), spacing=0.5)
    one, other = (
        predict_case(ensemble_of(dict(zip("ab", members))), a_scan())
        for members in ((coarse, fine), (fine, coarse))
    )
    np.testing.assert_array_equal(one.mask, other.mask)
    assert coarse.network.shapes == {(12, 12)}  # each by its own plan
    assert fine.network.shapes == {(48, 48)}
    cube = np.zeros((24, 24, 12), bool)
    cube[8:14, 8:14, 3:9] = True
    assert 2 * (one.mask[cube] > 0).sum() / (cube.sum() + (one.mask > 0).sum()) > 0.9


def test_the_record_of_a_mask_names_every_member_and_notices_one_that_changed():
    model, other = member(weights_sha256="a" * 64), member(weights_sha256="b" * 64)
    record = made_by(ensemble_of({"a": model, "b": other}))
    assert [one["weights_sha256"] for one in record["members"]] == ["a" * 64, "b" * 64]
    assert "members" not in made_by(model)
    changed = [
        {"weights_sha256": "c" * 64},
        {"settings_sha256": "d" * 64},
        {"plan": dataclasses.replace(other.plan, in_plane_spacing_mm=0.9)},
        {"points": (OperatingPoint(0.5, 0.6),)},
    ]
    for change in changed:
        again = made_by(ensemble_of({"a": model, "b": dataclasses.replace(other, **change)}))
        assert again != record
    for key in ("weights_sha256", "settings_sha256", "plan_sha256"):
        assert len(record[key]) == 64


def test_scans_are_compared_with_those_of_all_members():
    def seen(low, high, axes):
        ranges = ((low, high),)
        return TrainingScans(
            4, (low, high), (low, high), axes, ranges * 3, ranges, ranges, looks=("x",)
        )

    joined = ensemble_of(
        {
            "a": member(plan={"scans": seen(1.0, 2.0, (2,))}),
            "b": member(plan={"scans": seen(0.5, 1.5, (0,))}),
        }
    )
    scans = joined.plan.scans
    assert (scans.in_plane_mm, scans.slab_mm, scans.slab_axes) == ((0.5, 2.0), (0.5, 2.0), (0, 2))
    assert (scans.field_mm, scans.low, scans.high) == (((0.5, 2.0),) * 3, *(((0.5, 2.0),),) * 2)
    unknown = ensemble_of({"a": member(), "b": member(plan={"scans": seen(1.0, 2.0, (2,))})})
    assert not unknown.plan.scans.num_scans


def test_how_members_were_trained_stands_side_by_side_where_it_differs():
    choice = {"fp_per_scan": 1.0, "problem": "", "of_all": "", "rule": "max_f1"}
    other = choice | {"fp_per_scan": 2.0, "problem": "no lesion"}
    trained = {"steps": 5, "seed": 0, "train": {"a": 1, "b": 2}}
    joined = ensemble_of(
        {
            "a": member(training=trained | {"threshold_choice": {"lesion": choice}}),
            "b": member(
                training=trained
                | {"seed": 1, "train": {"a": 1, "b": 3}, "threshold_choice": {"lesion": other}}
            ),
        }
    )
    assert joined.training == {
        "members": 2,
        "steps": 5,
        "seed": [0, 1],
        "train": {"a": 1, "b": [2, 3]},
        "threshold_choice": {
            "lesion": {"fp_per_scan": 1.5, "problem": "no lesion", "of_all": "", "rule": "max_f1"}
        },
    }
