"""The thin LightningModule: sum the network's losses, stop when they are not finite, validate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Generator, Tensor

from lesionseg.errors import LesionsegError
from lesionseg.models.interface import Network
from lesionseg.structures import Case
from lesionseg.training.stream import Batch

# model, case -> numbers that add up over cases: num_reference, num_found, num_false_positive; the
# voxels marked as lesion, marked_voxels, and all, scan_voxels
CountLesions = Callable[[Network, Case], dict[str, float]]


class LesionModule(L.LightningModule):
    """Trains `model` with AdamW; `count_lesions` scores one whole validation case.

    generator: what the model draws while training, and nothing else.
    """

    def __init__(
        self,
        model: Network,
        generator: Generator,
        *,
        learning_rate: float,
        weight_decay: float,
        count_lesions: CountLesions | None,
    ) -> None:
        super().__init__()
        self.model, self.generator = model, generator
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.count_lesions = count_lesions
        self.last_terms: dict[str, Tensor] = {}
        self.validated: dict[str, float] = {}
        self.counts: dict[str, float] = {}
        self._of_cases: list[dict[str, float]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        terms = self.model.losses(batch.images, batch.targets, self.generator)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        if not torch.isfinite(total):
            bad = [name for name, term in terms.items() if not torch.isfinite(term)]
            raise LesionsegError(
                f"loss {', '.join(bad) or 'sum'} is not finite on cases "
                f"{', '.join(sorted(set(batch.cases)))}; the last checkpoint is kept: check these "
                "cases' intensities, or lower train.learning_rate"
            )
        self.last_terms = {name: term.detach() for name, term in terms.items()} | {
            "loss": total.detach()
        }
        self.log("loss", total.detach(), prog_bar=True, logger=False)
        return total

    def on_validation_epoch_start(self) -> None:
        self._of_cases = []

    def validation_step(self, case: Case, batch_idx: int) -> None:
        assert self.count_lesions is not None
        self._of_cases.append(self.count_lesions(self.model, case))

    def on_validation_epoch_end(self) -> None:
        total = {key: sum(one[key] for one in self._of_cases) for key in self._of_cases[0]}
        self.counts = total
        lesions = total["num_reference"]
        self.validated = {
            "val_recall": total["num_found"] / lesions if lesions else math.nan,
            "val_fp_per_scan": total["num_false_positive"] / len(self._of_cases),
        }
        for name, value in self.validated.items():
            self.log(name, value, prog_bar=True, logger=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )

    def transfer_batch_to_device(self, batch: Any, device: torch.device, _: int) -> Any:
        return batch.to(device) if isinstance(batch, Batch) else batch
