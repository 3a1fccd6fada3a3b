"""Find the cases that folders of masks have in common, however their files are named.

nnU-Net   labelsTs/CASE.nii.gz            imagesTs/CASE_0000.nii.gz
BIDS      sub-01/ses-1/anat/sub-01_ses-1_space-T1w_label-lesion_mask.nii.gz
MSLesSeg  P1/P1_T1/P1_T1_MASK.nii.gz      P1/P1_T1/P1_T1_FLAIR.nii.gz
nested    CASE/mask.nii.gz                CASE/scan.nii.gz
lesionseg CASE.nii.gz  instances/CASE.nii.gz  lesions/CASE.csv  candidates/CASE.nii.gz, .csv
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lesionseg.datasets.layouts.patient_pattern import find_patient
from lesionseg.datasets.visits import visit_patients
from lesionseg.errors import NoInputError, UsageError
from lesionseg.reporting.scoring.file_lists import (
    Files,
    class_probability_files,
    image_files,
    mask_files,
    probability_files,
)
from lesionseg.reporting.scoring.name_words import case_names
from lesionseg.reporting.scoring.pairing import Pairs, pair_names
from lesionseg.reporting.scoring.recorded_classes import record_of, recorded_classes
from lesionseg.reporting.scoring.records import Matches, ReportCase, prediction_files
from lesionseg.settings.record import nearest
from lesionseg.settings.report import LEAVE_OUT, Missing
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.storage.provenance import read_record

# of the record that a prediction leaves beside each mask
MADE_BY = ("weights_sha256", "settings_sha256", "thresholds")

SHOWN = 12  # ids listed in a message


def match_folders(
    reference: Path,
    predictions: Mapping[str, Path],
    *,
    images: Path | None = None,
    probabilities: Mapping[str, Path] | None = None,
    classes: Sequence[str] = (),
    patient: str | None = None,
    missing: Missing = LEAVE_OUT,
    output: Path | None = None,
) -> Matches:
    """The cases of the reference folder that at least one prediction folder has too.

    Files belong together one to one, as `pairing` says; what has no partner, or several that fit
    equally, is left out and named. classes: of several, the names of folders of probabilities; by
    default those of the records. missing: "empty" keeps the cases that no prediction folder has.
    patient: a regular expression searched in the case id; its group "patient", or the whole match,
    is the patient. By default it is the BIDS sub- entity, else the case, without the visit that its
    name ends in where a patient has several.
    Raises NoInputError, with the ids of both sides, where nothing matches or no case has a
    prediction of every model, UsageError where a folder is missing, holds two files of one case or
    the output of the report, or probabilities are of a model that has no predictions.
    """
    _check_given(reference, predictions, images, probabilities or {}, output)
    references = mask_files(reference, "reference")
    names = {name: _printable(short) for name, short in case_names(list(references)).items()}
    found = {m: mask_files(folder, f"predictions.{m}") for m, folder in predictions.items()}
    pairs = {m: pair_names(list(references), list(files)) for m, files in found.items()}
    _refuse_nothing_paired(references, found, pairs)
    likely = {
        m: _probabilities(references, folder, f"probabilities.{m}", classes, found[m])
        for m, folder in (probabilities or {}).items()
    }
    pictures = _pictures(images, references)
    shown = pair_names(list(references), list(pictures), any_of_several=True).partner
    cases: list[ReportCase] = []
    unmatched: list[str] = []
    for name, path in references.items():
        masks = {m: found[m][one.partner[name]] for m, one in pairs.items() if name in one.partner}
        files = {
            model: prediction_files(mask.parent, mask, likely.get(model, {}).get(name, {}))
            for model, mask in masks.items()
        }
        case = names[name]
        unmatched += _lacking(name, case, pairs)
        if files or missing != LEAVE_OUT:
            image = pictures[shown[name]] if name in shown else None
            cases.append(ReportCase(case, _patient(case, name, patient), path, files, image))
    unmatched += (
        _without_reference(found, pairs)
        + _without_image(cases, images)
        + _without_score(cases, likely, names)
    )
    if missing == LEAVE_OUT:
        _refuse_nothing_common(cases, pairs)
    unpredicted = set(names.values()) - {case.case for case in cases}
    lacking = tuple(case for case in names.values() if case in unpredicted)
    joined, note = _visits_joined(cases) if patient is None else (cases, "")
    notes = (*_paired_without(pairs), *([note] if note else []), *_mixed_models(cases))
    return Matches(tuple(joined), tuple(unmatched), lacking, notes)


def _paired_without(pairs: Mapping[str, Pairs]) -> list[str]:
    """Sentences on what was left out of the names of a folder's files to pair them."""
    return [
        f"names of {m} and of the reference are paired without {', '.join(one.left_out)}"
        for m, one in pairs.items()
        if one.left_out
    ]


