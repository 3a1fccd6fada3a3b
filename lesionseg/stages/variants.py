"""The variants of a study: their settings, and one of them trained and predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from lesionseg.errors import LesionsegError, UsageError
from lesionseg.inference.model_folder import load_model
from lesionseg.settings.ablate import AblateSettings
from lesionseg.settings.fusion import MEMBERS
from lesionseg.settings.merging import merged
from lesionseg.settings.messages import checked
from lesionseg.settings.network import FUSION
from lesionseg.settings.run import RunSettings
from lesionseg.stages.dataset import open_dataset
from lesionseg.stages.fusion import in_order
from lesionseg.stages.prediction import TrainedModel, predict_all, test_scans
from lesionseg.stages.preparation import prepare_cases, prepared_folder
from lesionseg.stages.training import check_training, train_models, training_cases
from lesionseg.storage.atomic import write_text
from lesionseg.storage.lock import locked
from lesionseg.storage.provenance import withdraw
from lesionseg.storage.yaml_file import read_yaml


def check_variants(study: AblateSettings) -> None:
    """Raise UsageError, before any work, for a variant that cannot be trained."""
    for variant in study.study.variants:
        settings = variant_settings(study, variant, 0)
        check_training(settings)
        if _judged(settings) is None:
            raise UsageError(
                f"variant {variant} has models {list(settings.models)}; want one, or a fusion with "
                "what it joins"
            )


def variant_settings(study: AblateSettings, variant: str, seed: int) -> RunSettings:
    """The study's settings with what the variant changes, its seed and its own folder.

    Raises UsageError for a change that does not fit.
    """
    base = study.part(RunSettings).plain()
    changed = merged(base, study.study.variants[variant])
    own = {"seed": seed, "output": str(Path(study.output) / "variants" / f"{variant}_{seed}")}
    return checked(RunSettings, changed | own, f"study.variants.{variant}")


def withdraw_marks(study: AblateSettings) -> None:
    """Say of no variant that it is finished, before any job is started: one may not start."""
    withdraw(
        _finished(variant_settings(study, variant, seed))
        for variant in study.study.variants
        for seed in study.seeds
    )


def write_study(path: Path, study: AblateSettings) -> None:
    """Write study.yaml, which the jobs of a study read."""
    write_text(path, yaml.safe_dump(study.plain(), sort_keys=False))


def read_study(path: Path) -> AblateSettings:
    """What `write_study` wrote. Raises UsageError for a file that is no study."""
    content = read_yaml(path, path.name)
    return checked(AblateSettings, content, path.name)


def train_variant(settings: RunSettings, study: AblateSettings) -> None:
    """Train and predict one variant; what is finished is kept."""
    dataset = open_dataset(settings)
    prepared = cases_of_variant(settings, study)
    finished = _finished(settings)
    with locked(Path(settings.output)):
        finished.unlink(missing_ok=True)
        if prepared.parent == Path(settings.output):
            # dealt with the study's seed, so that all variants test the same patients
            prepare_cases(dataset, settings.model_copy(update={"seed": study.seed}))
        edges_mm = settings.edges_mm or dataset.card.edges_mm
        train_models(settings, training_cases(prepared), edges_mm)
        predict_all({"": trained_variant(settings)}, test_scans(dataset, prepared), settings.save)
        write_text(finished, "trained and predicted\n")


def cases_of_variant(settings: RunSettings, study: AblateSettings) -> Path:
    """Cases that all variants share, or the variant's own where it plans or reads otherwise."""
    shared = settings.plan == study.plan and settings.data == study.data
    return prepared_folder(study if shared else settings)


def variants_by_classes(study: AblateSettings) -> list[tuple[RunSettings, list[str]]]:
    """The variants in groups that tell the same lesion classes apart, and the settings of the first
    of each."""
    groups: list[tuple[RunSettings, list[str]]] = []
    for variant in study.study.variants:
        settings = variant_settings(study, variant, study.seeds[0])
        told = _told_apart(settings)
        mine = next((names for one, names in groups if _told_apart(one) == told), None)
        if mine is None:
            groups.append((settings, [variant]))
        else:
            mine.append(variant)
    return groups


def _told_apart(settings: RunSettings) -> object:
    """What a run says of lesion classes."""
    data = settings.data
    return data.classes, data.regions, data.lesions


def trained_variants(study: AblateSettings, variants: Iterable[str]) -> dict[str, TrainedModel]:
    """These variants with every seed, by name. Raises LesionsegError for one not finished."""
    models = {}
    for variant in variants:
        for seed in study.seeds:
            name = variant if len(study.seeds) == 1 else f"{variant}, seed {seed}"
            settings = variant_settings(study, variant, seed)
            if not is_finished(settings):
                raise LesionsegError(f"variant {name} did not finish; the line above says why")
            models[name] = trained_variant(settings)
    return models


def model_of(study: AblateSettings) -> Mapping[str, str]:
    """The variant of each name of `trained_variants` where there are several seeds."""
    several = len(study.seeds) > 1
    return {
        f"{variant}, seed {seed}": variant
        for variant in study.study.variants
        for seed in (study.seeds if several else ())
    }


def is_finished(settings: RunSettings) -> bool:
    """Whether a variant was finished the last time it was started."""
    return _finished(settings).is_file()


def trained_variant(settings: RunSettings) -> TrainedModel:
    """The trained model of a variant and where its masks are."""
    name = _judged(settings)
    assert name is not None
    output = Path(settings.output)
    model = load_model(output / "models" / name, settings.device, threads=settings.threads)
    return TrainedModel(model, output / "predictions")


def _judged(settings: RunSettings) -> str | None:
    """The model whose masks are those of a variant: its only one, or the fusion of the others."""
    *members, last = in_order(settings.models)
    return last if not members or (last == FUSION and len(members) == len(MEMBERS)) else None


def _finished(settings: RunSettings) -> Path:
    return Path(settings.output) / "finished"
