"""Shards of each stage killed at random moments while all of them run; results after a rerun.

python benchmarks/shard_kills.py predict=40 preprocess=40 report=40 seed=0

Eight jobs of a stage write into one folder at once. Half of them are ended with SIGKILL, each at a
random moment; those are run again, together, and all that is there is compared with what one
undisturbed process left. Jobs are forked from this process, which has loaded the libraries already,
so that most of a job's time is its work.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kills import STAGES, as_metaimage, command, content, files

from lesionseg import cli
from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.settings.data import PhantomSettings

NUM_SHARDS = 8
NUM_KILLED = 4  # in a round
FORK = multiprocessing.get_context("fork")
OK = (0, 5)
STEPS = {"preprocess": ("fingerprint", "cases")}
COMPARED = {"preprocess": "preprocessed", "predict": "masks", "report": "report"}
PASSED = {"run.json"}


def main() -> None:
    wanted = {name: int(number) for name, number in (word.split("=") for word in sys.argv[1:])}
    generator = random.Random(wanted.pop("seed", 0))
    for name in (*STEPS, "predict", "report"):
        importlib.import_module(f"lesionseg.pipelines.{name}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        cohort = PhantomSettings(num_train=10, num_test=12, size=0.3)
        data = as_metaimage(write_cohort(root / "raw", cohort))
        whole = root / "whole"
        for stage in ("preprocess", "train", "predict", "report"):
            words = command(STAGES[stage], whole, data)
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        print("| stage | killed | rounds | equal after the rerun | differ or left over |")
        print("|---|---|---|---|---|", flush=True)
        for stage, number in wanted.items():
            killed = rounds = equal = 0
            wrong: set[str] = set()
            seconds = undisturbed(stage, whole, root / "timed", data)
            while killed < number:
                out = root / f"{stage}-{rounds}"
                killed += round_of_kills(stage, whole, out, data, seconds, generator)
                found = differences(whole, out, stage)
                rounds, equal = rounds + 1, equal + (not found)
                wrong |= set(found)
                print(f"{stage}: {killed} killed, {rounds} rounds, {found}", file=sys.stderr)
            print(f"| {stage} | {killed} | {rounds} | {equal} | {sorted(wrong) or 0} |", flush=True)


def jobs(stage: str, whole: Path, out: Path, data: Path) -> list[Callable[[int], list[str]]]:
    """The words of each step of a stage, by shard."""

    def words(shard: int, *more: str) -> list[str]:
        base = [w for w in STAGES[stage].words(whole, data) if not w.startswith("output=")]
        base = [word for word in base if not word.startswith("workers=")]
        place = out if stage == "preprocess" else out / COMPARED[stage]
        workers = [] if stage == "predict" else ["workers=0"]
        own = [f"shard={shard}", f"num_shards={NUM_SHARDS}", f"output={place}"]
        return [*base, *workers, *own, *more]

    if stage not in STEPS:
        return [words]
    return [lambda shard, step=step: words(shard, f"step={step}") for step in STEPS[stage]]


def job(words: list[str]) -> None:
    """In a forked process: what the command line does, without its output."""
    os.setpgid(0, 0)  # so that readers that it started end with it
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    if "SHOW" not in os.environ:
        os.dup2(null, 2)
    code = cli.main(words)
    os._exit(code)


def start(words: list[str]) -> multiprocessing.process.BaseProcess:
    process = FORK.Process(target=job, args=(words,))
    process.start()
    return process


def undisturbed(stage: str, whole: Path, out: Path, data: Path) -> float:
    """Seconds that all shards take together, of the longest step."""
    longest = 0.0
    for words in jobs(stage, whole, out / stage, data):
        begin = time.monotonic()
        processes = [start(words(shard)) for shard in range(NUM_SHARDS)]
        for process in processes:
            process.join()
            assert process.exitcode in OK, process.exitcode
        longest = max(longest, time.monotonic() - begin)
    assert differences(whole, out / stage, stage) == []
    return longest


def round_of_kills(
    stage: str, whole: Path, out: Path, data: Path, seconds: float, generator: random.Random
) -> int:
    """Run all shards with some killed, and those again; how many were killed."""
    killed = 0
    for words in jobs(stage, whole, out, data):
        processes = {shard: start(words(shard)) for shard in range(NUM_SHARDS)}
        begin = time.monotonic()
        chosen = generator.sample(range(NUM_SHARDS), NUM_KILLED)
        moments = sorted((seconds * generator.random() ** 2, shard) for shard in chosen)
        for moment, shard in moments:
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            pid = processes[shard].pid
            if processes[shard].is_alive() and pid is not None:
                os.kill(pid, signal.SIGKILL)
                killed += 1
        for process in processes.values():
            process.join()
        again = [start(words(s)) for s, one in processes.items() if one.exitcode not in OK]
        for process in again:
            process.join()
            assert process.exitcode in OK, (stage, process.exitcode)
    return killed


def differences(whole: Path, out: Path, stage: str) -> list[str]:
    """Files that differ from those of one process, that are missing, and that are left over."""
    part = COMPARED[stage]
    one, two = whole / part, out / part
    mine = {place for place in files(two) if place.parts[0] != "shards"}
    found = [
        f"{part}/{place.as_posix()}"
        for place in sorted({*files(one), *mine})
        if place.name not in PASSED
        if place not in mine
        or not (one / place).is_file()
        or content(one / place) != content(two / place)
    ]
    left = [path.name for path in out.rglob(".*")]
    return found + [f"left: {name}" for name in left]


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
