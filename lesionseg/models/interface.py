"""The contract for networks: what training, inference and the loss shares ask of one.

A network is an `nn.Module` with `loss_terms` and `predict`. Nothing else of it is called from
outside `models`, and nothing is set on it: the random generator is an argument.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from lesionseg.models.targets import Target


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one slice, best first.

    boxes: (N, 4) float32, xyxy in pixels, x along W. scores: (N,) float32 in [0, 1].
    labels: (N,) int64, 1..K. masks: (N, m, m) float32 in [0, 1], the mask inside each box.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Tensor

    def of_class(self, number: int) -> Detections:
        """Those of one class."""
        own = self.labels == number
        return Detections(self.boxes[own], self.scores[own], self.labels[own], self.masks[own])

    def to(self, device: torch.device | str) -> Detections:
        """The same, on another device."""
        return Detections(
            *(part.to(device) for part in (self.boxes, self.scores, self.labels, self.masks))
        )


@dataclass(frozen=True, eq=False)
class LossTerm:
    """One term of a training loss, with the output and the assignment it was computed from.

    value: () float, summed with the other terms. output: the network's output that the term is
    computed from. per_element: what each element (pixel, anchor, RoI, mask cell) adds to the term,
    up to one factor; it broadcasts against `output`. None for a term that is no sum over elements.

    The last three say which lesion piece an element belongs to.

    matches: one tensor an image, for each anchor or RoI along the leading axes of `output` the
    index of its piece in the image's target, negative for none; None: elements are pixels.
    chosen: bool over all `matches` concatenated; only these have elements; None: all have.
    drawn: the mask wanted in each RoI, in [0, 1], broadcasting against `output`: cells from 0.5 on
    belong to the RoI's piece, the others to background; None: elements are no mask cells.

    kind: what `output` is: logits of classes along axis 1, background first; `scores` and `masks`
    are logits of a sigmoid; `codes` are of boxes, 0 for a box that stays where it is. again: the
    term for another output of the same shape, all else as it is.
    """

    value: Tensor
    output: Tensor
    per_element: Tensor | None
    kind: Literal["classes", "scores", "masks", "codes"]
    again: Callable[[Tensor], LossTerm]
    matches: Sequence[Tensor] | None = None
    chosen: Tensor | None = None
    drawn: Tensor | None = None


class Network(nn.Module, ABC):
    """Slabs in; losses in training, detections or probabilities in prediction.

    images: (N, C, H, W) float, any H and W; C is image channels times slices, channel-major.
    detects: whether `predict` gives Detections, else probabilities. scored_by: how the lesions that
    probabilities make are scored, see `components.component_scores`.
    """

    detects: ClassVar[bool]
    scored_by: str = "peak"

    @abstractmethod
    def loss_terms(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, LossTerm]:
        """Every loss term by name; finite for images without any lesion.

        generator: a CPU generator for what the network draws; None draws from torch's own state.
        """

    def losses(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, Tensor]:
        """The values of `loss_terms`: what training sums."""
        terms = self.loss_terms(images, targets, generator)
        return {name: term.value for name, term in terms.items()}

    @abstractmethod
    def predict(self, images: Tensor) -> list[Detections] | list[Tensor]:
        """Of each image's centre slice: Detections, or the probability of each class (K, H, W)
        float32.

        On the device of `images`, without gradient.
        """
