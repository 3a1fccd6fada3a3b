"""How a folder's files become scans: nnU-Net raw, or path patterns with {fields}.

Either gives a Layout: the scans that are whole, and for each that is not a one-line reason. No path
that a dataset.json or a pattern names may leave the root folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from lesionseg.errors import CaseError, NoInputError, UsageError

Split = Literal["train", "test"]
FIELD = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class ScanFiles:
    """One scan's files. images: one path a channel, in the order of the channels."""

    case: str
    patient: str
    split: Split
    images: tuple[Path, ...]
    mask: Path | None


@dataclass(frozen=True)
class Layout:
    """What a folder holds. labels: name -> the mask values that mean it, background left out."""

    scans: tuple[ScanFiles, ...]
    rejected: Mapping[str, str]
    channels: tuple[str, ...]
    labels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def read_nnunet(root: Path, *, patient: str | None = None) -> Layout:
    """The scans of an nnU-Net raw folder, version 1 or 2 of its dataset.json.

    patient: a regular expression searched in the case id; its group "patient", or the whole match,
    is the patient. By default each case is its own patient.
    Raises NoInputError where there is no dataset.json or no scan, UsageError where it is malformed.
    """
    root = Path(root)
    channels, labels, ending, listed = _dataset_json(root)
    if listed is not None:
        found = list(_listed(root, listed, len(channels)))
    else:
        found = [*_folder(root, "Tr", ending, channels), *_folder(root, "Ts", ending, channels)]
    if not found:
        raise NoInputError(f"no scan named CASE_0000{ending} in {root.name}/imagesTr or imagesTs")
    named = [
        (case, patient_of(case, patient), split, images, mask)
        for case, split, images, mask in found
    ]
    scans, rejected = _whole(root, named, channels)
    return Layout(scans, rejected, channels, labels)


def read_patterns(
    root: Path,
    *,
    channels: Mapping[str, str],
    mask: str | None,
    patient: str | None = None,
    is_test: Callable[[str, str], bool] = lambda case, patient: False,
) -> Layout:
    """The scans whose paths under `root` fit patterns like "{patient}/{session}/FLAIR.nii.gz".

    channels: name -> pattern; the first one finds the scans. A scan's fields, joined by "_", are
    its case, or {case} alone; {patient} is its patient, else as in `read_nnunet`.
    is_test(case, patient) says which scans are the fixed test set.
    Raises UsageError for a pattern that leaves the root or lacks fields, NoInputError for no scan.
    """
    root = Path(root)
    first = next(iter(channels.values()))
    names = FIELD.findall(first)
    if not names:
        raise UsageError(
            f"pattern '{first}' has no field; want for example '{{patient}}/FLAIR.nii.gz'"
        )
    for pattern in (*channels.values(), *([mask] if mask else [])):
        _inside(root, pattern)
        if unknown := set(FIELD.findall(pattern)) - set(names):
            raise UsageError(f"pattern '{pattern}' has field {sorted(unknown)}; '{first}' has not")
    found = []
    for fields in _matches(root, first):
        case = fields.get("case") or "_".join(fields[name] for name in dict.fromkeys(names))
        who = fields.get("patient") or patient_of(case, patient)
        images = tuple(root / pattern.format(**fields) for pattern in channels.values())
        split: Split = "test" if is_test(case, who) else "train"
        found.append((case, who, split, images, root / mask.format(**fields) if mask else None))
    if not found:
        raise NoInputError(f"no file in {root.name} fits the pattern '{first}'")
    scans, rejected = _whole(root, found, tuple(channels))
    return Layout(scans, rejected, tuple(channels))


def patient_of(case: str, pattern: str | None) -> str:
    """The patient in a case id, by regular expression; the case id itself without one."""
    if pattern is None:
        return case
    match = re.search(pattern, case)
    if match is None:
        raise UsageError(
            f"patient pattern '{pattern}' does not fit case {case}; mend it or drop it"
        )
    return match.groupdict().get("patient") or match.group(0)


Found = tuple[str, Split, tuple[Path, ...], Path | None]


