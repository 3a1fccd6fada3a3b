"""What a bound on false lesions needs, and that a model without one is no model."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lesionseg.errors import UsageError
from lesionseg.inference.operating_point import Choice
from lesionseg.settings.training import TrainSettings
from lesionseg.stages import threshold_choice
from lesionseg.stages.threshold_choice import refuse_few_patients
from lesionseg.structures import OperatingPoint

CHOICE = Choice(OperatingPoint(0.5, 0.5), 0.0, 0.0, 0.0, 0.0, 11, 4, "a rule")


def cases(num, patients):
    return [SimpleNamespace(patient=f"p{i % patients}") for i in range(num)]


def test_a_bound_takes_as_many_patients_as_it_says_not_scans():
    train = TrainSettings(threshold="fdr=0.2")
    refuse_few_patients(train, cases(11, 11))
    with pytest.raises(UsageError, match=r"fdr=0\.2 takes 11 validation patients, there are 10"):
        refuse_few_patients(train, cases(30, 10))
    refuse_few_patients(TrainSettings(threshold="max_f1"), cases(1, 1))


def test_scans_that_choose_no_threshold_do_not_count():
    train = TrainSettings(threshold="fdr=0.2", threshold_cases=5)
    with pytest.raises(UsageError, match="there are 5"):
        refuse_few_patients(train, cases(30, 30))


@pytest.mark.parametrize(("threshold", "refused"), [("fdr=0.2", True), ("fp_per_scan=2", False)])
def test_a_model_without_the_bound_that_was_asked_for_is_refused(monkeypatch, threshold, refused):
    problem = "no threshold keeps false lesions at 20 % or below"
    none = Choice(**{**vars(CHOICE), "problem": problem})
    monkeypatch.setattr(threshold_choice, "choose_operating_points", lambda *_: [none])
    network = SimpleNamespace(to=lambda _: SimpleNamespace(eval=lambda: None))
    request = SimpleNamespace(
        name="unet", device="cpu", threads=1, train=TrainSettings(threshold=threshold)
    )

    class Classes:
        names = ("lesion",)

        def __len__(self):
            return 1

    def choose():
        return threshold_choice.chosen_thresholds(network, request, [], None, Classes())

    if refused:
        with pytest.raises(UsageError, match=problem):
            choose()
    else:
        assert choose() == {"lesion": none}
