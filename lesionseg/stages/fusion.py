"""A fusion takes the weights of the U-Net and the Mask R-CNN that its run has trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lesionseg.errors import UsageError
from lesionseg.inference.model_store import stored_weights
from lesionseg.models.fusion import Fusion
from lesionseg.settings.fusion import MEMBERS
from lesionseg.settings.network import FUSION
from lesionseg.storage.hashes import sha256_of_file
from lesionseg.training.fit import Fitted


def in_order(models: tuple[str, ...]) -> list[str]:
    """The models of a run, a fusion after its members. Raises UsageError where one is left out."""
    absent = [member for member in MEMBERS if member not in models]
    if FUSION in models and absent:
        raise UsageError(
            f"models has {FUSION} without {' and '.join(absent)}, which it joins; give "
            f"models=[{','.join([*MEMBERS, FUSION])}]"
        )
    return sorted(models, key=lambda name: name == FUSION)


def members_sha256(models: Path) -> list[str]:
    """Of the weights of both members. models: OUTPUT/models."""
    return [sha256_of_file(models / member / "weights.safetensors") for member in MEMBERS]


def joined(network: Fusion, models: Path) -> Fitted:
    """Give the fusion its members' weights, and say what training them took."""
    trained: list[Mapping[str, Any]] = []
    for member in MEMBERS:
        network.members[member].load_state_dict(stored_weights(models / member))
        record = json.loads((models / member / "model.json").read_text(encoding="utf-8"))
        trained.append(record["training"])
    return Fitted(
        steps=sum(one["steps"] for one in trained),
        seconds=60 * sum(one["minutes"] for one in trained),
        threads=None,
        cut_short=next((one["cut_short"] for one in trained if one["cut_short"]), None),
    )
