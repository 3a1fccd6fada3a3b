"""What a report is made from: files by case and model; the options are a settings record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lesionseg.io.formats import strip_suffix
from lesionseg.lesion_classes import LesionClasses
from lesionseg.reporting.scoring.nnunet_probabilities import NPZ, is_nnunet_npz
from lesionseg.reporting.scoring.recorded_classes import record_of, recorded_classes
from lesionseg.settings.report import ScoringOptions

__all__ = ["Matches", "PredictionFiles", "ReportCase", "ScoringOptions"]


@dataclass(frozen=True)
class PredictionFiles:
    """One model's files for one case; all but `mask` may be absent.

    mask: binary mask or lesion ids. instances: lesion ids, used instead of the
    mask where both say the same.
    lesions: table with columns id and score. candidates, candidate_table: ids of all candidate
    lesions and their scores, those below the operating threshold too. probability: in [0, 1], or
    the .npz of nnU-Net, which lies on the mask's grid. class_probabilities: by class, where there
    are several. classes: that the mask's record names, as lesionseg writes it.
    """

    mask: Path
    instances: Path | None = None
    lesions: Path | None = None
    candidates: Path | None = None
    candidate_table: Path | None = None
    probability: Path | None = None
    class_probabilities: Mapping[str, Path] = field(default_factory=dict)
    classes: LesionClasses | None = None


def prediction_files(
    folder: Path, mask: Path, probabilities: Mapping[str, Path] | None = None
) -> PredictionFiles:
    """A mask in a folder of masks, with what this tool writes beside it where that is there.

    probabilities: by class, or under "" of all in one file; by default nnU-Net's CASE.npz.
    """
    case, by_class = strip_suffix(mask.name), dict(probabilities or {})
    probability = by_class.pop("", None)
    npz = mask.with_name(f"{case}{NPZ}")
    if not probabilities and is_nnunet_npz(npz):
        probability = npz

    def beside(kind: str, name: str) -> Path | None:
        path = Path(folder) / kind / name
        return path if path.is_file() else None

    return PredictionFiles(
        mask=mask,
        instances=beside("instances", mask.name),
        lesions=beside("lesions", f"{case}.csv"),
        candidates=beside("candidates", mask.name),
        candidate_table=beside("candidates", f"{case}.csv"),
        probability=probability,
        class_probabilities=by_class,
        classes=recorded_classes(record_of(mask)),
    )


@dataclass(frozen=True)
class ReportCase:
    """One case: its reference mask, the files of each model that has it, and an image to show them
    on."""

    case: str
    patient: str
    reference: Path
    predictions: Mapping[str, PredictionFiles]
    image: Path | None = None


@dataclass(frozen=True)
class Matches:
    """The files of the folders that belong together, and the others.

    unmatched: sentences that name what was left out, for the log and the page. unpredicted: the
    cases that no model has, where these are left out. notes: sentences on what was taken for what.
    """

    cases: tuple[ReportCase, ...]
    unmatched: tuple[str, ...] = field(default=())
    unpredicted: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())
