"""Memory of `lesionseg preprocess` with 10 and with 100 cases: the largest process of each.

python benchmarks/preprocess_memory.py
"""

from __future__ import annotations

import multiprocessing
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.settings.data import PhantomSettings


def peak_mib(root: Path, output: Path) -> float:
    """Of the stage and its worker processes; run in a process of its own, since peaks only rise."""
    words = ["preprocess", "data=nnunet", f"data.root={root}", f"output={output}"]
    subprocess.run(
        [sys.executable, "-m", "lesionseg.cli", *words], check=True, stdout=subprocess.DEVNULL
    )
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for num in (10, 100):
            root = write_cohort(
                Path(name) / f"cohort{num}",
                PhantomSettings(num_train=num, num_test=0, size=0.5),
                workers=None,
            )
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                peak = pool.apply(peak_mib, (root, Path(name) / f"run{num}"))
            print(f"preprocess of {num} cases: largest process {peak:.0f} MiB")


if __name__ == "__main__":
    main()