def _mixed_models(cases: Sequence[ReportCase]) -> list[str]:
    """Sentences on folders whose masks were not all made by one model at one pair of thresholds.

    A prediction that was stopped half-way leaves some masks of the model before it.
    """
    makers: dict[str, set[str]] = {}
    for case in cases:
        for model, files in case.predictions.items():
            record = read_record(record_of(files.mask)) or {}
            if "weights_sha256" in record:
                made_by = [record.get(part) for part in MADE_BY]
                makers.setdefault(model, set()).add(sha256_of_json(made_by))
    return [
        f"the masks of {model} are of {len(several)} different models or thresholds; predict all "
        "of them again, unless they are of a cross-validation"
        for model, several in makers.items()
        if len(several) > 1
    ]


def _visits_joined(cases: Sequence[ReportCase]) -> tuple[list[ReportCase], str]:
    """The cases with visits of one patient under one name, and in words what was done."""
    own = [case.case for case in cases if case.patient == case.case]
    patients, words = visit_patients(own)
    joined = [replace(case, patient=patients.get(case.case, case.patient)) for case in cases]
    return joined, words and f"{words}; patient='.*' takes each as a patient of its own"


def _check_given(
    reference: Path,
    predictions: Mapping[str, Path],
    images: Path | None,
    probabilities: Mapping[str, Path],
    output: Path | None,
) -> None:
    """UsageError for folders and names that do not go together."""
    if not predictions:
        raise UsageError("no predictions; add predictions.NAME=DIR, one for each model")
    given = {"reference": reference, **({"images": images} if images else {})}
    given |= {f"predictions.{model}": folder for model, folder in predictions.items()}
    given |= {f"probabilities.{model}": folder for model, folder in probabilities.items()}
    if output is not None:
        _refuse_output_inside(output, given)
    refuse_other_names("probabilities", probabilities, predictions)


def _refuse_nothing_paired(
    references: Files, found: Mapping[str, Files], pairs: Mapping[str, Pairs]
) -> None:
    """NoInputError, with the ids of both sides, where no reference has a prediction."""
    if not any(one.partner for one in pairs.values()):
        sides = "; ".join(f"{m} has {_listed(files)}" for m, files in found.items())
        raise NoInputError(f"no case matches: reference has {_listed(references)}; {sides}")


def _refuse_nothing_common(cases: Iterable[ReportCase], pairs: Mapping[str, Pairs]) -> None:
    """NoInputError where no case has a prediction of every model."""
    if not any(set(case.predictions) == set(pairs) for case in cases):
        sides = "; ".join(f"{m} has {_listed(one.partner)}" for m, one in pairs.items())
        raise NoInputError(
            f"no case has a prediction of every model: {sides}; report each model alone, or count "
            "missing predictions as empty with missing=empty"
        )


def refuse_other_names(setting: str, given: Iterable[str], models: Iterable[str]) -> None:
    """Raise UsageError for a name below a setting that is not one of the models."""
    known = list(models)
    for name in given:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {setting}.{near}?" if near else f"known: {', '.join(known)}"
            raise UsageError(f"{setting}.{name} is of no model in predictions; {hint}")


