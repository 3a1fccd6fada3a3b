"""How long and how a network is trained."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from lesionseg.settings.network import NETWORKS
from lesionseg.settings.record import (
    Count,
    NotKnown,
    NotNegative,
    Number,
    OneOf,
    Positive,
    Record,
    Text,
    Truth,
)
from lesionseg.settings.threshold_rule import DEFAULT, checked_rule

# of Lightning's, those in which slabs stay float32 and only the network's arithmetic is narrower
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed", "32", "bf16", "16")


def _as_name(value: object) -> object:
    """16 and 32 may be typed as numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _of_networks(steps: int | dict[str, int]) -> int | dict[str, int]:
    if isinstance(steps, dict):
        for name in steps:
            if name not in NETWORKS:
                raise NotKnown(name, NETWORKS, listed=True)
    return steps


class TrainingBudget(Record):
    """When training ends, and whether it goes on from where it stopped."""

    steps: Annotated[Positive | dict[str, Positive], AfterValidator(_of_networks)] | None = Field(
        default=None,
        description="The budget in steps, for every model, or for each, like "
        "{unet:2400,maskrcnn:800}; with minutes too, whichever ends first.",
    )
    minutes: Annotated[Number, Field(ge=1e-3)] | None = Field(
        default=None,
        description="The budget of each model in minutes of training, validation not counted.",
    )
    resume: Truth = Field(
        default=True, description="Go on from the last checkpoint where there is one."
    )

    def steps_of(self, model: str) -> int | None:
        """The budget of one model in steps; None where it is in minutes alone."""
        return self.steps.get(model) if isinstance(self.steps, dict) else self.steps


class TrainingRule(Record):
    """The optimisation, the same for every model of a comparison."""

    learning_rate: Annotated[Number, Field(ge=1e-9, le=10)] = Field(
        default=0.002, description="Peak learning rate; it falls along a cosine to a hundredth."
    )
    weight_decay: Annotated[Number, Field(ge=0, le=10)] = Field(
        default=0.0001, description="Weight decay of AdamW."
    )
    warmup_steps: Count = Field(
        default=100, description="Steps over which the learning rate rises."
    )
    clip_gradient: NotNegative = Field(
        default=10.0, description="Largest norm of the gradient; longer ones are scaled down to it."
    )
    checkpoint_every: Positive = Field(default=200, description="Steps between checkpoints.")
    validate_every: Positive = Field(default=1000, description="Steps between validations.")
    log_every: Positive = Field(default=20, description="Steps between the rows of log.csv.")
    num_workers: Count = Field(
        default=0, description="Loader processes; 0 is fastest on a few cores, 4 to 8 feed a GPU."
    )
    precision: Annotated[str, OneOf(PRECISIONS), BeforeValidator(_as_name)] = Field(
        default="auto",
        description="Precision of the arithmetic; auto: bf16-mixed on GPUs and CPUs made for it, "
        "else 32-true.",
    )


class TrainSettings(TrainingRule, TrainingBudget):
    """The group `train`."""

    validation_cases: Positive = Field(
        default=4, description="Validation cases scored at each validation during training."
    )
    threshold: Annotated[Text, AfterValidator(checked_rule)] = Field(
        default=DEFAULT,
        examples=["fp_per_scan=2", "max_f1", "max_quality", "recall=0.8", "fdr=0.2"],
        description="The rule that chooses the thresholds on validation: fp_per_scan=N, the lowest "
        "score with at most N false positives a scan; recall=R, the highest that finds that share "
        "of the lesions; max_f1; max_quality, lesion F1 times Dice; or fdr=A, the lowest score at "
        "which at most that share of a new patient's lesions is false, with 90 % confidence, which "
        "takes many validation patients (11 for fdr=0.2).",
    )
    threshold_cases: Positive = Field(
        default=100, description="Validation cases that choose the thresholds at the end, at most."
    )
