"""Find the cases that folders of masks have in common, however their files are named.

nnU-Net   labelsTs/CASE.nii.gz            imagesTs/CASE_0000.nii.gz
BIDS      sub-01/ses-1/anat/sub-01_ses-1_space-T1w_label-lesion_mask.nii.gz
MSD       labelsTr/lung_001.nii.gz        imagesTr/lung_001.nii.gz
lesionseg CASE.nii.gz  instances/CASE.nii.gz  lesions/CASE.csv  candidates/CASE.nii.gz, .csv
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lesionseg.datasets.layouts.patient_pattern import find_patient
from lesionseg.errors import NoInputError, UsageError
from lesionseg.io.dicom.series import dicom_files
from lesionseg.io.formats import is_image_name, is_mask_name, strip_suffix
from lesionseg.reporting.scoring.records import Matches, ReportCase, prediction_files

OWN_FOLDERS = {"instances", "candidates", "lesions", "probabilities"}
# Parts of a name that say what kind of file it is, not of which case.
ROLE = re.compile(
    r"(mask|masks|seg|segmentation|dseg|probseg|label|labels|lesion|lesions|pred|prediction|gt|"
    r"reference|ref|manual|consensus|groundtruth|flair|t1|t1w|t1c|t1gd|t2|t2w|pd|ct|adc|dwi|swi|"
    r"(space|desc|label|res|den|acq|rec|dir|echo|part|hemi)-.*)"
)
CHANNEL = re.compile(r"\d{4}")
SHOWN = 12  # ids listed in a message


def match_folders(
    reference: Path,
    predictions: Mapping[str, Path],
    *,
    images: Path | None = None,
    probabilities: Mapping[str, Path] | None = None,
    patient: str | None = None,
) -> Matches:
    """The cases of the reference folder that at least one prediction folder has too.

    Files are matched by name without ending; those left over by the name's case id, with parts
    that say what a file is (label, seg, _0000, BIDS entities beyond sub, ses and run) left out.
    patient: a regular expression searched in the case id; its group "patient", or the whole match,
    is the patient. By default it is the BIDS sub- entity, else the case.
    Raises NoInputError, with the ids of both sides, where nothing matches, UsageError where a
    folder is missing.
    """
    references = _masks(reference, "reference")
    names = _case_names(references)
    found = {model: _masks(folder, f"predictions.{model}") for model, folder in predictions.items()}
    if not found:
        raise UsageError("no predictions; add predictions.NAME=DIR, one for each model")
    pictures = _images(images, "images") if images else {}
    scores = {m: _images(p, f"probabilities.{m}") for m, p in (probabilities or {}).items()}
    chosen = {m: _partners(references, files) for m, files in found.items()}
    shown = _partners(references, pictures)
    likely = {m: _partners(references, files) for m, files in scores.items()}

    cases: list[ReportCase] = []
    unmatched: list[str] = []
    without_image: list[str] = []
    for stem, path in references.items():
        files = {
            model: prediction_files(
                predictions[model],
                found[model][partner[stem]],
                scores[model][likely[model][stem]] if stem in likely.get(model, {}) else None,
            )
            for model, partner in chosen.items()
            if stem in partner
        }
        case = names[stem]
        if not files:
            unmatched.append(f"reference {case} has no prediction")
            continue
        unmatched += [
            f"{model} has no prediction for {case}" for model in found if model not in files
        ]
        image = pictures[shown[stem]] if stem in shown else None
        without_image += [case] if images and image is None else []
        cases.append(ReportCase(case, _patient(case, stem, patient), path, files, image))
    unmatched += _spare(found, chosen)
    if without_image:
        unmatched.append(f"no image for {_listed(without_image)}; shown on black")
    if not cases:
        sides = "; ".join(f"{m} has {_listed(files)}" for m, files in found.items())
        raise NoInputError(f"no case matches: reference has {_listed(references)}; {sides}")
    return Matches(tuple(cases), tuple(unmatched))


def _spare(
    found: Mapping[str, Mapping[str, Path]], chosen: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Sentences on the predictions that belong to no reference."""
    return [
        f"prediction {_printable(stem)} of {model} has no reference"
        for model, files in found.items()
        for stem in sorted(set(files) - set(chosen[model].values()))
    ]


