"""Every variant and seed of a study as a job of Hydra's multirun."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from lesionseg.settings.ablate import AblateSettings

JOB = "lesionseg.pipelines.ablate_job"


def launch(settings: AblateSettings, study_file: Path) -> None:
    """Start the jobs with `settings.launcher` and wait for them. study_file: what they read."""
    options = [f"hydra.launcher.{key}={value}" for key, value in settings.launcher_options.items()]
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
        *options,
    ]
    before = sys.argv
    sys.argv = ["lesionseg-ablate", *words]
    try:
        importlib.import_module(JOB).job()
    finally:
        sys.argv = before