def _dataset_json(
    root: Path,
) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]], str, Mapping[str, Any] | None]:
    path = root / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoInputError(f"no dataset.json in {root.name}; want an nnU-Net raw folder") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{root.name}/dataset.json cannot be read: {error}") from error
    try:
        names = content.get("channel_names") or content["modality"]
        channels = tuple(str(names[str(index)]) for index in range(len(names)))
        labels = _labels(content["labels"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"{root.name}/dataset.json lacks or garbles {error}"
        raise UsageError(f"{problem}; want channel_names and labels as nnU-Net has them") from error
    ending = str(content.get("file_ending", ".nii.gz"))
    if not re.fullmatch(r"(\.[A-Za-z0-9]+)+", ending):
        raise UsageError(
            f"{root.name}/dataset.json has file_ending '{ending}'; want like '.nii.gz'"
        )
    if not channels:
        raise UsageError(f"{root.name}/dataset.json names no channel")
    return channels, labels, ending, content.get("dataset")


def _labels(raw: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """name -> values. Version 2 has name: value or name: [values], version 1 value: name."""
    labels = {}
    for key, value in raw.items():
        if isinstance(value, str):
            key, value = value, key
        values = tuple(int(v) for v in (value if isinstance(value, list) else [value]))
        if key != "background" and values != (0,):
            labels[key] = values
    return labels


def _folder(root: Path, part: str, ending: str, channels: Sequence[str]) -> Iterator[Found]:
    """Cases of imagesTr or imagesTs, and those of labelsTr that have no image."""
    split: Split = "train" if part == "Tr" else "test"
    images, labels = root / f"images{part}", root / f"labels{part}"
    pattern = re.compile(r"(?P<case>.+)_\d{4}" + re.escape(ending))
    cases = {match["case"] for path in _entries(images) if (match := pattern.fullmatch(path.name))}
    masks = {path.name[: -len(ending)] for path in _entries(labels) if path.name.endswith(ending)}
    for case in sorted(cases | masks):
        paths = tuple(images / f"{case}_{index:04d}{ending}" for index in range(len(channels)))
        mask = labels / f"{case}{ending}"
        yield case, split, paths, mask if split == "train" or case in masks else None


def _listed(root: Path, listed: Mapping[str, Any], wanted: int) -> Iterator[Found]:
    """Training cases that dataset.json lists itself under "dataset", paths relative to it."""
    for case, entry in listed.items():
        if not re.fullmatch(r"[^/\\]+", case) or case in (".", ".."):
            raise UsageError(f"{root.name}/dataset.json has case id '{case}'; want no slash in it")
        try:
            images = tuple(_inside(root, str(image)) for image in entry["images"])
            mask = _inside(root, str(entry["label"]))
        except (KeyError, TypeError) as error:
            raise UsageError(f"{root.name}/dataset.json: case {case} lacks {error}") from error
        yield case, "train", images[:wanted], mask


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _inside(root: Path, relative: str) -> Path:
    """root / relative; UsageError where that is not below root."""
    pure = PurePosixPath(relative.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or re.match(r"[A-Za-z]:", relative):
        raise UsageError(f"path '{relative}' leaves the data folder; want one relative to it")
    return root / pure


def _matches(root: Path, pattern: str) -> Iterator[dict[str, str]]:
    """The fields of every file under root that fits a pattern, in order of their paths."""
    seen: set[str] = set()
    expression = ""
    for index, part in enumerate(FIELD.split(pattern)):
        if index % 2 == 0:
            expression += re.escape(part)
        elif part in seen:
            expression += f"(?P={part})"
        else:
            seen.add(part)
            expression += f"(?P<{part}>[^/]+)"
    for path in sorted(root.glob(FIELD.sub("*", pattern))):
        if match := re.fullmatch(expression, path.relative_to(root).as_posix()):
            yield match.groupdict()


def _whole(
    root: Path,
    found: Sequence[tuple[str, str, Split, tuple[Path, ...], Path | None]],
    channels: Sequence[str],
) -> tuple[tuple[ScanFiles, ...], dict[str, str]]:
    """Part the scans whose files are all there from those that are rejected, with the reason."""
    scans: dict[str, ScanFiles] = {}
    rejected: dict[str, str] = {}
    for case, patient, split, images, mask in found:
        try:
            if case.lower() in scans:
                raise CaseError(case, "two scans have this name; rename one of them")
            _check_channels(root, case, images, channels)
            if mask is not None and not mask.is_file():
                place = mask.relative_to(root).as_posix()
                raise CaseError(case, f"mask {place} is missing; add it, or move the images away")
        except CaseError as error:
            rejected[case] = str(error)
        else:
            scans[case.lower()] = ScanFiles(case, patient, split, images, mask)
    return tuple(scans.values()), rejected


def _check_channels(root: Path, case: str, images: Sequence[Path], channels: Sequence[str]) -> None:
    present = [channel for channel, path in zip(channels, images) if path.is_file()]
    if len(present) == len(channels):
        return
    missing = [
        f"{channel} ({path.relative_to(root).as_posix()})"
        for channel, path in zip(channels, images)
        if not path.is_file()
    ] or list(channels[len(images) :])
    raise CaseError(
        case,
        f"missing channel {', '.join(missing)}: got {len(present)} of {len(channels)} "
        f"({', '.join(present) or 'none'}), want {', '.join(channels)}",
    )