def case_key(stem: str, *, is_image: bool = False) -> str:
    """The case id in a file's name: "sub-01_ses-2_space-T1w_dseg" gives "sub-01_ses-2"."""
    parts = re.split(r"[_.\s]+", stem)
    if is_image and len(parts) > 1 and CHANNEL.fullmatch(parts[-1]):
        parts.pop()
    while len(parts) > 1 and ROLE.fullmatch(parts[-1].lower()):
        parts.pop()
    return "_".join(part for part in parts if part).lower()


def _partners(references: Mapping[str, Path], others: Mapping[str, Path]) -> dict[str, str]:
    """Reference stem -> the stem in `others` that is the same case, where just one is."""
    pairs = {stem: stem for stem in references if stem in others}
    left = [stem for stem in others if stem not in pairs]
    keys: dict[str, list[str]] = {}
    for stem in left:
        for key in {case_key(stem), case_key(stem, is_image=True)}:
            keys.setdefault(key, []).append(stem)
    for stem in references:
        if stem in pairs:
            continue
        fitting = keys.get(case_key(stem)) or keys.get(stem.lower()) or []
        channels = [s for s in fitting if s.endswith("_0000")]
        if len(fitting) > 1 and len(channels) == 1:
            fitting = channels  # the first channel stands for the image
        if len(fitting) == 1:
            pairs[stem] = fitting[0]
    return pairs


def _masks(folder: Path | str, name: str) -> dict[str, Path]:
    """Stem -> file, of the folder itself or, where it holds no mask, of those below it."""
    return _stems(Path(folder), name, is_mask_name)


def _images(folder: Path | str, name: str) -> dict[str, Path]:
    """The same of images; where the folder holds none, a folder of DICOM slices in it is one."""
    folder = Path(folder)
    found = _stems(folder, name, is_image_name)
    if not found:
        found = {p.name: p for p in sorted(folder.iterdir()) if p.is_dir() and dicom_files(p)}
    return found


def _stems(folder: Path, name: str, fits: Callable[[str], bool]) -> dict[str, Path]:
    if not folder.is_dir():
        raise UsageError(f"{name} is {folder}, which is not a folder")
    files = sorted(p for p in folder.iterdir() if fits(p.name) and p.is_file())
    if not files:
        below = (p for p in folder.rglob("*") if fits(p.name) and p.is_file())
        files = sorted(p for p in below if not OWN_FOLDERS & set(p.relative_to(folder).parts[:-1]))
    stems: dict[str, Path] = {}
    for path in files:
        stem = strip_suffix(path.name)
        if stem in stems:
            stem = "_".join((*path.relative_to(folder).parts[:-1], stem))
        stems[stem] = path
    return stems


def _case_names(references: Mapping[str, Path]) -> dict[str, str]:
    """The shortest name that is unique: the case id with its own capitals, else the stem."""
    keys = [case_key(stem) for stem in references]
    short = {stem: stem[: len(case_key(stem))] for stem in references}
    return {
        stem: _printable(
            short[stem] if keys.count(key) == 1 and short[stem].lower() == key else stem
        )
        for stem, key in zip(references, keys)
    }


def _printable(name: str) -> str:
    """A file's name without control characters, which could write over a terminal."""
    return "".join(c if c.isprintable() else "?" for c in name)


def _patient(case: str, stem: str, pattern: str | None) -> str:
    if pattern is None:
        subject = re.match(r"sub-[A-Za-z0-9]+", stem)
        return subject.group(0) if subject else case
    patient = find_patient(pattern, stem)
    if patient is None:
        raise UsageError(
            f"patient pattern '{pattern}' does not fit case {case}; mend it or drop it"
        )
    return patient


def _listed(files: Iterable[str]) -> str:
    names = [_printable(name) for name in files]
    if not names:
        return "no volume"
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
