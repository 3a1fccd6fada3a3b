"""A study: variants of a run at the same budget."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from lesionseg.settings.record import Record, Text, Whole
from lesionseg.settings.run import RunSettings


def _different(seeds: object) -> object:
    if not isinstance(seeds, (list, tuple)):
        return seeds
    whole = all(type(seed) is int and seed >= 0 for seed in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds):
        raise ValueError("want different whole numbers of at least 0, like [0,1,2]")
    return seeds


class StudySettings(Record):
    """The group `study`."""

    name: Text = Field(description="Name of the study.")
    variants: dict[str, dict[str, Any]] = Field(
        description="NAME: what the variant changes of a run's settings."
    )


class AblateSettings(RunSettings):
    """The stage `ablate`."""

    seeds: Annotated[tuple[Whole, ...], BeforeValidator(_different)] = Field(
        default=(0,),
        examples=[(0, 1, 2)],
        description="Each variant is trained once for each seed.",
    )
    launcher: Text = Field(
        default="basic",
        description="Launcher of Hydra: basic, one after another; joblib; submitit_slurm, ...",
    )
    launcher_options: dict[str, Text] = Field(
        default={},
        description="launcher_options.KEY=VALUE: options of that launcher, like partition=gpu.",
    )
    study: StudySettings = Field(description="The variants.")
