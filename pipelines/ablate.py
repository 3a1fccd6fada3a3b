"""Design questions measured on one's own data: each variant at the same budget, one table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lesionseg.pipelines import preprocess, train
from lesionseg.pipelines.ablate_job import is_finished, job, trained_model, variant_config
from lesionseg.pipelines.ceiling import print_ceiling
from lesionseg.pipelines.score import report_on, test_scans
from omegaconf import DictConfig, OmegaConf

from lesionseg.errors import EXIT_SOME_REJECTED, LesionsegError, UsageError
from lesionseg.storage.atomic import write_text
from lesionseg.storage.lock import locked


def main(config: DictConfig) -> int:
    """Run the study `config.study`; return the exit code."""
    output = Path(config.output).resolve()
    config.output = str(output)  # jobs may start elsewhere
    if config.data.root is not None:
        config.data.root = str(Path(config.data.root).resolve())
    preprocess.refuse_beside_scans(config)
    if config.study.name == "ceiling":
        with locked(output):
            return print_ceiling(output)
    variants = list(config.study.variants)
    for variant in variants:
        merged = variant_config(config, variant, 0)
        train.check(merged)
        if len(merged.models) != 1:
            raise UsageError(f"variant {variant} has models {list(merged.models)}; want one")
    whole = all(type(seed) is int and seed >= 0 for seed in config.seeds)
    if not whole or len(set(config.seeds)) != len(config.seeds) or not config.seeds:
        raise UsageError(f"seeds is {list(config.seeds)}; want different whole numbers")
    with locked(output):
        return _study(config, variants)


def _study(config: DictConfig, variants: list[str]) -> int:
    output = Path(config.output)
    dataset = preprocess.find_dataset(config)
    if config.data.root is None:
        config.data.root = str(output / "phantom")  # made just now, by whoever came first
        dataset = preprocess.find_dataset(config)
    prepared = preprocess.main(config, dataset)
    if prepared not in (0, EXIT_SOME_REJECTED):
        return prepared
    if config.edges_mm is None:
        config.edges_mm = list(dataset.card.edges_mm)
    study_file = output / "study.yaml"
    write_text(study_file, OmegaConf.to_yaml(config, resolve=True))
    _launch(config, study_file, variants)
    models = {}
    for variant in variants:
        for seed in config.seeds:
            name = variant if len(config.seeds) == 1 else f"{variant}, seed {seed}"
            merged = variant_config(config, variant, int(seed))
            if not is_finished(merged):
                raise LesionsegError(f"variant {name} did not finish; the line above says why")
            models[name] = trained_model(merged)
    scans = test_scans(dataset, output / "preprocessed")
    return report_on(config, dataset, models, scans, {}, None) or prepared


def _launch(config: DictConfig, study_file: Path, variants: list[str]) -> None:
    """Every variant and seed as a job of Hydra's multirun."""
    options = [f"hydra.launcher.{key}={value}" for key, value in config.launcher_options.items()]
    words = [
        "--multirun",
        f"study_file={json.dumps(str(study_file), ensure_ascii=False)}",
        f"variant={','.join(variants)}",
        f"seed={','.join(str(seed) for seed in config.seeds)}",
        f"hydra.sweep.dir={json.dumps(str(study_file.parent / 'jobs'), ensure_ascii=False)}",
        "hydra.sweep.subdir=${variant}_${seed}",
        f"hydra/launcher={config.launcher}",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        *options,
    ]
    before = sys.argv
    sys.argv = ["lesionseg-ablate", *words]
    try:
        job()
    finally:
        sys.argv = before
