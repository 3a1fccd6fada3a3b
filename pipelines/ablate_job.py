"""One variant of a study, as a Hydra job: train it, predict the test scans. Started by `ablate`."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from lesionseg.pipelines import preprocess, train
from lesionseg.pipelines.score import TrainedModel, predict_all, test_scans
from omegaconf import DictConfig, OmegaConf

from lesionseg.errors import LesionsegError, Stopped
from lesionseg.inference.model_store import load_model
from lesionseg.models.device import torch_device
from lesionseg.storage.atomic import write_text
from lesionseg.storage.lock import locked


@hydra.main(version_base="1.3", config_path="pkg://lesionseg.conf", config_name="ablate_job")
def job(config: DictConfig) -> None:
    """What a launcher calls, on this machine or another that sees the same folders.

    One that fails says so in a line and leaves no mark of being finished; the others go on. An
    interrupt ends the study.
    """
    study = OmegaConf.load(config.study_file)
    assert isinstance(study, DictConfig)
    try:
        train_variant(variant_config(study, str(config.variant), int(config.seed)), study)
    except Stopped as error:
        raise KeyboardInterrupt from error
    except LesionsegError as error:
        print(f"variant {config.variant}, seed {config.seed}: {error}", file=sys.stderr)


def variant_config(study: DictConfig, variant: str, seed: int) -> DictConfig:
    """The study's configuration with what the variant changes, its seed and its own folder."""
    merged = OmegaConf.merge(study, study.study.variants[variant])
    assert isinstance(merged, DictConfig)
    merged.seed = seed
    merged.output = str(Path(study.output) / "variants" / f"{variant}_{seed}")
    return merged


def prepared_folder(config: DictConfig, study: DictConfig) -> Path:
    """Cases that all variants share, or the variant's own where it plans otherwise."""
    same_plan = config.plan == study.plan
    return Path(study.output if same_plan else config.output) / "preprocessed"


def train_variant(config: DictConfig, study: DictConfig) -> None:
    """Train and predict one variant; what is there already is kept."""
    dataset = preprocess.find_dataset(study)
    prepared = prepared_folder(config, study)
    finished = _finished(config)
    with locked(Path(config.output)):
        finished.unlink(missing_ok=True)
        if prepared.parent == Path(config.output):
            splits_as_study = OmegaConf.merge(config, {"seed": study.seed})
            assert isinstance(splits_as_study, DictConfig)
            preprocess.main(splits_as_study, dataset)
        train.main(config, prepared)
        predict_all([trained_model(config)], test_scans(dataset, prepared), list(config.save))
        write_text(finished, "trained and predicted\n")


def is_finished(config: DictConfig) -> bool:
    """Whether a variant came to its end, the last time it was started."""
    return _finished(config).is_file()


def _finished(config: DictConfig) -> Path:
    return Path(config.output) / "finished"


def trained_model(config: DictConfig) -> TrainedModel:
    """The trained model of a variant and where its masks are."""
    (name,) = config.models
    output = Path(config.output)
    model = load_model(output / "models" / name, torch_device(config.device))
    return TrainedModel(model, output / "predictions")


if __name__ == "__main__":
    job()
