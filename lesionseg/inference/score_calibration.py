"""From a model's scores to chances: of the lesions given a chance of 0.8, 8 in 10 are lesions.

The curve is fitted on the validation candidates, rises everywhere, and so changes no ranking. It
holds for scans like those of validation; the report shows how well it holds on the test scans.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from lesionseg.evaluation import Candidates
from lesionseg.structures import Knots

FEWEST_TRUE = 10  # candidates that are lesions, in each stretch of scores
STRETCHES = 20  # at most, so that a model is told by few numbers
DIGITS = 6


def fit_calibration(scans: Sequence[Candidates]) -> Knots:
    """Knots of a curve from score to the share of candidates that share a voxel with a lesion.

    Scores are cut into stretches with the same number of lesions, from the highest down. Their
    shares are made to rise by isotonic regression (Zadrozny & Elkan 2002), where none or all are
    lesions half a candidate short of that. The curve is straight between the mean scores of the
    stretches, from 0 at 0; at 1 it has the share that one more lesion would give the highest
    stretch. Without enough candidates of either kind there are no knots: scores stay what they are.
    """
    score = np.concatenate([np.zeros(0), *(one.score for one in scans)]).clip(0, 1)
    true = np.concatenate([np.zeros(0, bool), *(one.owner > 0 for one in scans)])
    if min(true.sum(), (~true).sum()) < FEWEST_TRUE:
        return ()
    order = np.argsort(-score, kind="stable")
    score, true = score[order], true[order]
    each = max(FEWEST_TRUE, -(-int(true.sum()) // STRETCHES))
    # candidates of one score stay together
    last_of_score = np.append(np.diff(score) != 0, True)
    stretch = (np.cumsum(true) - true) // each
    first_of_score = np.append(0, np.flatnonzero(last_of_score)[:-1] + 1)
    stretch = np.repeat(stretch[first_of_score], np.diff(np.append(first_of_score, len(score))))
    _, place, num = np.unique(stretch, return_inverse=True, return_counts=True)
    means = np.bincount(place, score) / num
    shares = np.bincount(place, true) / num
    num, means, shares = num[::-1], means[::-1], shares[::-1]  # from the lowest stretch up
    rising = isotonic_regression(shares, weights=num)
    knots = []
    for first, end in itertools.pairwise(rising.blocks):
        size, share = int(num[first:end].sum()), float(rising.x[first])
        within = min(max(share, 0.5 / size), 1 - 0.5 / size)
        knots.append((float(np.average(means[first:end], weights=num[first:end])), within))
    return _strictly_rising(knots, min((share * size + 1) / (size + 1), 1.0))


def _strictly_rising(knots: Sequence[tuple[float, float]], last: float) -> Knots:
    """The knots, rounded, between (0, 0) and (1, last); those that do not rise are left out."""
    last = round(last, DIGITS)
    kept = [(0.0, 0.0)]
    for knot in knots:
        x, y = (round(value, DIGITS) for value in knot)
        if kept[-1][0] < x < 1 and kept[-1][1] < y < last:
            kept.append((x, y))
    return (*kept, (1.0, last))


def mean_curve(curves: Sequence[Knots]) -> Knots:
    """The mean of several curves, of which one without knots leaves scores as they are."""
    if not any(curves):
        return ()
    x = np.unique(np.concatenate([[0.0, 1.0], *([place for place, _ in one] for one in curves)]))
    y = np.mean([calibrated(x, one) for one in curves], axis=0)
    return tuple(zip(x.tolist(), y.tolist()))


def calibrated(scores: NDArray[np.float64] | float, knots: Knots) -> NDArray[np.float64]:
    """Scores in [0, 1] along the curve; as they are where there are no knots."""
    if not knots:
        return np.asarray(scores, np.float64)
    x, y = zip(*knots)
    return np.interp(scores, x, y)
