"""The lesions of a slice as training targets: one record for all networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesionseg.components import pieces_in_slice
from lesionseg.lesion_kinds import IGNORED, LesionKinds, of_one_class

BACKGROUND = -1  # the owner of what belongs to no lesion


@dataclass(frozen=True, eq=False)
class Target:
    """The lesions of one slice.

    boxes: (R, 4) float32 xyxy in pixels, tight. labels: (R,) int64, 1..K.
    masks: (R, H, W) bool, one 2D piece each. semantic: (H, W) int64, 0 = background, 1..K the
    class of the innermost lesion, IGNORED where nobody judged.
    lesion_ids: (R,) int32, the 3D lesion that each piece is cut from.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor
    semantic: Tensor
    lesion_ids: Tensor

    @property
    def ignored(self) -> Tensor:
        """(H, W) bool: where nobody judged."""
        return self.semantic == IGNORED

    def to(self, device: torch.device) -> Target:
        return Target(*(t.to(device, non_blocking=True) for t in self._tensors()))

    def pin_memory(self) -> Target:
        return Target(*(t.pin_memory() for t in self._tensors()))

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.boxes, self.labels, self.masks, self.semantic, self.lesion_ids


def slice_target(lesion_ids: NDArray[np.int32], kinds: LesionKinds | None = None) -> Target:
    """Targets of one slice from its lesion ids (H, W), 0 = background. kinds: of the lesions; None:
    all are of class 1, none inside another.

    A lesion may meet the slice in several pieces: each 8-connected piece of one id is a target of
    its own, so that no box spans healthy tissue between two pieces. A lesion inside another is a
    part of both.
    """
    kinds = of_one_class(lesion_ids) if kinds is None else kinds
    pieces = [piece for layer in kinds.layers(lesion_ids) for piece in pieces_in_slice(layer)]
    num = len(pieces)
    masks = np.zeros((num, *lesion_ids.shape), dtype=bool)
    boxes = np.zeros((num, 4), dtype=np.float32)
    owners = np.zeros(num, dtype=np.int32)
    for i, (lesion, mask, (row, column)) in enumerate(pieces):
        height, width = mask.shape
        masks[i, row : row + height, column : column + width] = mask
        boxes[i] = column, row, column + width, row + height
        owners[i] = lesion
    return Target(
        boxes=torch.from_numpy(boxes),
        labels=torch.from_numpy(kinds.classes[owners].astype(np.int64)),
        masks=torch.from_numpy(masks),
        semantic=_semantic(lesion_ids, kinds),
        lesion_ids=torch.from_numpy(owners),
    )


def block_target(lesion_ids: NDArray[np.int32], kinds: LesionKinds | None = None) -> Target:
    """Targets of a block from its lesion ids (D, H, W): the classes of its voxels, as `semantic`
    (D, H, W), and no pieces. kinds: as in slice_target."""
    nothing = slice_target(np.zeros(lesion_ids.shape[1:], np.int32))
    return dataclasses.replace(nothing, semantic=_semantic(lesion_ids, kinds))


def _semantic(lesion_ids: NDArray[np.int32], kinds: LesionKinds | None) -> Tensor:
    """The class of the innermost lesion of each place, IGNORED where nobody judged."""
    kinds = of_one_class(lesion_ids) if kinds is None else kinds
    semantic = kinds.classes[np.maximum(lesion_ids, 0)].astype(np.int64)
    semantic[lesion_ids == IGNORED] = IGNORED
    return torch.from_numpy(semantic)


def owners_in_batch(owners: Sequence[Tensor], targets: Sequence[Target]) -> list[Tensor]:
    """Piece indices within each target as indices into the concatenated pieces of all targets.

    owners: one int64 tensor of any shape a target; whatever is negative becomes BACKGROUND.
    """
    moved, start = [], 0
    for owner, target in zip(owners, targets):
        moved.append(torch.where(owner >= 0, owner + start, BACKGROUND))
        start += len(target.boxes)
    return moved
