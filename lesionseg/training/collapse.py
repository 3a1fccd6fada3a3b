"""Says when a network has learnt to mark nothing, or everything, and what gets it out."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import lightning as L
from tqdm import tqdm

from lesionseg.training.callbacks import BudgetKeeper
from lesionseg.training.module import LesionModule
from lesionseg.wording import counted

MOST = 0.5  # share of the scans' volume that no lesions have


def collapse(counts: Mapping[str, float]) -> str:
    """What is wrong with the answers at thresholds of 0.5, in words, and what to do; else empty.

    counts: over the validation scans num_reference, the volume marked as lesion, marked_mm3, and
    the scans' own, scan_mm3.
    """
    lesions, marked, volume = (counts[key] for key in ("num_reference", "marked_mm3", "scan_mm3"))
    if lesions and not marked:
        return (
            f"marks nothing yet in validation scans that hold {counted(int(lesions), 'lesion')}: "
            "so far it has learnt background alone, which a low loss does not show. More steps, a "
            "loss that weighs lesions more (network.NAME.loss) or a larger "
            "sampling.lesion_fraction get it out"
        )
    if marked > MOST * volume:
        return (
            f"marks {100 * marked / volume:.0f} % of the validation scans as "
            "lesion: a loss that lesions dominate has forgotten background. A lower "
            "train.learning_rate or another network.NAME.loss get it out"
        )
    return ""


class CollapseWatch(L.Callback):
    """Prints what `collapse` says after a validation, and does not repeat itself."""

    def __init__(self, title: str, keeper: BudgetKeeper) -> None:
        self.title, self.keeper = title, keeper
        self._said: list[str] = []

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, LesionModule)
        found = collapse(module.counts).replace("NAME", self.title)
        kind = found.split(" ")[:2]  # marks nothing, marks 90 %
        if found and kind != self._said:
            tqdm.write(
                f"{self.title}: after {counted(self.keeper.step, 'step')} it {found}",
                file=sys.stderr,
            )
        self._said = kind
