"""What every layout gives: the scans that are whole, and of the others a one-line reason."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lesionseg.datasets.layouts.patient_pattern import find_patient
from lesionseg.errors import CaseError, NoInputError, UsageError, printable
from lesionseg.io.reading import STRICT, ReadingRule
from lesionseg.wording import counted

# files beside the stored cases
OWN_NAMES = ("fingerprint", "plan", "splits", "preprocess", "likeness", "lesion_audit")
LONGEST_CASE = 200  # letters: file systems end at 255 bytes, and endings are added
Split = Literal["train", "test"]
VALIDATION_WORDS = ("val", "valid", "validation", "dev")
SPLIT_WORDS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training", "tr", *VALIDATION_WORDS), "train"),
    **dict.fromkeys(("test", "testing", "ts"), "test"),
}


@dataclass(frozen=True)
class ScanFiles:
    """One scan's files. images: one path a channel, in the order of the channels.

    volumes: of each image, which volume of a 4D file it is; empty where the files are 3D.
    series: of each image, which DICOM series of a folder of several it is, by its UID; empty where
    folders hold one, or the rule says which.
    raters: (name, mask) of each rater where there is no mask of all; `consensus` joins them,
    `few_raters` says what lesions are that it leaves out.
    rule: what may be mended while reading. channels: the images' names, for messages; empty where
    they have none. group: the folder above the patient's, often of a centre; empty without one.
    """

    case: str
    patient: str
    split: Split
    images: tuple[Path, ...]
    mask: Path | None
    volumes: tuple[int, ...] = ()
    raters: tuple[tuple[str, Path], ...] = ()
    consensus: str = "majority"
    few_raters: str = "background"
    rule: ReadingRule = STRICT
    channels: tuple[str, ...] = ()
    group: str = ""
    series: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file of the scan once, images first."""
        masks = [*([self.mask] if self.mask else []), *(path for _, path in self.raters)]
        return tuple(dict.fromkeys((*self.images, *masks)))

    def rule_of(self, index: int) -> ReadingRule:
        """How the image of a channel is read: which series of a folder, which volume of a file."""
        rule = self.rule
        if self.series:
            rule = dataclasses.replace(rule, dicom_series=self.series[index])
        if self.volumes:
            rule = dataclasses.replace(rule, volume=self.volumes[index])
        return rule


def channel_words(names: Sequence[str], index: int) -> str:
    """A channel in a message: by its name, or by its number where it has none."""
    return f"channel {names[index] if index < len(names) else index}"


@dataclass(frozen=True)
class Layout:
    """What a folder holds. labels: name -> the mask values that mean it, background left out.
    order: the value by which each label is written, where regions contain one another.

    found: what was found, for people: a sentence part like "nnU-Net raw, 24 training scans".
    masks: which files were taken as lesion masks, for people.
    passed: place under the root -> why that file was looked at and is of no scan.
    bare: case -> which masks were seen of a scan that has none, and why none was taken.
    """

    scans: tuple[ScanFiles, ...]
    rejected: Mapping[str, str]
    channels: tuple[str, ...]
    labels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    found: str = ""
    masks: str = ""
    passed: Mapping[str, str] = field(default_factory=dict)
    bare: Mapping[str, str] = field(default_factory=dict)
    order: tuple[int, ...] | None = None


def patient_of(case: str, pattern: str | None) -> str:
    """The patient in a case id, by regular expression; the case id itself without one.

    The expression's group "patient", or its whole match, is the patient. Raises UsageError where it
    does not fit, is no expression, or does not end.
    """
    if pattern is None:
        return case
    patient = find_patient(pattern, case)
    if patient is None:
        raise UsageError(
            f"patient pattern '{pattern}' does not fit case {case}; mend it or drop it"
        )
    return patient


