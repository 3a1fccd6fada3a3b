"""How long `lesionseg check` of a cohort takes, start-up, processes and page included.

python benchmarks/check.py COHORT [RUNS]      COHORT: any folder that lesionseg finds the layout of
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time


def main() -> None:
    cohort, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    times = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as output:
            start = time.perf_counter()
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "lesionseg.cli", "check"),
                    *(f"data.root={cohort}", f"output={output}"),
                ],
                capture_output=True,
                text=True,
            )
            times.append(time.perf_counter() - start)
    print(done.stdout.strip().splitlines()[-1].rpartition(";")[0])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(
        f"check: {min(times):.1f} s, best of {runs}; largest process {peak / 1024:.0f} MB "
        f"(exit code {done.returncode})"
    )


if __name__ == "__main__":
    main()
