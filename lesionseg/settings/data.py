"""Where the scans are, and which of them are for training, validation and test."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lesionseg.settings.reading import ReadingSettings
from lesionseg.settings.record import (
    ClassValues,
    Count,
    Expression,
    NoTruth,
    Number,
    Positive,
    Record,
    Share,
    Text,
    Truth,
    Whole,
)


def _leaves_background(threshold: float) -> float:
    if threshold == 0:
        raise ValueError("at 0 every voxel is lesion; want above 0")
    return threshold


class PhantomSettings(Record):
    """The group `data.phantom`: the cohort that is made where data=phantom has no root."""

    num_train: Positive = Field(default=20, description="Training scans of the phantom cohort.")
    num_test: Count = Field(default=6, description="Test scans of the phantom cohort.")
    seed: Count = Field(default=0, description="Seed of the cohort: same seed, same files.")
    size: Annotated[Number, Field(ge=0.2, le=4)] = Field(
        default=1.0, description="Size of the head; 1 is 100 x 115 x 86 mm, smaller is quicker."
    )
    classes: Annotated[Literal[1, 2, 4], NoTruth] = Field(
        default=1,
        description="Lesion classes, which differ in one channel; some lesions of two touch.",
    )
    nested: Truth = Field(
        default=False, description="Larger lesions have a core, a region inside their own."
    )
    ignored: Truth = Field(
        default=False, description="Some shadows like faint lesions have the label ignore."
    )

    @model_validator(mode="after")
    def _cores_of_one_class(self) -> PhantomSettings:
        if self.nested and self.classes > 1:
            raise ValueError(
                f"data.phantom.nested=true with data.phantom.classes={self.classes}; want cores "
                "or classes, not both"
            )
        return self


class SplitRule(Record):
    """How patients are dealt to training, validation and test."""

    validation_fraction: Annotated[Number, Field(ge=0, le=0.9)] = Field(
        default=0.2, description="Share of the training patients used for validation."
    )
    test_fraction: Annotated[Number, Field(ge=0, le=0.9)] = Field(
        default=0.2,
        description="Share of all patients held out for testing, where card and folder fix no "
        "test set.",
    )
    folds: Annotated[Whole, Field(ge=2)] | None = Field(
        default=None,
        description="Folds of the training patients; `run` trains for all and predicts each by "
        "models that never saw it; null: one validation set.",
    )
    allow_look_alikes: Truth = Field(
        default=False,
        description="Scans of two patients that are nearly the same, or mirror images, may lie in "
        "two parts.",
    )
    fold: Count | None = Field(
        default=None,
        description="Number of the one fold that validates, from 0, beside a test set; null: none "
        "alone, see `data.folds`.",
    )

    @model_validator(mode="after")
    def _fold_of_folds(self) -> SplitRule:
        if self.folds is None and self.fold is not None:
            raise ValueError(f"data.fold is {self.fold} without data.folds; give their number too")
        return self


class DataSettings(SplitRule, ReadingSettings):
    """The group `data`."""

    card: Text | None = Field(
        default=None,
        description="Data card: the name of one shipped or the path of your own; null: drafted.",
    )
    root: Text | None = Field(
        description="Folder of the scans, or a CSV or TSV of paths; null with data=phantom: the "
        "cohort is made under OUTPUT/phantom.",
    )
    layout: Literal["auto", "nnunet", "msd", "bids", "table", "patterns"] | None = Field(
        default=None,
        description="How files are named; auto: found by looking; null: as the card says, or by "
        "looking without one.",
    )
    mask: Text | None = Field(
        default=None,
        description="Which masks are of lesions: the end of their BIDS names, their path pattern, "
        "or the column of a table; null: as the card says, else those whose names say so.",
    )
    lesions: tuple[Text, ...] = Field(
        default=(),
        description="The labels that are lesions, each a class, or the structures of RTSTRUCT "
        "masks, all of one class; none: as the card says, else all, where each says so by its "
        "name or there is one alone.",
    )
    classes: ClassValues | None = Field(
        default=None,
        examples=[{"core": [1, 3], "oedema": 2}],
        description="The lesion classes by name, each of one or several mask values; null: as the "
        "card says, or each of `lesions`.",
    )
    regions: Truth = Field(
        default=False,
        description="The `classes` contain one another, the larger ones first; a voxel belongs to "
        "each that holds its value.",
    )
    organ: tuple[Positive, ...] = Field(
        default=(), description="Mask values that may occur and are no lesion, like the organ."
    )
    ignore: tuple[Positive, ...] = Field(
        default=(),
        description="Mask values of voxels that nobody judged: neither lesion nor background.",
    )
    patient: Expression | None = Field(
        default=None,
        description="Regular expression that finds the patient in a case id; null: as the card "
        "says.",
    )
    mask_threshold: Annotated[Share, AfterValidator(_leaves_background)] | None = Field(
        default=None,
        description="At or above it a mask of probabilities is lesion; null: such masks are "
        "refused.",
    )
    phantom: PhantomSettings | None = Field(default=None, description="For data=phantom only.")

    @model_validator(mode="after")
    def _has_scans(self) -> DataSettings:
        if self.root is None and self.phantom is None:
            raise ValueError(
                "data.root is null; give the folder of the scans, or data=phantom, which makes them"
            )
        if self.classes is not None and self.lesions:
            raise ValueError("give data.lesions or data.classes, not both")
        if self.regions and self.classes is None:
            raise ValueError("data.regions=true wants data.classes, with the values of each")
        return self
