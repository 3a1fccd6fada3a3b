"""One shard of a stage, as a Hydra job. Started by stages with launcher=NAME."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from lesionseg.cli import recipe
from lesionseg.errors import LesionsegError, Stopped
from lesionseg.stages.shard_jobs import read_jobs, shard_settings


@hydra.main(version_base="1.3", config_path="pkg://lesionseg.conf", config_name="shard_job")
def job(config: DictConfig) -> None:
    """What a launcher calls, on this machine or another that sees the same folders.

    One that fails says so in a line; the others go on, and the end of the stage names it. An
    interrupt ends the stage.
    """
    try:
        jobs = read_jobs(Path(config.jobs_file))
        settings = shard_settings(jobs, int(config.shard))
        with contextlib.chdir(jobs.folder):
            recipe(jobs.stage)(settings)
    except Stopped as error:
        raise KeyboardInterrupt from error
    except LesionsegError as error:
        print(f"shard {config.shard}: {error}", file=sys.stderr)


if __name__ == "__main__":
    job()
