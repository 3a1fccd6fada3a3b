"""Every variant and seed of a study as a job of Hydra's multirun."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from lesionseg.errors import UsageError
from lesionseg.settings.ablate import AblateSettings

JOB = "lesionseg.pipelines.ablate_job"


def check_launcher(settings: AblateSettings) -> None:
    """Raise UsageError, before any work, for a launcher or an option of it that there is not."""
    import hydra
    from hydra.errors import HydraException

    try:
        with hydra.initialize_config_module("lesionseg.conf", version_base="1.3"):
            hydra.compose(
                "ablate_job",
                [f"hydra/launcher={settings.launcher}", *_options(settings)],
                return_hydra_config=True,
            )
    except HydraException as error:
        problem = " ".join(str(error).split()).partition(" Config search path")[0]
        raise UsageError(
            f"launcher {settings.launcher} cannot be used: {problem[:300]}; basic needs nothing, "
            "others come with the extra cluster"
        ) from error


def _options(settings: AblateSettings) -> list[str]:
    return [f"hydra.launcher.{key}={value}" for key, value in settings.launcher_options.items()]


def launch(settings: AblateSettings, study_file: Path) -> None:
    """Start the jobs with `settings.launcher` and wait for them. study_file: what they read."""
    words = [
        "--multirun",
        f"study_file={json.dumps(str(study_file), ensure_ascii=False)}",
        f"variant={','.join(settings.study.variants)}",
        f"seed={','.join(map(str, settings.seeds))}",
        f"hydra.sweep.dir={json.dumps(str(study_file.parent / 'jobs'), ensure_ascii=False)}",
        "hydra.sweep.subdir=${variant}_${seed}",
        f"hydra/launcher={settings.launcher}",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        *_options(settings),
    ]
    before = sys.argv
    sys.argv = ["lesionseg-ablate", *words]
    try:
        importlib.import_module(JOB).job()
    finally:
        sys.argv = before
