"""What a report is made from: files by case and model, and the options of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.io.formats import strip_suffix
from lesionseg.io.reading import ReadingRule


@dataclass(frozen=True)
class PredictionFiles:
    """One model's files for one case; all but `mask` may be absent.

    mask: binary mask or lesion ids. instances: lesion ids, used in the mask's place.
    lesions: table with columns id and score. candidates, candidate_table: ids of all candidate
    lesions and their scores, those below the operating threshold too. probability: in [0, 1].
    """

    mask: Path
    instances: Path | None = None
    lesions: Path | None = None
    candidates: Path | None = None
    candidate_table: Path | None = None
    probability: Path | None = None


def prediction_files(folder: Path, mask: Path, probability: Path | None = None) -> PredictionFiles:
    """A mask in a folder of masks, with what this tool writes beside it where that is there."""
    case = strip_suffix(mask.name)

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
    )


@dataclass(frozen=True)
class ReportCase:
    """One case: its reference mask, each model's files, and an image to show them on."""

    case: str
    patient: str
    reference: Path
    predictions: Mapping[str, PredictionFiles]
    image: Path | None = None


@dataclass(frozen=True)
class ScoringOptions:
    """How masks are read and scored; every one of these is printed on the page.

    labels: mask values that are lesion; None takes every value but 0. known_labels: the values that
    masks may hold besides 0, others are refused; None, any. threshold: turns masks of
    fractions into binary ones; None refuses them. fix_grid: resample a prediction that lies on
    another grid than the reference, nearest voxel, instead of refusing it. assume_affine: take a
    file without a position in the world by its voxel sizes. atlas: lesions shown a
    size and kind. viewer: cases in the slice viewer.
    """

    edges_mm: tuple[float, ...] = (3.0, 5.0, 10.0)
    connectivity: int = 26
    found_iou: float = 0.1
    threshold: float | None = None
    candidate_threshold: float = 0.1
    fix_grid: bool = False
    assume_affine: bool = False
    labels: tuple[int, ...] | None = None
    known_labels: tuple[int, ...] | None = None
    draws: int = 2000
    seed: int = 0
    atlas: int = 3
    viewer: int = 3

    @property
    def rule(self) -> ReadingRule:
        """How files are read: the rule of training, by the names of these options."""
        return ReadingRule(
            assume_affine=self.assume_affine,
            fix_grid=self.fix_grid,
            mask_threshold=self.threshold,
            fix_grid_key="fix_grid",
            threshold_key="threshold",
        )

    @property
    def mask_labels(self) -> MaskLabels | None:
        """What mask values mean; None where every value but 0 is lesion."""
        if self.labels is None:
            return None
        known = None if self.known_labels is None else frozenset(self.known_labels)
        return MaskLabels(known, frozenset(self.labels))


@dataclass(frozen=True)
class Matches:
    """What of the folders belongs together, and what does not.

    unmatched: sentences that name what was left out, for the log and the page.
    """

    cases: tuple[ReportCase, ...]
    unmatched: tuple[str, ...] = field(default=())
