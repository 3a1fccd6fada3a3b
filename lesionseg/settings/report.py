"""How masks are scored, and what a report is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lesionseg.settings.common import Device, LossSlabs, Seed, SizeEdges, Workers
from lesionseg.settings.defaults import COMPARE_AT, CONNECTIVITY, DRAWS, FOUND_IOU
from lesionseg.settings.labels import LabelSettings
from lesionseg.settings.reading import AffineSettings
from lesionseg.settings.record import (
    AboveZero,
    Count,
    Expression,
    Number,
    Paths,
    Positive,
    Share,
    Text,
    Truth,
)
from lesionseg.settings.shards import Shards

Missing = Literal["leave_out", "empty"]
LEAVE_OUT: Missing = "leave_out"


def _number(folders: str | tuple[str, ...]) -> int:
    return 1 if isinstance(folders, str) else len(folders)


class ScoringOptions(LabelSettings, Seed, SizeEdges, AffineSettings):
    """How masks are read and scored; every one of these is printed on the page."""

    connectivity: Literal[6, 18, 26] = Field(
        default=CONNECTIVITY, description="Which neighbours of a voxel belong to the same lesion."
    )
    found_iou: Share = Field(
        default=FOUND_IOU,
        description="A lesion is found at this IoU with its predictions; 0: any overlap.",
    )
    missing: Missing = Field(
        default=LEAVE_OUT,
        description="A case for which a model has no prediction: leave_out compares the models on "
        "the others, empty scores it as an empty mask.",
    )
    threshold: AboveZero | None = Field(
        default=None,
        description="At or above it a mask that holds fractions is lesion; null: such masks are "
        "refused.",
    )
    candidate_threshold: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.1, description="At or above it a probability map is a candidate lesion."
    )
    fix_grid: Truth = Field(
        default=False,
        description="Resample predictions that lie on another grid than the reference, lesion by "
        "lesion; false: refuse them.",
    )
    structures: tuple[Text, ...] = Field(
        default=(),
        examples=[("GTV",)],
        description="Names of the structures in RT structure sets that are lesions; none: a set "
        "holds one.",
    )
    compare_at: AboveZero = Field(
        default=COMPARE_AT,
        description="False positives a scan at which models are compared; where a model's curve "
        "ends earlier, the largest number that all reach.",
    )
    draws: Annotated[Positive, Field(le=100_000)] = Field(
        default=DRAWS, description="Draws of the bootstrap over patients."
    )
    atlas: Count = Field(
        default=3,
        description="Lesions a size in the miss atlas, of missed ones and of false positives.",
    )
    viewer: Count = Field(default=3, description="Worst cases embedded in the slice viewer.")


class ReportSettings(Shards, ScoringOptions, LossSlabs, Device, Workers):
    """The stage `report`."""

    reference: Text = Field(
        description="Folder of reference masks: binary, or lesion ids.",
    )
    predictions: dict[str, Paths] = Field(
        default={},
        description="predictions.NAME=DIR: folder of that model's masks; two give a paired "
        "comparison. predictions=DIR alone takes the folder's name. predictions.NAME=[DIR,DIR]: of "
        "the same model trained with several seeds.",
    )
    output: Text = Field(description="Folder for report.html, the tables and the plots.")
    images: Text | None = Field(
        default=None, description="Folder of scans, shown behind the outlines; null: black."
    )
    probabilities: dict[str, Paths] = Field(
        default={},
        description="probabilities.NAME=DIR: folder of probability maps, for FROC and average "
        "precision; as many as there are of predictions.NAME.",
    )
    patient: Expression | None = Field(
        default=None,
        description="Regular expression that finds the patient in a case id; null: the BIDS "
        "subject, else every case is a patient.",
    )
    participants: Text | None = Field(
        default=None,
        description="CSV or TSV table of the patients, such as BIDS' participants.tsv, for "
        "`stratify`.",
    )
    stratify: Text | None = Field(
        default=None,
        examples=["scanner"],
        description="Column of `participants`: figures are given for each of its values too.",
    )
    title: Text | None = Field(default=None, description="Title of the page; null: what it shows.")
    models: dict[str, Text] = Field(
        default={},
        description="models.NAME=DIR: model folder, whose training loss by lesion size is measured "
        "on `cases`.",
    )
    cases: Text | None = Field(
        default=None, description="Folder of preprocessed cases, RUN/preprocessed, for `models`."
    )
    loss_shares: Text | None = Field(
        default=None,
        description="Instead of `models`: CSV with model, term, bucket, share_loss, "
        "share_gradient.",
    )
    training: dict[str, Text] = Field(
        default={},
        description="training.NAME=FILE: YAML or JSON file of how that model was trained; "
        "differences are shown.",
    )
    data_card: Text | None = Field(
        default=None, description="YAML file about the data, shown on the page."
    )

    @field_validator("predictions", mode="before")
    @classmethod
    def _named_by_folder(cls, given: object) -> object:
        if isinstance(given, str) and given:
            return {Path(given).resolve().name or "model": given}
        return given

    @model_validator(mode="after")
    def _keys_that_go_together(self) -> ReportSettings:
        if self.loss_shares and self.models:
            raise ValueError("loss_shares and models.NAME both give shares of the loss; give one")
        if (self.participants is None) != (self.stratify is None):
            raise ValueError("participants=FILE and stratify=COLUMN go together; give both")
        for name, folders in self.probabilities.items():
            ours, theirs = _number(folders), _number(self.predictions.get(name, folders))
            if ours != theirs:
                raise ValueError(
                    f"probabilities.{name} has {ours} folders, predictions.{name} {theirs}; give "
                    "one for each"
                )
        if self.models and not self.cases:
            raise ValueError("models.NAME needs cases=RUN/preprocessed, the cases of its training")
        if self.models and self.loss_slabs < 1:
            raise ValueError("loss_slabs is 0; with models.NAME want a whole number of at least 1")
        return self
