"""How often a 95 % interval over patients holds the truth, by the number of patients.

python benchmarks/coverage.py               the table of docs/results/intervals.md, some minutes
python benchmarks/coverage.py --trials 100  a quick look

Patients have 1 to some 30 lesions (mean 6). A patient's own chance of a lesion being found is drawn
from a beta distribution around the true recall; `rho` is the correlation between two lesions of one
patient. Two models differ by 10 points, their chances in a patient correlated by 0.7.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr
from scipy.stats import beta

from lesionseg.evaluation import bootstrap_ratio, paired_difference, pooled_share
from lesionseg.evaluation.statistics import bootstrap_weights, ratio

PATIENTS = (4, 6, 10, 20, 50)
RECALLS = (0.3, 0.6, 0.9)
RHOS = (0.0, 0.1, 0.3)
Interval = tuple[float, float]


def lesions(generator: np.random.Generator, patients: int) -> np.ndarray:
    return 1 + generator.negative_binomial(1.2, 1.2 / (1.2 + 5), patients)


def chances(normal: np.ndarray, recall: float, rho: float) -> np.ndarray:
    """A chance for each patient, around `recall`, from its place in a normal distribution."""
    if rho == 0:
        return np.full(len(normal), recall)
    both = (1 - rho) / rho
    return beta.ppf(ndtr(normal), recall * both, (1 - recall) * both)


def percentile(top: np.ndarray, bottom: np.ndarray) -> Interval:
    weights = bootstrap_weights(len(top))
    low, high = np.nanquantile(ratio(weights @ top, weights @ bottom), [0.025, 0.975])
    return float(low), float(high)


def wilson(top: np.ndarray, bottom: np.ndarray) -> Interval:
    found = pooled_share(top, bottom)
    return found.low, found.high


def expanded(top: np.ndarray, bottom: np.ndarray) -> Interval:
    found = bootstrap_ratio(top, bottom)
    return found.low, found.high


def cohort(
    generator: np.random.Generator, patients: int, recall: float, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lesions of each patient, and how many of them are found."""
    number = lesions(generator, patients)
    chance = chances(generator.standard_normal(patients), recall, rho)
    return number, generator.binomial(number, chance)


def recall_coverage(patients: int, recall: float, rho: float, trials: int) -> list[float]:
    """Of percentile, expanded and Wilson's interval, in per cent."""
    generator = np.random.default_rng([patients, round(100 * recall), round(100 * rho)])
    hits = np.zeros(3)
    for _ in range(trials):
        number, found = cohort(generator, patients, recall, rho)
        methods: list[Callable[[np.ndarray, np.ndarray], Interval]] = [percentile, expanded, wilson]
        for i, method in enumerate(methods):
            low, high = method(found.astype(float), number.astype(float))
            hits[i] += low - 1e-9 <= recall <= high + 1e-9
    return list(100 * hits / trials)


def dice_coverage(patients: int, recall: float, rho: float, trials: int) -> list[float]:
    """Of percentile and expanded interval of lesion Dice: 0 where missed, else around .7."""
    generator = np.random.default_rng([1, patients, round(100 * recall), round(100 * rho)])
    hits = np.zeros(2)
    for _ in range(trials):
        number, found = cohort(generator, patients, recall, rho)
        dice = np.array([generator.beta(7, 3, n).sum() for n in found])
        for i, method in enumerate((percentile, expanded)):
            low, high = method(dice, number.astype(float))
            hits[i] += low - 1e-9 <= 0.7 * recall <= high + 1e-9
    return list(100 * hits / trials)


def difference_coverage(patients: int, recall: float, rho: float, trials: int) -> list[float]:
    """Of percentile and expanded interval of the difference of two models, in per cent."""
    generator = np.random.default_rng([2, patients, round(100 * recall), round(100 * rho)])
    hits = np.zeros(2)
    for _ in range(trials):
        number = lesions(generator, patients)
        one, own = generator.standard_normal((2, patients))
        other = 0.7 * one + np.sqrt(1 - 0.7**2) * own
        found = [
            generator.binomial(number, chances(place, p, rho)).astype(float)
            for place, p in ((one, recall), (other, recall - 0.1))
        ]
        weights = bootstrap_weights(patients)
        total = weights @ number
        draws = (weights @ found[0] - weights @ found[1]) / total
        low, high = np.quantile(draws, [0.025, 0.975])
        wide = paired_difference((found[0], number), (found[1], number))
        for i, (a, b) in enumerate(((low, high), (wide.low, wide.high))):
            hits[i] += a - 1e-9 <= 0.1 <= b + 1e-9
    return list(100 * hits / trials)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    print(
        "| patients | true recall | rho | recall: percentile | expanded | Wilson | Dice: ", end=""
    )
    print("percentile | expanded | difference: percentile | expanded |")
    print("|" + "---|" * 10)
    for patients in PATIENTS:
        for recall in RECALLS:
            for rho in RHOS:
                covered = [
                    *recall_coverage(patients, recall, rho, trials),
                    *dice_coverage(patients, recall, rho, trials),
                    *difference_coverage(patients, recall, rho, trials),
                ]
                cells = " | ".join(f"{value:.0f}" for value in covered)
                print(f"| {patients} | {recall} | {rho} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
