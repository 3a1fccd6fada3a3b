"""What the losses of trained models do with small lesions, measured on validation cases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from lesionseg.errors import NoInputError, UsageError
from lesionseg.evaluation import SizeBuckets
from lesionseg.inference.ensemble import single
from lesionseg.inference.model_folder import load_model
from lesionseg.inference.model_store import LoadedModel
from lesionseg.models.fusion import Fusion
from lesionseg.models.unet3d import UNet3D
from lesionseg.planning.plan import Plan
from lesionseg.preprocessing.prepared import Prepared, open_prepared
from lesionseg.reporting.plots.imbalance import LOSS_COLUMNS
from lesionseg.reporting.plots.missing_price import PRICE_COLUMNS
from lesionseg.settings.messages import checked
from lesionseg.settings.run import RunSettings
from lesionseg.settings.sampling import SamplingRule
from lesionseg.stages.preparation import prepared_folder
from lesionseg.storage.csv_table import read_frame, write_frame
from lesionseg.storage.hashes import sha256_of_json
from lesionseg.structures import Case
from lesionseg.training.loss_shares import loss_shares
from lesionseg.training.missing_price import missing_prices
from lesionseg.wording import counted

FORMAT = 3
NO_LOSS = {
    Fusion: "joins other models and has no loss to measure",
    UNet3D: "is trained on blocks; losses are measured on slabs, and its own is left out",
}
SEED = 0  # every model sees the same slabs and lesions


@dataclass(frozen=True, eq=False)
class LossMeasures:
    """shares: LOSS_COLUMNS, of loss and gradient by size. prices: PRICE_COLUMNS, of missing one
    lesion. None where not measured."""

    shares: pd.DataFrame | None = None
    prices: pd.DataFrame | None = None


def measures_of_models(
    folders: Mapping[str, Path],
    cases: Path,
    buckets: SizeBuckets,
    *,
    num_slabs: int,
    num_lesions: int,
    device: str,
    keep: bool,
) -> LossMeasures:
    """Both tables, of every model one below the other, as the report wants them.

    folders: model folders by name; a table that one of them holds is used where it is of the same
    weights, cases and numbers. num_slabs, num_lesions: what is measured on; 0 leaves a table out.
    keep: write tables there. cases: RUN/preprocessed. Raises UsageError for a folder that is no
    model or was trained on otherwise preprocessed cases, NoInputError where no validation case has
    a reference.
    """
    prepared = open_prepared(cases)
    shares, prices = [], []
    for name, folder in folders.items():
        model = single(load_model(folder, device), name)
        _refuse_other_cases(name, model.plan, prepared.plan, cases.name)
        if isinstance(model.network, Fusion | UNet3D):
            print(f"{name}: {NO_LOSS[type(model.network)]}", file=sys.stderr)
            continue
        sampling = checked(SamplingRule, model.training.get("sampling", {}), f"{name}: sampling")
        made_from = [FORMAT, SEED, model.weights_sha256, model.plan.key, sampling.plain()]
        made_from.append(prepared.content_sha256(prepared.splits.validation))
        once = partial(_once, folder=folder, name=name, keep=keep)
        if num_slabs > 0:
            measure = partial(_shares, model, sampling, prepared, buckets, num_slabs)
            key = sha256_of_json([*made_from, num_slabs, list(buckets.edges_mm)])
            shares.append(once(measure, "loss_shares.csv", key, counted(num_slabs, "slab")))
        if num_lesions > 0:
            measure = partial(_prices, model, sampling, prepared, num_lesions)
            key = sha256_of_json([*made_from, num_lesions])
            prices.append(once(measure, "missing_prices.csv", key, counted(num_lesions, "lesion")))
    return LossMeasures(
        pd.concat(shares, ignore_index=True)[LOSS_COLUMNS] if shares else None,
        pd.concat(prices, ignore_index=True)[PRICE_COLUMNS] if prices else None,
    )


def _refuse_other_cases(name: str, model: Plan, cases: Plan, folder: str) -> None:
    """Raise UsageError for cases that the model could not have been trained on."""
    if cases.case_key != model.case_key:
        raise UsageError(
            f"model {name} was trained on cases preprocessed by another plan than those in "
            f"{folder}; give the cases of its own run"
        )
    if cases.lesion_classes != model.lesion_classes:
        known, got = (
            ", ".join(one.words for one in plan.lesion_classes.classes) for plan in (model, cases)
        )
        raise UsageError(
            f"model {name} knows the lesion classes {known}, the cases in {folder} have {got}; "
            "give the cases of its own run"
        )


def measures_of_run(settings: RunSettings, edges_mm: tuple[float, ...]) -> LossMeasures:
    """Those of the models that a run trained."""
    if settings.loss_slabs < 1 and settings.price_lesions < 1:
        return LossMeasures()
    return measures_of_models(
        {name: Path(settings.output) / "models" / name for name in settings.models},
        prepared_folder(settings),
        SizeBuckets.from_edges(edges_mm),
        num_slabs=settings.loss_slabs,
        num_lesions=settings.price_lesions,
        device=settings.device,
        keep=True,
    )


def _once(
    measure: Callable[[], pd.DataFrame],
    file: str,
    key: str,
    words: str,
    *,
    folder: Path,
    name: str,
    keep: bool,
) -> pd.DataFrame:
    """The table that is there, or measured now, with the model's name."""
    table = _stored(folder / file, key)
    if table is None:
        print(f"{name}: measuring its losses on {words}", file=sys.stderr)
        table = measure()
        if keep:
            write_frame(folder / file, table.assign(key=key))
    return table.assign(model=name)


def _shares(
    model: LoadedModel,
    sampling: SamplingRule,
    prepared: Prepared,
    buckets: SizeBuckets,
    num_slabs: int,
) -> pd.DataFrame:
    return loss_shares(
        model.network,
        _with_references(prepared),
        buckets,
        slab_rule=model.slab_rule,
        sampling=sampling,
        num_slabs=num_slabs,
        seed=SEED,
        device=next(model.network.parameters()).device,
        classes=prepared.plan.lesion_classes,
    )


def _prices(
    model: LoadedModel, sampling: SamplingRule, prepared: Prepared, num_lesions: int
) -> pd.DataFrame:
    return missing_prices(
        model.network,
        _with_references(prepared),
        slab_rule=model.slab_rule,
        size=sampling.size or prepared.plan.detector.window_px,
        num_lesions=num_lesions,
        seed=SEED,
        device=next(model.network.parameters()).device,
        classes=prepared.plan.lesion_classes,
    )


def _with_references(prepared: Prepared) -> list[Case]:
    cases = [c for c in prepared.open(prepared.splits.validation) if c.lesion_ids is not None]
    if not cases:
        raise NoInputError(f"no validation case in {prepared.folder.name} has a reference mask")
    return cases


def _stored(path: Path, key: str) -> pd.DataFrame | None:
    """The table of an earlier measurement; None where there is none or it was of something else."""
    try:
        table = read_frame(path)
        return table.drop(columns="key") if set(table["key"]) == {key} else None
    except (OSError, ValueError, KeyError):
        return None
