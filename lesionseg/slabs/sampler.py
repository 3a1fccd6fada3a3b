"""The endless stream of training slabs that both models see, batch by batch and seed by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.sampling import SamplingRule
from lesionseg.slabs.augmentation import augment
from lesionseg.slabs.slab import SlabRule, Window, plane_axes, read_slab, slab_shape
from lesionseg.structures import Case, Slab


class SlabSampler:
    """Draws batches of augmented slabs. Batch i depends on (seed, i) alone, so a run can resume.

    Raises ValueError for a rule without a window size, which the plan has to fill in.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        slab_rule: SlabRule,
        rule: SamplingRule,
        augmentation: AugmentationRule,
        seed: int,
    ) -> None:
        if rule.size is None:
            raise ValueError("sampling.size is null; fill in the window_px of the plan")
        self.cases, self.slab_rule, self.rule = list(cases), slab_rule, rule
        self.size = rule.size
        self.augmentation, self.seed = augmentation, seed
        self.with_lesions = [i for i, case in enumerate(cases) if case.lesions]
        self._extents: dict[int, NDArray[np.int64]] = {}  # of the lesions, by case

    def batch(self, index: int) -> list[Slab]:
        """The slabs of training step `index`: images (C, size, size), ids (size, size)."""
        rng = np.random.default_rng((self.seed, index))
        return [self._draw(rng) for _ in range(self.rule.batch_size)]

    def _draw(self, rng: np.random.Generator) -> Slab:
        if self.with_lesions and rng.random() < self.rule.lesion_fraction:
            number = int(rng.choice(self.with_lesions))
            index, row, column = self._near_lesion(number, rng)
        else:
            number = int(rng.integers(len(self.cases)))
            depth, height, width = slab_shape(self.cases[number])
            index, row, column = (int(rng.integers(n)) for n in (depth, height, width))
        case, size = self.cases[number], self.size
        read = int(np.ceil(size * self.augmentation.reach / 2)) * 2
        window = Window(row - read // 2, column - read // 2, read, read)
        slab = read_slab(case, index, self.slab_rule, window)
        assert slab.lesion_ids is not None
        num_slices = 2 * self.slab_rule.context_slices + 1
        image, ids = augment(slab.image, slab.lesion_ids, size, num_slices, self.augmentation, rng)
        return Slab(image, ids, slab.case, slab.index)

    def _near_lesion(self, number: int, rng: np.random.Generator) -> tuple[int, int, int]:
        """A slice through a random lesion of the case, and a window centre within reach of it."""
        if number not in self._extents:
            self._extents[number] = self._read_extents(number)
        extents = self._extents[number]
        low, high = extents[int(rng.integers(len(extents)))].T
        index = int(rng.integers(low[0], high[0]))
        reach = self.size // 3
        centre = [int(rng.integers(low[i], high[i])) for i in (1, 2)]
        row, column = (c + int(rng.integers(-reach, reach + 1)) for c in centre)
        return index, row, column

    def _read_extents(self, number: int) -> NDArray[np.int64]:
        """(L, 3, 2): first and one-past-last slice, row and column of each lesion of a case."""
        case = self.cases[number]
        boxes = ndimage.find_objects(np.asarray(case.lesion_ids))
        present = [box for box in boxes if box is not None]
        order = (case.slab_axis, *plane_axes(case))
        return np.array([[[box[a].start, box[a].stop] for a in order] for box in present])
