"""The fields of a data card: what a dataset is, how it is read, and what to beware of.

"unknown" is an answer to every question; leaving a question out is not.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lesionseg.datasets.layouts.detection import LayoutName
from lesionseg.datasets.layouts.patient_pattern import check_expression
from lesionseg.errors import UsageError

Modality = Literal["mri", "ct"]
Normalisation = Literal["zscore", "cohort"]
Text = Annotated[str, Field(min_length=1)]
Spacing = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Value = Annotated[int, Field(ge=1)]  # of a mask
Unknown = Literal["unknown"]
NORMALISATIONS: dict[Modality, Normalisation] = {"mri": "zscore", "ct": "cohort"}
PATIENT_WORDS = ("layout", "unknown")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Channel(_Strict):
    """One image of a scan."""

    name: Text = Field(description="As it stands in dataset.json or a table, or any name.")
    modality: Modality = Field(description="mri, or ct in Hounsfield units.")
    normalisation: Normalisation | None = Field(
        default=None,
        description="zscore: by the scan's own voxels inside the foreground, for images without a "
        "unit; cohort: clipped and scaled by statistics of all training scans, for images with one "
        "(CT in HU, a map of ADC or T1). Left out: zscore for mri, cohort for ct.",
    )
    pattern: Text | None = Field(
        default=None,
        description='Layout patterns: its path under the root, like "{patient}/FLAIR.nii.gz"; '
        'several, parted by " | ", for folders of several depths. Layout bids: what its name ends '
        'in, like "acq-3D_FLAIR".',
    )

    @property
    def scaled_by(self) -> Normalisation:
        """The normalisation that is done: the one asked for, or that of the modality."""
        return self.normalisation or NORMALISATIONS[self.modality]


class Reading(_Strict):
    """How files become scans."""

    layout: LayoutName | Literal["auto"] = Field(
        description="nnunet, msd, bids, table, patterns, or auto: found by looking."
    )
    channels: tuple[Channel, ...] = Field(
        default=(), description="In their order; left empty, they come from the layout."
    )
    mask: Text | None = Field(
        default=None,
        description="Pattern of the lesion mask, as of a channel; of a table, its column. Left "
        "out: the one whose name says so.",
    )
    raters: dict[Text, Text] = Field(
        default={},
        description="Layout patterns, instead of mask: pattern of the mask of each rater.",
    )
    consensus: Literal["majority", "staple"] = Field(
        default="majority", description="How the raters' masks become one reference."
    )
    few_raters: Literal["background", "ignore"] = Field(
        default="background",
        description="What a lesion is that raters drew and their consensus has no voxel of: "
        "background, or ignored like the values of ignore, of which it then takes the lowest.",
    )
    labels: dict[Text, Value] = Field(
        default={}, description="Name and value in the mask; from dataset.json for nnunet and msd."
    )
    lesions: tuple[Text, ...] = Field(
        default=(),
        description="The labels that are lesions, each a class of its own. Left empty, all, where "
        "each says lesion by its name or there is one alone.",
    )
    classes: dict[Text, Annotated[tuple[Value, ...], Field(min_length=1)]] = Field(
        default={},
        description="Instead of lesions: the lesion classes by name, each of one or several mask "
        "values, like {core: [1, 3], oedema: [2]}.",
    )
    regions: bool = Field(
        default=False,
        description="The classes contain one another, the larger ones first, like {whole: [1, 2], "
        "core: [2]}; a voxel belongs to every region that holds its value.",
    )
    organ: tuple[Value, ...] = Field(
        default=(), description="Mask values that are no lesion but may occur, like the organ."
    )
    ignore: tuple[Value, ...] = Field(
        default=(),
        description="Mask values of voxels that nobody judged: neither lesion nor background, in "
        "training and scores. nnU-Net's label ignore is one by itself.",
    )
    values: Literal["labels", "instances"] = Field(
        default="labels",
        description="What mask values are: labels, or instances: each the id of one lesion.",
    )
    spacing_mm: tuple[Spacing, Spacing, Spacing] | Literal["unknown", "varies"] = Field(
        description="Expected spacing of the scans, sorted or not, within 5 %; or varies."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Reading:
        if self.mask and self.raters:
            raise ValueError("give mask or raters, not both")
        if self.raters and self.layout != "patterns":
            raise ValueError("raters want layout 'patterns', or columns mask_NAME of a table")
        if self.few_raters == "ignore" and not self.ignore:
            raise ValueError("few_raters 'ignore' wants a mask value for it in ignore, like [9]")
        if self.layout == "patterns":
            if not self.channels or any(channel.pattern is None for channel in self.channels):
                raise ValueError("layout 'patterns' wants channels, each with a pattern")
            if not self.labels and not self.classes:
                raise ValueError("layout 'patterns' wants labels, or classes")
        if self.classes and self.lesions:
            raise ValueError("give lesions or classes, not both")
        if self.regions and not self.classes:
            raise ValueError("regions want classes, with the values of each")
        if self.labels and (unknown := set(self.lesions) - set(self.labels)):
            raise ValueError(f"lesions {sorted(unknown)} are not among the labels")
        return self


class Splits(_Strict):
    """Who is one patient, and who is tested on."""

    patient: Text = Field(
        description="layout: the layout's own field, entity or column, else each case is its own "
        "patient; unknown: the same, and said; anything else: a regular expression that finds the "
        "patient in a case id."
    )
    test_patients: tuple[Text, ...] | Literal["layout", "unknown"] = Field(
        description="The fixed test set; [] for none, layout where the folder has its own."
    )
    reason: Text = Field(description="Why these.")

    @field_validator("patient")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            check_expression(value)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return value

    @property
    def patient_expression(self) -> str | None:
        return None if self.patient in PATIENT_WORDS else self.patient

    @property
    def fixed(self) -> frozenset[str]:
        """The patients that a card fixes for testing by name."""
        return frozenset() if isinstance(self.test_patients, str) else frozenset(self.test_patients)


class DataCard(_Strict):
    """What is written of a dataset."""

    name: Text = Field(description="Of the dataset.")
    version: Text = Field(description="Of the data, as its authors number it.")
    url: Text = Field(description="Where it comes from.")
    licence: Text = Field(description="Of the data.")
    citation: Text = Field(description="As its authors ask for.")
    reading: Reading = Field(description="How files become scans.")
    edges_mm: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(
        description="Diameters between the size buckets, ascending."
    )
    splits: Splits = Field(description="Who is one patient, and who is tested on.")
    collection: Text = Field(description="Where, when, of whom and on what scanners.")
    annotation: Text = Field(description="By which protocol the lesions were drawn.")
    raters: Text = Field(description="How many drew, who they are, how they were joined.")
    known_problems: tuple[Text, ...] = Field(description="What is wrong or odd in the data.")
    personal_data: Text = Field(description="What of a person is left in it: faces, dates, names.")
    limits: tuple[Text, ...] = Field(description="What scores measured on it do not say.")

    @field_validator("edges_mm")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or list(value) != sorted(set(value)):
            raise ValueError(f"edges_mm {list(value)}: want at least one, ascending")
        return value

    @field_validator("known_problems", "limits")
    @classmethod
    def _said(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("is empty; write what is known, or [unknown]")
        return value


def card_terms(card: DataCard) -> dict[str, str]:
    """A card as terms and texts, in its order, for a report."""
    reading, splits = card.reading, card.splits
    fixed = splits.test_patients
    channels = ", ".join(f"{c.name} ({c.modality}, {c.scaled_by})" for c in reading.channels)
    labels = ", ".join(f"{name} = {value}" for name, value in reading.labels.items())
    classes = ", ".join(
        f"{name} ({', '.join(map(str, values))})" for name, values in reading.classes.items()
    )
    spacing = reading.spacing_mm
    return {
        "name": card.name,
        "version": card.version,
        "source": card.url,
        "licence": card.licence,
        "citation": card.citation,
        "layout": reading.layout,
        "channels": channels or "from the layout",
        "labels": labels or "from the layout",
        **({"lesion regions" if reading.regions else "lesion classes": classes} if classes else {}),
        "raters' masks": f"{', '.join(reading.raters)}, joined by {reading.consensus}"
        + (", what too few drew ignored" if reading.few_raters == "ignore" else "")
        if reading.raters
        else "one mask a scan",
        "spacing": spacing if isinstance(spacing, str) else " x ".join(f"{s:g}" for s in spacing),
        "size buckets, mm": ", ".join(f"{edge:g}" for edge in card.edges_mm),
        "patient": splits.patient,
        "test set": fixed if isinstance(fixed, str) else ", ".join(fixed) or "none fixed",
        "reason": splits.reason,
        "collection": card.collection,
        "annotation": card.annotation,
        "raters": card.raters,
        "known problems": " ".join(card.known_problems),
        "personal data": card.personal_data,
        "limits": " ".join(card.limits),
    }
