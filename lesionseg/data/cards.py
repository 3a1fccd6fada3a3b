"""Data cards: one YAML a dataset, saying what it is, how to read it and what to beware of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lesionseg.errors import UsageError
from lesionseg.io.layouts import Layout, ScanFiles, read_nnunet, read_patterns

Modality = Literal["mri", "ct"]
Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Channel(_Strict):
    """One image of a scan. pattern: its path under the root, for layout "patterns" only."""

    name: Text
    modality: Modality
    pattern: str | None = None


class Reading(_Strict):
    """How files become scans. With layout "nnunet", channels and labels come from dataset.json.

    labels: name -> value in the mask. lesions: the names that are lesions; all, where left out.
    patient: regular expression that finds the patient in the case id, where no field does.
    """

    layout: Literal["nnunet", "patterns"]
    channels: tuple[Channel, ...] = ()
    mask: str | None = None
    labels: dict[str, Annotated[int, Field(ge=1)]] = {}
    lesions: tuple[str, ...] = ()
    patient: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Reading:
        if self.layout == "patterns":
            if not self.channels or any(channel.pattern is None for channel in self.channels):
                raise ValueError("layout 'patterns' wants channels, each with a pattern")
            if not self.labels:
                raise ValueError("layout 'patterns' wants labels")
            if unknown := set(self.lesions) - set(self.labels):
                raise ValueError(f"lesions {sorted(unknown)} are not among the labels")
        return self

    @field_validator("patient")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value


class Splits(_Strict):
    """A fixed test set, and why it is that. Without one, a share of the patients is held out."""

    test_patients: tuple[str, ...] = ()
    reason: str = "unknown"


class DataCard(_Strict):
    """What is written of a dataset. "unknown" is an answer; leaving a required field out is not."""

    name: Text
    version: Text
    url: Text
    licence: Text
    citation: Text
    reading: Reading
    edges_mm: tuple[Annotated[float, Field(gt=0)], ...] = (3, 5, 10)
    splits: Splits = Splits()
    cautions: tuple[Text, ...]

    @field_validator("edges_mm")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or list(value) != sorted(set(value)):
            raise ValueError(f"edges_mm {list(value)}: want at least one, ascending")
        return value


@dataclass(frozen=True)
class MaskLabels:
    """What mask values mean: `known` may occur (0 always may), `lesions` of them are lesions."""

    known: frozenset[int]
    lesions: frozenset[int]


@dataclass(frozen=True)
class Dataset:
    """A folder as its card reads it. rejected: case -> why, in one line."""

    card: DataCard
    scans: tuple[ScanFiles, ...]
    rejected: dict[str, str]
    channels: tuple[Channel, ...]
    labels: MaskLabels


def load_card(name: str | Path) -> DataCard:
    """A card by its name, of those shipped, or by the path of a YAML file.

    Raises UsageError, in one line, for what is not a card.
    """
    shipped = {
        entry.name.removesuffix(".yaml"): entry
        for entry in resources.files("lesionseg.data_cards").iterdir()
        if entry.name.endswith(".yaml")
    }
    text = str(name)
    if text in shipped:
        source = shipped[text].read_text(encoding="utf-8")
    elif Path(name).suffix in (".yaml", ".yml"):
        try:
            source = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"data card {text} cannot be read: {error}") from error
    else:
        raise UsageError(f"no data card '{text}'; want one of {sorted(shipped)} or a .yaml file")
    try:
        return DataCard.model_validate(yaml.safe_load(source))
    except yaml.YAMLError as error:
        raise UsageError(f"data card {text} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors()
        )
        raise UsageError(f"data card {text}: {problems}") from error


def find_scans(card: DataCard, root: Path | str, *, patient: str | None = None) -> Dataset:
    """The scans under `root`, read as the card says; `patient` replaces the card's expression.

    Raises NoInputError where there is none, UsageError where the folder contradicts the card.
    """
    root, reading = Path(root), card.reading
    expression = patient or reading.patient
    tests = set(card.splits.test_patients)
    if reading.layout == "nnunet":
        layout = read_nnunet(root, patient=expression)
        channels = _channels_of(layout, reading.channels)
    else:
        layout = read_patterns(
            root,
            channels={channel.name: str(channel.pattern) for channel in reading.channels},
            mask=reading.mask,
            patient=expression,
            is_test=lambda case, who: who in tests,
        )
        channels = reading.channels
    labels = layout.labels or {name: (value,) for name, value in reading.labels.items()}
    return Dataset(
        card, layout.scans, dict(layout.rejected), channels, _mask_labels(labels, reading.lesions)
    )


def _channels_of(layout: Layout, wanted: Sequence[Channel]) -> tuple[Channel, ...]:
    """Channels of a dataset.json, whose name says the modality: "CT" is CT, all else MRI."""
    if not wanted:
        return tuple(
            Channel(name=name, modality="ct" if name.upper() == "CT" else "mri")
            for name in layout.channels
        )
    if [channel.name for channel in wanted] != list(layout.channels):
        got, want = list(layout.channels), [channel.name for channel in wanted]
        raise UsageError(f"dataset.json has channels {got}; the data card wants {want}")
    return tuple(wanted)


def _mask_labels(labels: Mapping[str, tuple[int, ...]], lesions: Sequence[str]) -> MaskLabels:
    names = lesions or [name for name in labels if name != "ignore"]
    if unknown := set(names) - set(labels):
        raise UsageError(f"lesion labels {sorted(unknown)} are not among {sorted(labels)}")
    values = {value for name in names for value in labels[name]}
    known = {value for several in labels.values() for value in several}
    if not values:
        raise UsageError("no label is a lesion; name at least one in labels")
    return MaskLabels(frozenset(known), frozenset(values))
