"""The endless stream of training slabs that both models see, batch by batch and seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.defaults import EDGES_MM
from lesionseg.settings.sampling import SamplingRule
from lesionseg.size_buckets import SizeBuckets
from lesionseg.slabs.augmentation import augment
from lesionseg.slabs.slab import (
    BlockRule,
    SlabRule,
    Window,
    plane_axes,
    read_block,
    read_slab,
    slab_shape,
)
from lesionseg.structures import Case, Slab


class SlabSampler:
    """Draws batches of augmented slabs. Batch i depends on (seed, i) alone, so a run can resume.

    slab_rule: a BlockRule draws blocks, in whose slices the lesion lies that was picked. Raises
    ValueError for a rule without a window size, which the plan has to fill in.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        slab_rule: SlabRule | BlockRule,
        rule: SamplingRule,
        augmentation: AugmentationRule,
        seed: int,
        *,
        edges_mm: Sequence[float] = EDGES_MM,
    ) -> None:
        if rule.size is None:
            raise ValueError("sampling.size is null; fill in the window_px of the plan")
        self.cases, self.slab_rule, self.rule = list(cases), slab_rule, rule
        self.size = rule.size
        self.augmentation, self.seed = augmentation, seed
        self.groups = lesion_groups(cases, rule.balance, edges_mm)
        self._extents: dict[int, dict[int, NDArray[np.int64]]] = {}  # of the lesions, by case

    def batch(self, index: int) -> list[Slab]:
        """The slabs of training step `index`: images (C, size, size), ids (size, size)."""
        rng = np.random.default_rng((self.seed, index))
        return [self._draw(rng) for _ in range(self.rule.batch_size)]

    def _draw(self, rng: np.random.Generator) -> Slab:
        if self.groups and rng.random() < self.rule.lesion_fraction:
            number, lesions = self._drawn_case(rng)
            index, row, column = self._near_lesion(number, lesions, rng)
        else:
            number = int(rng.integers(len(self.cases)))
            index, row, column = self._anywhere(number, rng)
        case, size = self.cases[number], self.size
        read = int(np.ceil(size * self.augmentation.reach / 2)) * 2
        window = Window(row - read // 2, column - read // 2, read, read)
        if isinstance(self.slab_rule, BlockRule):
            depth = self.slab_rule.num_slices
            slab = read_block(case, index - int(rng.integers(depth)), depth, window)
        else:
            slab = read_slab(case, index, self.slab_rule, window)
        assert slab.lesion_ids is not None
        num_slices = self.slab_rule.num_slices
        image, ids = augment(slab.image, slab.lesion_ids, size, num_slices, self.augmentation, rng)
        return Slab(image, ids, slab.case, slab.index, slab.kinds)

    def _anywhere(self, number: int, rng: np.random.Generator) -> tuple[int, int, int]:
        """A slice of a case and a window centre in it."""
        depth, height, width = slab_shape(self.cases[number])
        return int(rng.integers(depth)), int(rng.integers(height)), int(rng.integers(width))

    def _drawn_case(self, rng: np.random.Generator) -> tuple[int, Sequence[int]]:
        """A case with lesions of a group drawn evenly, and these lesions."""
        # one group alone is not drawn, so that the stream of one class does not depend on this
        group = self.groups[int(rng.integers(len(self.groups))) if len(self.groups) > 1 else 0]
        number = int(rng.choice(list(group)))
        return number, group[number]

    def _near_lesion(
        self, number: int, lesions: Sequence[int], rng: np.random.Generator
    ) -> tuple[int, int, int]:
        """A slice through a random one of these lesions of the case, and a window centre within
        reach of it."""
        if number not in self._extents:
            self._extents[number] = self._read_extents(number)
        extents = self._extents[number]
        present = [lesion for lesion in lesions if lesion in extents]
        if not present:  # the plan was allowed to lose them
            return self._anywhere(number, rng)
        low, high = extents[present[int(rng.integers(len(present)))]].T
        index = int(rng.integers(low[0], high[0]))
        reach = self.size // 3
        centre = [int(rng.integers(low[i], high[i])) for i in (1, 2)]
        row, column = (c + int(rng.integers(-reach, reach + 1)) for c in centre)
        return index, row, column

    def _read_extents(self, number: int) -> dict[int, NDArray[np.int64]]:
        """(3, 2) by lesion of a case: first and one-past-last slice, row and column."""
        case = self.cases[number]
        order = (case.slab_axis, *plane_axes(case))
        return {
            lesion: np.array([[box[a].start, box[a].stop] for a in order])
            for layer in case.kinds.layers(np.asarray(case.lesion_ids))
            for lesion, box in enumerate(ndimage.find_objects(layer), 1)
            if box is not None
        }


def lesion_groups(
    cases: Sequence[Case], balance: str, edges_mm: Sequence[float]
) -> list[Mapping[int, Sequence[int]]]:
    """The groups of lesions that are drawn alike often: place of a case -> its lesions in there.

    balance: as in the sampling settings. edges_mm: of the size buckets.
    """
    buckets = SizeBuckets.from_edges(edges_mm)
    groups: dict[tuple[int, int], dict[int, list[int]]] = {}
    for number, case in enumerate(cases):
        for lesion, row in case.lesions.items():
            kind = 0 if balance == "cases" else int(row["class"])
            sized = balance == "classes_and_sizes"
            key = (kind, buckets.number(row["volume_mm3"]) if sized else 0)
            groups.setdefault(key, {}).setdefault(number, []).append(lesion)
    return [groups[key] for key in sorted(groups)]
