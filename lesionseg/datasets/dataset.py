"""A folder of scans as its data card reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lesionseg.datasets.cards.drafts import draft_card
from lesionseg.datasets.cards.fields import Channel, DataCard, Modality, card_terms
from lesionseg.datasets.layout_choice import read_layout
from lesionseg.datasets.layouts import Found, Layout, ScanFiles, detect_layout
from lesionseg.datasets.layouts.centres import with_centres_told_apart
from lesionseg.datasets.layouts.scan_files import with_patients
from lesionseg.datasets.mask_labels import MaskLabels, ignored_words, lesion_words
from lesionseg.datasets.meaning_of_masks import meaning_of_masks
from lesionseg.datasets.modalities import with_modalities
from lesionseg.datasets.unused_files import unused_files
from lesionseg.datasets.visits import with_visits_joined
from lesionseg.errors import NoInputError, UsageError
from lesionseg.storage.yaml_file import parse_yaml, read_yaml
from lesionseg.wording import counted

__all__ = [
    "Channel",
    "DataCard",
    "Dataset",
    "MaskLabels",
    "Modality",
    "card_terms",
    "find_scans",
    "load_card",
]


NAMED = 3  # patients that a message names
NO_MASK = (
    "no mask; a scan without one is not a scan without lesions, so give an empty mask for that"
)


@dataclass(frozen=True)
class Dataset:
    """A folder as its card reads it. rejected: case -> why, in one line. found: the layout, the
    channels and which masks were taken. unused: place of a file that looks like a scan or a mask
    and is of no scan -> why."""

    card: DataCard
    scans: tuple[ScanFiles, ...]
    rejected: dict[str, str]
    channels: tuple[Channel, ...]
    labels: MaskLabels
    found: str = ""
    unused: Mapping[str, str] = field(default_factory=dict)


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
        content = parse_yaml(shipped[text].read_text(encoding="utf-8"), f"data card {text}")
    elif Path(name).suffix in (".yaml", ".yml"):
        content = read_yaml(Path(name), f"data card {text}")
    else:
        raise UsageError(f"no data card '{text}'; want one of {sorted(shipped)} or a .yaml file")
    try:
        return DataCard.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors()
        )
        raise UsageError(f"data card {text}: {problems}") from error


def find_scans(
    card: DataCard | None,
    root: Path | str,
    *,
    patient: str | None = None,
    layout: str | None = None,
    mask: str | None = None,
    lesions: Sequence[str] = (),
    classes: Mapping[str, Sequence[int]] | None = None,
    regions: bool = False,
    organ: Sequence[int] = (),
    ignore: Sequence[int] = (),
) -> Dataset:
    """The scans under `root`, read as the card says; without one, a card is drafted.

    patient: replaces the card's expression. layout: replaces the card's layout; "auto" looks.
    mask: replaces the card's pattern of the lesion masks; of a table, the column of these.
    lesions, classes, regions, organ, ignore: replace what the card says of mask values.
    Raises NoInputError where there is none, UsageError where the folder contradicts the card, and
    where it cannot be told which masks are of lesions.
    """
    root = Path(root)
    drafted = card is None
    card, wanted, seen = _looked_at(card, root, layout, mask)
    card = _with_mask_values(card, drafted, lesions, classes or {}, regions)
    beside = {"organ": tuple(organ), "ignore": tuple(ignore)}
    card = _with_reading(card, **{what: values for what, values in beside.items() if values})
    reading, expression = card.reading, patient or card.splits.patient_expression
    made = read_layout(wanted, root, reading, expression, seen)
    if patient is not None:  # it wins over what folders, columns and BIDS names say
        made = with_patients(made, patient)
    scans, apart, joined = list(made.scans), "", ""
    if expression is None:
        scans, apart = with_centres_told_apart(scans)
        scans, joined = with_visits_joined(scans)
    scans, absent = _with_fixed_tests(scans, card)
    bare = _without_mask(scans, made)
    channels = _channels_of(made, reading.channels)
    if drafted or not reading.channels:
        channels = with_modalities(channels, scans)
    if drafted and reading.channels:
        card = _with_reading(card, channels=channels)
    labels, rule = meaning_of_masks(wanted, made, reading)
    names = tuple(channel.name for channel in channels)
    how: dict[str, Any] = {"channels": names, "rule": rule, "few_raters": reading.few_raters}
    patients = counted(len({scan.patient for scan in scans}), "patient")
    words = (*_taken(made, bare, names, labels), patients, apart, absent, joined)
    used = {path for scan in scans for path in scan.paths}
    return Dataset(
        card,
        tuple(dataclasses.replace(one, **how) for one in scans if one.case not in bare),
        {**made.rejected, **bare},
        channels,
        labels,
        "; ".join(filter(None, words)),
        unused_files(root if root.is_dir() else root.parent, used, made.passed),
    )


def _with_mask_values(
    card: DataCard,
    drafted: bool,
    lesions: Sequence[str],
    classes: Mapping[str, Sequence[int]],
    regions: bool,
) -> DataCard:
    """The card with the lesion labels and classes that were asked for, if any were."""
    if lesions or classes:
        named = {name: tuple(values) for name, values in classes.items()}
        card = _with_reading(card, lesions=tuple(lesions), classes=named, regions=regions)
    if drafted and classes:  # the labels of a draft are a guess
        card = _with_reading(card, labels={})
    return card


def _taken(
    made: Layout, bare: Mapping[str, str], names: Sequence[str], labels: MaskLabels
) -> tuple[str, ...]:
    """What was found and what it was taken for, in words; empty ones for what does not apply."""
    return (
        made.found,
        f"{counted(len(bare), 'training scan')} without a mask of lesions" if bare else "",
        f"channels {', '.join(names)}",
        f"lesion masks: {made.masks}" if made.masks else "",
        lesion_words(made.labels, labels),
        ignored_words(labels),
    )


def _looked_at(
    card: DataCard | None, root: Path, layout: str | None, mask: str | None
) -> tuple[DataCard, str, Found | None]:
    """The card, drafted where there is none, the layout to read, and what was seen by looking."""
    wanted = layout or (card.reading.layout if card else "auto")
    seen = None
    if card is None or wanted in ("auto", "table"):
        seen = detect_layout(root, mask)
        if wanted not in ("auto", seen.layout):
            raise NoInputError(f"{root.name} is not of layout '{wanted}' but of '{seen.layout}'")
        wanted = seen.layout
    if card is None:
        assert seen is not None
        card = draft_card(root, seen)
    elif mask is not None:
        card = _with_reading(card, mask=mask, raters={})
    return card, wanted, seen


def _without_mask(scans: Sequence[ScanFiles], made: Layout) -> dict[str, str]:
    """Training scans of which no mask of lesions is known, and why they are rejected."""
    return {
        scan.case: f"case {scan.case}: {_no_mask(made.bare.get(scan.case, ''))}"
        for scan in scans
        if scan.split == "train" and scan.mask is None and not scan.raters
    }


def _no_mask(seen: str) -> str:
    if not seen:
        return NO_MASK
    words = f"no mask of lesions (seen: {seen}; if one is, say so with data.mask)"
    return NO_MASK.replace("no mask", words)


def _with_reading(card: DataCard, **changes: Any) -> DataCard:
    return card.model_copy(update={"reading": card.reading.model_copy(update=changes)})


def _with_fixed_tests(scans: Sequence[ScanFiles], card: DataCard) -> tuple[list[ScanFiles], str]:
    """The scans, those of the card's test patients for testing, and which of these are absent.

    Raises UsageError where none of them is there: another test set would be drawn.
    """
    fixed = card.splits.fixed
    absent = sorted(fixed - {scan.patient for scan in scans})
    if absent and len(absent) == len(fixed):
        raise UsageError(
            f"none of the {len(fixed)} test patients of the data card is there, like {absent[0]}; "
            "add their scans, or mend test_patients: another test set is not drawn in their place"
        )
    tests = [
        dataclasses.replace(scan, split="test") if scan.patient in fixed else scan for scan in scans
    ]
    more = ", ..." if len(absent) > NAMED else ""
    words = f"{len(absent)} test patients of the card are absent: {', '.join(absent[:NAMED])}{more}"
    return tests, words if absent else ""


def _channels_of(layout: Layout, wanted: Sequence[Channel]) -> tuple[Channel, ...]:
    """The card's channels, or those of the layout, whose modality has still to be found."""
    if not wanted:
        return tuple(Channel(name=name, modality="mri") for name in layout.channels)
    if [channel.name for channel in wanted] != list(layout.channels):
        got, want = list(layout.channels), [channel.name for channel in wanted]
        raise UsageError(f"the data has channels {got}; the data card wants {want}")
    return tuple(wanted)
