"""Each stage killed at random moments; its results after a rerun against those without a kill.

python benchmarks/kills.py preprocess=16 train=10 predict=12 report=16 run=6

A tiny phantom, stored as MetaImage, which a child process reads, goes through each stage once
undisturbed. Then each stage is started as often as asked for, in a fresh copy of what it needs;
after a random share of its time the process itself, a worker or a reader's child is ended with
SIGKILL, the command is run again to its end, and masks, tables, cases and weights are compared with
those of the undisturbed run. Times differ, and are not compared.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import blosc2
import numpy as np
import psutil
import SimpleITK as sitk

from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.settings.data import PhantomSettings

DATA = ["data=nnunet", "workers=2"]
TRAIN = [
    *("models=[unet]", "threads=1", "device=cpu", "train.steps=12", "train.validate_every=6"),
    *("train.checkpoint_every=3", "train.validation_cases=1", "sampling.size=32"),
    *("sampling.batch_size=2", "network.unet.channels=[8,12,16]"),
]
UNMEASURED = ["loss_slabs=0", "price_lesions=0"]
TIMES = {"minutes", "seconds", "started", "ended", "date", "time"}  # keys that are not compared
PASSED = {"checkpoint.safetensors", "log.csv", "run.json", "report.html", "preprocess.json"}
KINDS = ("the process itself", "a worker or reader")


@dataclass(frozen=True)
class Stage:
    """needs: folders of a finished run that are copied first. words: of the command line."""

    name: str
    needs: tuple[str, ...]
    words: Callable[[Path, Path], list[str]]  # of the output and of the scans


def _report(out: Path, data: Path) -> list[str]:
    folders = [f"reference={data / 'labelsTs'}", f"predictions.unet={out / 'masks'}"]
    return ["report", *folders, f"images={data / 'imagesTs'}", f"output={out / 'report'}"]


STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "preprocess", (), lambda o, d: ["preprocess", *DATA, f"data.root={d}", f"output={o}"]
        ),
        Stage("train", ("preprocessed",), lambda o, _: ["train", *TRAIN, f"output={o}"]),
        Stage(
            "predict",
            ("models",),
            lambda o, d: [
                *("predict", f"model={o / 'models/unet'}", f"input={d / 'imagesTs'}"),
                *(f"output={o / 'masks'}", "device=cpu", "threads=1", "save=[candidates]"),
            ],
        ),
        Stage("report", ("masks",), lambda o, d: [*_report(o, d), "workers=2", "draws=50"]),
        Stage(
            "run",
            (),
            lambda o, d: ["run", *DATA, *TRAIN, *UNMEASURED, f"data.root={d}", f"output={o}"],
        ),
    )
}


def main() -> None:
    wanted = dict(word.split("=") for word in sys.argv[1:])
    generator = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        data = as_metaimage(
            write_cohort(root / "raw", PhantomSettings(num_train=5, num_test=3, size=0.3))
        )
        finished, seconds = undisturbed(root, data, wanted)
        print("| stage | killed | of these | equal after the rerun | left over |")
        print("|---|---|---|---|---|", flush=True)
        for stage in (STAGES[one] for one in wanted):
            kills = []
            for number in range(int(wanted[stage.name])):
                whole, usual = finished[stage.name], seconds[stage.name]
                kills.append(kill(stage, whole, root / "killed", data, usual, generator))
                print(f"{stage.name} {number + 1}: {kills[-1]}", file=sys.stderr)
            hit = [one for one in kills if one is not None]
            of_each = ", ".join(f"{kind} {sum(h[0] == kind for h in hit)}" for kind in KINDS)
            differ = [name for _, names, _ in hit for name in names]
            left = [name for _, _, names in hit for name in names]
            equal = sum(not names for _, names, _ in hit)
            print(
                f"| {stage.name} | {len(hit)} | {of_each} | {equal} {sorted(set(differ)) or ''} | "
                f"{sorted(set(left)) or 0} |",
                flush=True,
            )


def as_metaimage(root: Path) -> Path:
    """The cohort's volumes as .mha in place of .nii.gz."""
    for path in sorted(root.rglob("*.nii.gz")):
        sitk.WriteImage(sitk.ReadImage(str(path)), str(path).replace(".nii.gz", ".mha"))
        path.unlink()
    card = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps(card | {"file_ending": ".mha"}))
    return root


def undisturbed(
    root: Path, data: Path, wanted: dict[str, str]
) -> tuple[dict[str, Path], dict[str, float]]:
    """The folder of a run without kills by stage, and how many seconds each stage took."""
    folders, seconds = {}, {}
    for name, stage in STAGES.items():
        folders[name] = root / ("whole-run" if name == "run" else "whole")
        if name == "run" and name not in wanted:
            continue
        begin = time.monotonic()
        subprocess.run(command(stage, folders[name], data), check=True, stderr=subprocess.DEVNULL)
        seconds[name] = time.monotonic() - begin
    return folders, seconds


def command(stage: Stage, output: Path, data: Path) -> list[str]:
    return [sys.executable, "-m", "lesionseg.cli", *stage.words(output, data)]


def kill(
    stage: Stage,
    whole: Path,
    folder: Path,
    data: Path,
    seconds: float,
    generator: random.Random,
) -> tuple[str, list[str], list[str]] | None:
    """Which kind was killed, which files differ after a rerun and what is left over; None where the
    process had ended before."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in stage.needs:
        shutil.copytree(whole / part, folder / part)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = command(stage, folder, data)
    process = subprocess.Popen(words, **quiet)  # type: ignore[call-overload]
    time.sleep(generator.uniform(0.1, 0.95) * seconds)
    kind = ""
    itself = psutil.Process(process.pid)  # it stands there until it is waited for
    with contextlib.suppress(psutil.NoSuchProcess):
        children = itself.children(recursive=True)
        by_child = bool(children) and generator.random() < 0.5
        if process.poll() is None:
            (generator.choice(children) if by_child else itself).kill()
            kind = KINDS[by_child]
    process.wait()
    rerun = subprocess.run(words, **quiet)  # type: ignore[call-overload]
    if not kind:
        return None
    differ = ["the rerun failed"] if rerun.returncode else differences(whole, folder)
    return kind, differ, leftovers(folder)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def differences(whole: Path, folder: Path) -> list[str]:
    """Files of the folder that are not what the undisturbed run has, and those that it lacks."""
    parts = [path for path in folder.iterdir() if path.is_dir()]
    found = []
    for part in parts:
        other = whole / part.name
        for place in sorted({*files(part), *files(other)}):
            one, two = part / place, other / place
            if place.name in PASSED or place.name.startswith("."):
                continue
            if not (one.is_file() and two.is_file()) or content(one) != content(two):
                found.append(f"{part.name}/{place.as_posix()}")
    return found


def files(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def content(path: Path) -> object:
    """What is compared of a file."""
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text()))
    if path.suffix == ".b2nd":
        return np.asarray(blosc2.open(str(path), mode="r")[:]).tobytes()
    return path.read_bytes()


def without_times(value: object) -> object:
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(one) for one in value] if isinstance(value, list) else value


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
