"""Which class each reference lesion is predicted as."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.evaluation.matching import assign, find_overlaps
from lesionseg.evaluation.scored_case import ScoredCase
from lesionseg.evaluation.sparse_lesions import Lesions
from lesionseg.settings.defaults import MISSED, NO_CLASS

COLUMNS = ["reference_class", "predicted_class", "num_lesions"]
NO_MASK = np.zeros((0, 0, 0), dtype=bool)


def class_confusion(parts: Mapping[str, ScoredCase]) -> pd.DataFrame:
    """Lesions of one scan by reference class and predicted class, with COLUMNS; no zeros.

    parts: by class, as `classes.score_classes` makes them, of classes that share no voxel. Each
    reference lesion goes to the class of the predicted lesion with which it shares most voxels, by
    the rule of `matching.assign`; one that shares none is MISSED. A predicted lesion that shares no
    voxel with a lesion of any class is of the reference class NO_CLASS.
    """
    names = list(parts)
    matched = [part.matched for part in parts.values()]
    frames = [one.frame for one in matched]
    low = np.min([frame.start for frame in frames], axis=0)
    high = np.max([np.add(frame.start, frame.shape) for frame in frames], axis=0)

    def whole(sides: list[Lesions]) -> tuple[Lesions, NDArray[np.int64]]:
        """The lesions of all classes in one box, and the class of each."""
        flat = [
            np.ravel_multi_index(tuple((frame.coordinates(one.flat) - low).T), tuple(high - low))
            for one, frame in zip(sides, frames)
        ]
        starts = np.cumsum([0, *(len(one) for one in sides)])
        index = np.concatenate([one.index + start for one, start in zip(sides, starts)])
        every = np.concatenate(flat).astype(np.int64)
        order = np.argsort(every)
        ids, sizes = (np.concatenate([getattr(one, n) for one in sides]) for n in ("ids", "sizes"))
        found = Lesions(ids, sizes, every[order], index[order], NO_MASK)
        return found, np.repeat(np.arange(len(sides)), [len(one) for one in sides])

    truth, true_class = whole([one.reference for one in matched])
    found, found_class = whole([one.prediction for one in matched])
    overlaps = find_overlaps(found, truth)
    owner = assign(found, truth, overlaps).reference
    pairs = [
        (names[c], names[found_class[o]] if o >= 0 else MISSED) for c, o in zip(true_class, owner)
    ]
    alone = np.setdiff1d(np.arange(len(found)), overlaps.reference)
    pairs += [(NO_CLASS, names[found_class[i]]) for i in alone]
    table = pd.DataFrame(pairs, columns=COLUMNS[:2], dtype=object)
    return table.groupby(COLUMNS[:2], sort=False).size().rename(COLUMNS[2]).reset_index()
