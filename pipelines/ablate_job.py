"""One variant of a study, as a Hydra job: train it, predict the test scans. Started by `ablate`."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from lesionseg.errors import LesionsegError, Stopped
from lesionseg.stages.variants import read_study, train_variant, variant_settings


@hydra.main(version_base="1.3", config_path="pkg://lesionseg.conf", config_name="ablate_job")
def job(config: DictConfig) -> None:
    """What a launcher calls, on this machine or another that sees the same folders.

    One that fails says so in a line and leaves no mark of being finished; the others go on. An
    interrupt ends the study.
    """
    study = read_study(Path(config.study_file))
    try:
        train_variant(variant_settings(study, str(config.variant), int(config.seed)), study)
    except Stopped as error:
        raise KeyboardInterrupt from error
    except LesionsegError as error:
        print(f"variant {config.variant}, seed {config.seed}: {error}", file=sys.stderr)


if __name__ == "__main__":
    job()
