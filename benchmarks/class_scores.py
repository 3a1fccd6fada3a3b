"""Our figures of several lesion classes beside those of panoptica, on 50 random cases.

python benchmarks/class_scores.py --tools VENV     VENV: as of independent_tools.py

Both get masks of three classes, cut them into components within a class and pair lesions one to
one. Half a minute on one core. Prints the table of docs/results/independent_tools.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from independent.cases import FAMILIES, Case, perturbed
from independent_tools import asked_environment, difference, figures_of

from lesionseg.evaluation import CaseScores, evaluate_classes

CLASSES = {"one": 1, "two": 2, "three": 3}
NUMBER = 50
TOOL = "panoptica, classes"
EQUAL = 1e-6


def main() -> None:
    venv = asked_environment(__doc__)
    cases = list(class_cases())
    theirs = figures_of(venv, TOOL, cases)
    if isinstance(theirs, str):
        raise SystemExit(f"panoptica is not to be had: {theirs}")
    apart: dict[str, list[float]] = {}
    for case, found in zip(cases, theirs):
        if isinstance(found, str):
            raise SystemExit(f"panoptica raises {found}")
        ours = evaluate_classes(case.reference, case.prediction, (1, 1, 1), CLASSES)
        for name, scores in ours.items():
            for label, value in our_figures(scores).items():
                without_pair = label.startswith("SQ") and np.isnan(value)
                if f"{name} {label}" in found and not without_pair:
                    apart.setdefault(label, []).append(difference(value, found[f"{name} {label}"]))
    print("| figure of a class | compared | largest difference | over 1e-6 |")
    print("|---" * 4 + "|")
    for label, values in apart.items():
        print(f"| {label} | {len(values)} | {max(values):.1g} | {sum(v > EQUAL for v in values)} |")


def class_cases(seed: int = 0) -> Iterator[Case]:
    """Lesions that touch, each of one of three classes; a prediction of one in five is of another
    class than most of what lies below it."""
    generator = np.random.default_rng(seed)
    _, touching = FAMILIES["touching"]
    for _ in range(NUMBER):
        ids = touching(generator)
        prediction = perturbed(generator, ids, "touching")
        of_lesion = np.append(0, generator.integers(1, 4, int(ids.max())))
        reference = of_lesion[ids]
        of_prediction = np.zeros(int(prediction.max()) + 1, np.int64)
        for i in range(1, len(of_prediction)):
            below = np.bincount(reference[prediction == i], minlength=4)[1:]
            known = below.any() and generator.random() < 0.8
            of_prediction[i] = below.argmax() + 1 if known else generator.integers(1, 4)
        classes = (reference.astype(np.int32), of_prediction[prediction].astype(np.int32))
        yield Case("classes", *classes, np.zeros(0), np.eye(4, dtype=np.float32))


def our_figures(scores: CaseScores) -> dict[str, Any]:
    """Recall and precision are over pairs at IoU above 0.1, as panoptica counts them; SQ without a
    pair is undefined here and 0 there."""
    case, pairs = scores.case, int((scores.predictions["match_iou10"] > 0).sum())
    return {
        "Dice": case["dice"],
        "reference lesions": case["num_reference"],
        "predicted lesions": case["num_predicted"],
        "PQ at IoU > 0.5": case["pq"],
        "SQ at IoU > 0.5": case["sq"],
        "RQ at IoU > 0.5": case["rq"],
        "PQ at IoU > 0.1": case["pq_iou10"],
        "SQ at IoU > 0.1": case["sq_iou10"],
        "RQ at IoU > 0.1": case["rq_iou10"],
        "recall of pairs": pairs / case["num_reference"] if case["num_reference"] else np.nan,
        "precision of pairs": pairs / case["num_predicted"] if case["num_predicted"] else np.nan,
    }


if __name__ == "__main__":
    main()
