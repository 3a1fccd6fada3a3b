"""Says when a network has learnt to mark nothing, or everything, and what gets it out."""

from __future__ import annotations

from collections.abc import Mapping

import lightning as L

from lesionseg.progress import write_above
from lesionseg.training.callbacks import BudgetKeeper
from lesionseg.training.module import LesionModule
from lesionseg.wording import counted

MOST = 0.5  # share of the scans' voxels that no lesions have
WAIT = 0.5  # share of the budget before which marking nothing is no sign


def collapse(counts: Mapping[str, float], detects: bool) -> tuple[str, str]:
    """What a network marks at thresholds of 0.5, `nothing` or `everything`, and the words for it;
    both empty where it is neither.

    counts: over the validation scans num_reference, the voxels marked as lesion, marked_voxels, and
    all, scan_voxels. detects: whether it gives Detections.
    """
    lesions, marked, voxels = (
        counts[key] for key in ("num_reference", "marked_voxels", "scan_voxels")
    )
    if lesions and not marked:
        what = "no detection that scores" if detects else "no voxel with a probability of"
        other = "" if detects else "a loss that weighs lesions more (network.NAME.loss), "
        return "nothing", (
            f"{what} 0.5 or more yet in validation scans that hold "
            f"{counted(int(lesions), 'lesion')}: it may be learning background alone, which a low "
            f"loss does not show. More steps, {other}or a larger sampling.lesion_fraction help"
        )
    if marked > MOST * voxels:
        return "everything", (
            f"{100 * marked / voxels:.0f} % of the validation scans is marked as lesion: it has "
            "forgotten background. A lower train.learning_rate helps"
        )
    return "", ""


class CollapseWatch(L.Callback):
    """Prints what `collapse` says after a validation, and does not repeat itself."""

    def __init__(self, title: str, keeper: BudgetKeeper) -> None:
        self.title, self.keeper = title, keeper
        self._said = ""

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, LesionModule)
        kind, words = collapse(module.counts, module.model.detects)
        spent = self.keeper.budget.spent(self.keeper.step, self.keeper.seconds)
        if kind == "nothing" and spent < WAIT:
            return
        if kind and kind != self._said:
            steps = counted(self.keeper.step, "step")
            told = words.replace("NAME", self.title)
            write_above(f"{self.title}: after {steps}: {told}")
        self._said = kind
