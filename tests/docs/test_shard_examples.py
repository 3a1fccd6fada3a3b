"""The examples of jobs in the documentation, run as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from report_cohort import lesions, save, worse

from lesionseg import cli

HOW_TO = Path(__file__).parents[2] / "docs/how_to"


@pytest.fixture
def folders(tmp_path):
    for seed, name in enumerate("abc"):
        save(tmp_path / "ref" / f"{name}.nii.gz", lesions(seed))
        save(tmp_path / "masks" / f"{name}.nii.gz", worse(lesions(seed), seed))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/lesionseg"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lesionseg.cli "$@"\n')
    program.chmod(0o755)
    return tmp_path


def run(folders, *words, **more):
    path = f"{folders / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **more}
    done = subprocess.run(words, cwd=folders, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def tables(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


@pytest.fixture
def whole(folders):
    words = [f"reference={folders / 'ref'}", f"predictions.net={folders / 'masks'}", "workers=0"]
    assert cli.main(["report", *words, f"output={folders / 'whole'}"]) == 0
    return tables(folders / "whole")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a script of bash")
def test_the_array_script_leaves_what_one_process_leaves(folders, whole):
    script = HOW_TO / "report_shards.sbatch"
    for number in (1, 0):
        own = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": "2"}
        run(folders, "bash", str(script), "ref", "masks", "out", **own)
    assert tables(folders / "out") == whole


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("snakemake"), reason="needs snakemake")
def test_the_snakemake_file_leaves_what_one_process_leaves(folders, whole):
    shutil.copy(HOW_TO / "report_shards.smk", folders / "Snakefile")
    config = ["reference=ref", "masks=masks", "output=out", "shards=2"]
    run(folders, "snakemake", "--cores", "2", "--config", *config)
    assert tables(folders / "out") == whole
