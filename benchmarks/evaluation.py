"""Time and memory of `evaluate_case` on large cases with many lesions.

python benchmarks/evaluation.py                one 192x240x240 case, 400 + 400 lesions, one core
python benchmarks/evaluation.py --cases 100    that many such cases, on --workers processes
python benchmarks/evaluation.py --lesions 5000 another number of lesions
python benchmarks/evaluation.py --oracle       against the tests' slow loop, on a smaller case
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from lesionseg.evaluation import evaluate_case

SHAPE = (192, 240, 240)
REACH = 9


def make_case(seed: int, shape: tuple[int, int, int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Reference and predicted ids: balls of MS-like size, half of the predictions near a lesion."""
    generator = np.random.default_rng(seed)
    radii = np.clip(np.exp(generator.normal(0.45, 0.45, 2 * count)), 0.5, REACH - 1)
    limit = np.array(shape) - REACH - 1
    centres = generator.integers(REACH, limit, (2 * count, 3))
    hits = count // 2
    near = np.clip(centres[:hits] + generator.integers(-1, 2, (hits, 3)), REACH, limit)
    reference = paint(shape, centres[:count], radii[:count])
    moved = np.concatenate([near, centres[count : 2 * count - hits]])
    return reference, paint(shape, moved, np.append(radii[:hits], radii[count : 2 * count - hits]))


def paint(shape: tuple[int, int, int], centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    ids = np.zeros(shape, np.int32)
    grid = np.indices((2 * REACH + 1,) * 3).reshape(3, -1) - REACH
    distance = np.sqrt((grid**2).sum(axis=0))
    for i, (centre, radius) in enumerate(zip(centres, radii), 1):
        x, y, z = grid[:, distance <= radius] + centre[:, None]
        ids[x, y, z] = i
    return ids


def timed(reference: np.ndarray, prediction: np.ndarray) -> float:
    start = time.perf_counter()
    result = evaluate_case(reference, prediction, (1, 1, 1))
    elapsed = time.perf_counter() - start
    assert result.case["num_reference"] > 0
    return elapsed


def whole_case(seed: int, count: int) -> float:
    return timed(*make_case(seed, SHAPE, count))


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1)
    parser.add_argument("--lesions", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--oracle", action="store_true")
    args = parser.parse_args()
    if args.oracle:
        against_oracle()
    elif args.cases == 1:
        os.environ["OMP_NUM_THREADS"] = "1"
        reference, prediction = make_case(0, SHAPE, args.lesions)
        before = peak_gb()
        times = [timed(reference, prediction) for _ in range(5)]
        binary = timed(reference > 0, prediction > 0)
        print(
            f"{SHAPE}, {args.lesions} + {args.lesions} lesions: ids {min(times):.2f} s (worst of 5 "
            f"{max(times):.2f}), binary {binary:.2f} s; peak {peak_gb():.2f} GB, of which "
            f"{before:.2f} GB before"
        )
    else:
        start = time.perf_counter()
        with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
            counts = [args.lesions] * args.cases
            scoring = sum(pool.map(whole_case, range(args.cases), counts))
        total = time.perf_counter() - start
        print(
            f"{args.cases} cases on {args.workers} processes: {total:.1f} s, making the cases "
            f"included; scoring alone {scoring:.1f} s of one core"
        )


def against_oracle() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "evaluation"))
    from slow_loop import slow_lesions

    reference, prediction = make_case(0, (96, 120, 120), 40)
    fast = min(timed(reference, prediction) for _ in range(3))
    start = time.perf_counter()
    slow_lesions(reference, prediction, (1, 1, 1))
    slow = time.perf_counter() - start
    print(f"96x120x120, 40 + 40 lesions: slow loop {slow:.1f} s, {fast:.3f} s here", end=": ")
    print(f"{slow / fast:.0f} times")


if __name__ == "__main__":
    main()