def _refuse_output_inside(output: Path, given: Mapping[str, Path]) -> None:
    """UsageError where the report would be written among the files that it is made from.

    An output that holds such a folder, as RUN holds RUN/predictions, does no harm: only the files
    of an earlier report are ever removed from it.
    """
    for setting, folder in given.items():
        if output.resolve().is_relative_to(folder.resolve()):
            place = "is" if output.resolve() == folder.resolve() else "lies inside"
            raise UsageError(
                f"output {place} the folder of {setting}; want one of its own beside it, like "
                "output=REPORT"
            )


def _probabilities(
    references: Files, folder: Path, setting: str, classes: Sequence[str], masks: Files
) -> dict[str, dict[str, Path]]:
    """By reference, then class: probabilities; the class is "" where one file holds them all."""
    path = next(iter(masks.values()), None)
    recorded = None if path is None else recorded_classes(record_of(path))
    names = classes or (recorded.names if recorded is not None else ())
    by_class = class_probability_files(folder, setting, names)
    found: dict[str, dict[str, Path]] = {}
    for one, files in (by_class or {"": probability_files(folder, setting)}).items():
        for name, file in _partners(references, files).items():
            found.setdefault(name, {})[one] = file
    return found


def _partners(references: Files, files: Files) -> dict[str, Path]:
    partner = pair_names(list(references), list(files)).partner
    return {name: files[other] for name, other in partner.items()}


def _pictures(images: Path | None, references: Files) -> Files:
    """The images, without the reference masks where these lie in the same folder."""
    if images is None:
        return {}
    masks = {path.resolve() for path in references.values()}
    found = image_files(images, "images")
    return {name: path for name, path in found.items() if path.resolve() not in masks}


def _lacking(name: str, case: str, pairs: Mapping[str, Pairs]) -> list[str]:
    """Sentences on the models without a prediction for a case."""
    if not any(name in one.partner or name in one.doubtful for one in pairs.values()):
        return [f"reference {case} has no prediction"]
    said = []
    for model, one in pairs.items():
        if name in one.doubtful:
            fitting = _listed(one.doubtful[name])
            said.append(f"{model} has no single prediction for {case}: {fitting} all fit")
        elif name not in one.partner:
            said.append(f"{model} has no prediction for {case}")
    return said


def _without_reference(found: Mapping[str, Files], pairs: Mapping[str, Pairs]) -> list[str]:
    return [
        f"prediction {_printable(name)} of {model} has no reference"
        for model, files in found.items()
        for name in sorted(set(files) - set(pairs[model].partner.values()))
    ]


def _without_image(cases: Iterable[ReportCase], images: Path | None) -> list[str]:
    lacking = [case.case for case in cases if images and case.image is None]
    return [f"no image for {_listed(lacking)}; shown on black"] if lacking else []


def _without_score(
    cases: Iterable[ReportCase],
    likely: Mapping[str, Mapping[str, Mapping[str, Path]]],
    names: Mapping[str, str],
) -> list[str]:
    """Sentences on the predictions of a model with probabilities that have none."""
    said = []
    for model in likely:
        have = {names[name] for name in likely[model]}
        lacking = [c.case for c in cases if model in c.predictions and c.case not in have]
        if lacking:
            said.append(f"probabilities.{model} holds none for {_listed(lacking)}")
    return said


def _printable(name: str) -> str:
    """A file's name without control characters, which could write over a terminal."""
    return "".join(c if c.isprintable() else "?" for c in name)


def _patient(case: str, name: str, pattern: str | None) -> str:
    if pattern is None:
        subject = re.search(r"(?:^|[/_])(sub-[A-Za-z0-9]+)", name)
        return subject[1] if subject else case
    stem = name.rpartition("/")[2]
    patient = find_patient(pattern, stem if stem.startswith(case) else case)
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