def check_case_id(case: str, source: str) -> None:
    """Raise UsageError for a case id that would not do as a file's name."""
    if not re.fullmatch(r"[^/\\\x00-\x1f]+", case) or case in (".", ".."):
        raise UsageError(f"{source} has case id '{case}'; want no slash in it")
    if len(case) > LONGEST_CASE:
        raise UsageError(
            f"{source} has a case id of {len(case)} letters; want at most {LONGEST_CASE}"
        )


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, in order, hidden files left out; nothing where there is no folder."""
    if not folder.is_dir():
        return []
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise NoInputError(f"folder {folder.name} cannot be opened: {reason}") from error


def whole(
    root: Path, found: Sequence[ScanFiles], channels: Sequence[str], *, masks: bool = True
) -> tuple[tuple[ScanFiles, ...], dict[str, str]]:
    """Separate the scans whose files are all there from the others, with the reason.

    masks: whether scans keep their masks, which are then files of theirs; without them all scans
    are to be predicted, and none is for training.
    Raises UsageError where a test set is named and none of its scans is whole: another would be
    drawn from the training scans, and its scores taken for those of the test set.
    """
    scans: dict[str, ScanFiles] = {}
    rejected: dict[str, str] = {}
    for one in found:
        scan = one if masks else dataclasses.replace(one, mask=None, raters=(), split="test")
        try:
            if not scan.case.isprintable():
                raise CaseError(scan.case, "its name cannot be printed; rename its files")
            if scan.case.lower() in OWN_NAMES:
                raise CaseError(
                    scan.case,
                    f"a scan named {', '.join(OWN_NAMES[:-1])} or {OWN_NAMES[-1]} would be "
                    "overwritten by the file of that name among the preprocessed cases; rename it",
                )
            if scan.case.lower() in scans:
                raise CaseError(scan.case, "two scans have this name; rename one of them")
            _check_channels(root, scan, channels)
            _check_masks(root, scan)
            for path in scan.paths:
                if not (path.is_file() or path.is_dir()):
                    raise CaseError(
                        scan.case, f"{_place(root, path)} is no regular file; copy the scan there"
                    )
        except CaseError as error:
            rejected[printable(scan.case)] = str(error)
        else:
            scans[scan.case.lower()] = scan
    tests = [scan.case for scan in found if scan.split == "test"]
    if masks and tests and not any(scan.split == "test" for scan in scans.values()):
        raise UsageError(
            f"none of the {len(tests)} test scans can be used: {rejected[printable(tests[0])]}; "
            "mend them, or take the test set away: another is not drawn in its place"
        )
    return tuple(scans.values()), rejected


def scans_found(kind: str, scans: Sequence[ScanFiles], rejected: Mapping[str, str]) -> str:
    """What was found, for people: the kind of layout and how many scans of which part."""
    tests = sum(scan.split == "test" for scan in scans)
    words = f"{kind}: {counted(len(scans) - tests, 'training scan')}, {counted(tests, 'test scan')}"
    return words + (f", {len(rejected)} incomplete" if rejected else "")


def validation_words(splits: Iterable[str]) -> str:
    """That scans for validation count as training, by the word of each scan for its part."""
    count = sum(word.lower() in VALIDATION_WORDS for word in splits)
    if not count:
        return ""
    return f"; {counted(count, 'validation scan')} among those for training, which are split anew"


def _check_channels(root: Path, scan: ScanFiles, channels: Sequence[str]) -> None:
    present = [channel for channel, path in zip(channels, scan.images) if path.exists()]
    if len(present) == len(channels):
        return
    missing = [
        f"{channel} ({_place(root, path)})"
        for channel, path in zip(channels, scan.images)
        if not path.exists()
    ] or list(channels[len(scan.images) :])
    links = [path for path in scan.images if path.is_symlink() and not path.exists()]
    fetch = f"; {_place(root, links[0])} {_missing(links[0])}" if links else ""
    raise CaseError(
        scan.case,
        f"missing channel {', '.join(missing)}: got {len(present)} of {len(channels)} "
        f"({', '.join(present) or 'none'}), want {', '.join(channels)}{fetch}",
    )


def _check_masks(root: Path, scan: ScanFiles) -> None:
    masks = [*([scan.mask] if scan.mask else []), *(path for _, path in scan.raters)]
    for mask in masks:
        if not mask.exists():
            raise CaseError(scan.case, f"mask {_place(root, mask)} {_missing(mask)}")


def _missing(path: Path) -> str:
    """What is wrong with a path where no file is: nothing there, or a link that leads nowhere."""
    if path.is_symlink():
        return "is a link to a file that is not there; fetch it (git annex get, dvc pull)"
    return "is missing; add it, or move the images away"


def _place(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def with_patients(made: Layout, expression: str) -> Layout:
    """The scans, their patients read from the case ids by an expression."""
    scans = tuple(
        dataclasses.replace(scan, patient=patient_of(scan.case, expression)) for scan in made.scans
    )
    return dataclasses.replace(made, scans=scans)
