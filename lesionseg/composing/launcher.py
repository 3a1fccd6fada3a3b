"""Jobs of Hydra's multirun: every variant and seed of a study, every shard of a stage."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg.errors import UsageError
from lesionseg.settings.ablate import AblateSettings
from lesionseg.settings.shards import Shards

JOB = "lesionseg.pipelines.ablate_job"
SHARD_JOB = "lesionseg.pipelines.shard_job"


def check_launcher(settings: AblateSettings | Shards, job: str = "ablate_job") -> None:
    """Raise UsageError, before any work, for a launcher or an option of it that there is not.

    job: name of what is launched.
    """
    import hydra
    from hydra.errors import HydraException

    try:
        with hydra.initialize_config_module("lesionseg.conf", version_base="1.3"):
            hydra.compose(
                job,
                [f"hydra/launcher={settings.launcher}", *_options(settings)],
                return_hydra_config=True,
            )
    except HydraException as error:
        problem = " ".join(str(error).split()).partition(" Config search path")[0]
        raise UsageError(
            f"launcher {settings.launcher} cannot be used: {problem[:300]}; basic needs nothing, "
            "others come with the extra cluster"
        ) from error


def _options(settings: AblateSettings | Shards) -> list[str]:
    return [f"hydra.launcher.{key}={value}" for key, value in settings.launcher_options.items()]


def launch(settings: AblateSettings, study_file: Path) -> None:
    """Start the jobs with `settings.launcher` and wait for them. study_file: what they read."""
    swept = [
        f"study_file={_quoted(study_file)}",
        f"variant={','.join(settings.study.variants)}",
        f"seed={','.join(map(str, settings.seeds))}",
        "hydra.sweep.subdir=${variant}_${seed}",
    ]
    _multirun(JOB, settings, swept, study_file.parent / "jobs")


def launch_shards(stage: str, settings: Shards, steps: Mapping[str, Mapping[str, Any]]) -> int:
    """Start a job a shard with `settings.launcher`, wait for them and finish; the exit code.

    What earlier jobs recorded is forgotten; each case that is there whole is used again.
    steps: one after another, by what records of their jobs are called; each with settings that the
    jobs of it have alone. Raises UsageError where the launcher cannot be used, LockedError where
    jobs are at work, and as `finish_output` where one failed.
    """
    from lesionseg.stages.finishing import finish_output
    from lesionseg.stages.jobs import forget_jobs
    from lesionseg.stages.shard_jobs import write_jobs

    check_launcher(settings, "shard_job")
    assert settings.num_shards is not None
    output, code = Path(str(settings.plain()["output"])), 0
    for step, own in steps.items():
        forget_jobs(output, step)
        jobs_file = write_jobs(output, stage, settings, **own)
        swept = [
            f"jobs_file={_quoted(jobs_file)}",
            f"shard={','.join(map(str, range(settings.num_shards)))}",
            "hydra.sweep.subdir=${shard}",
            "hydra.output_subdir=null",
        ]
        _multirun(SHARD_JOB, settings, swept, jobs_file.parent / "jobs")
        code = finish_output(output, step)
    return code


def _multirun(
    job: str, settings: AblateSettings | Shards, words: Sequence[str], folder: Path
) -> None:
    every = [
        "--multirun",
        *words,
        f"hydra.sweep.dir={_quoted(folder)}",
        f"hydra/launcher={settings.launcher}",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        *_options(settings),
    ]
    before = sys.argv
    sys.argv = [job.rpartition(".")[2], *every]
    try:
        importlib.import_module(job).job()
    finally:
        sys.argv = before


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
