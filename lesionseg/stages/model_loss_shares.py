"""Loss shares of each trained model, measured on validation cases: for the report."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lesionseg.errors import NoInputError, UsageError
from lesionseg.evaluation import SizeBuckets
from lesionseg.inference.model_store import LoadedModel, load_model
from lesionseg.preprocessing.prepared import Prepared, open_prepared
from lesionseg.reporting.plots.imbalance import LOSS_COLUMNS
from lesionseg.settings.messages import checked
from lesionseg.settings.run import RunSettings
from lesionseg.settings.sampling import SamplingRule
from lesionseg.stages.preparation import prepared_folder
from lesionseg.storage.csv_table import write_frame
from lesionseg.storage.hashes import sha256_of_text
from lesionseg.training.loss_shares import loss_shares

FILE = "loss_shares.csv"  # in a model folder
FORMAT = 1
SEED = 0  # every model sees the same slabs


def shares_of_models(
    folders: Mapping[str, Path],
    cases: Path,
    buckets: SizeBuckets,
    *,
    num_slabs: int,
    device: str,
    keep: bool,
) -> pd.DataFrame:
    """One row per model, loss term and bucket or "background", as the report wants them.

    folders: model folders by name; a table that one of them holds is used where it is of the same
    weights, cases, buckets and slabs. keep: write it there. cases: RUN/preprocessed. Raises
    UsageError for a folder that is no model or was trained on otherwise preprocessed cases,
    NoInputError where no validation case has a reference.
    """
    prepared = open_prepared(cases)
    tables = []
    for name, folder in folders.items():
        model = load_model(folder, device)
        if prepared.plan.case_key != model.plan.case_key:
            raise UsageError(
                f"model {name} was trained on cases preprocessed by another plan than those in "
                f"{cases.name}; give the cases of its own run"
            )
        sampling = checked(SamplingRule, model.training.get("sampling", {}), f"{name}: sampling")
        key = _key(model, sampling, prepared, buckets, num_slabs)
        table = _stored(folder / FILE, key)
        if table is None:
            print(f"{name}: measuring its loss shares on {num_slabs} slabs", file=sys.stderr)
            table = _measured(model, sampling, prepared, buckets, num_slabs)
            if keep:
                write_frame(folder / FILE, table.assign(key=key))
        tables.append(table.assign(model=name))
    return pd.concat(tables, ignore_index=True)[LOSS_COLUMNS]


def shares_of_run(settings: RunSettings, edges_mm: tuple[float, ...]) -> pd.DataFrame | None:
    """Those of the models that a run trained; None where the settings ask for no slabs."""
    if settings.loss_slabs < 1:
        return None
    return shares_of_models(
        {name: Path(settings.output) / "models" / name for name in settings.models},
        prepared_folder(settings),
        SizeBuckets.from_edges(edges_mm),
        num_slabs=settings.loss_slabs,
        device=settings.device,
        keep=True,
    )


def _measured(
    model: LoadedModel,
    sampling: SamplingRule,
    prepared: Prepared,
    buckets: SizeBuckets,
    num_slabs: int,
) -> pd.DataFrame:
    opened = prepared.open(prepared.splits.validation)
    cases = [case for case in opened if case.lesion_ids is not None]
    if not cases:
        raise NoInputError(f"no validation case in {prepared.folder.name} has a reference mask")
    device = next(model.network.parameters()).device
    return loss_shares(
        model.network,
        cases,
        buckets,
        slab_rule=model.slab_rule,
        sampling=sampling,
        num_slabs=num_slabs,
        seed=SEED,
        device=device,
    )


def _stored(path: Path, key: str) -> pd.DataFrame | None:
    """The table of an earlier measurement; None where there is none or it was of something else."""
    try:
        table = pd.read_csv(path)
        return table.drop(columns="key") if set(table["key"]) == {key} else None
    except (OSError, ValueError, KeyError):
        return None


def _key(
    model: LoadedModel,
    sampling: SamplingRule,
    prepared: Prepared,
    buckets: SizeBuckets,
    num_slabs: int,
) -> str:
    measured = [
        *(FORMAT, SEED, num_slabs, model.weights_sha256, model.plan.key),
        *(list(buckets.edges_mm), sampling.plain()),
        prepared.content_sha256(prepared.splits.validation),
    ]
    return sha256_of_text(json.dumps(measured))
