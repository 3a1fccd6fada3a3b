"""Which part of the cases a job does, and what starts the jobs of all parts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from lesionseg.settings.record import Count, Positive, Record, SeveralPaths, Text


def _as_typed(value: object) -> object:
    """A list of names as it is typed, "[a,b]"; one name is a list of one."""
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
        return [one.strip() for one in value[1:-1].split(",")]
    return [value] if isinstance(value, str) else value


Names = Annotated[Text | SeveralPaths, BeforeValidator(_as_typed)]


class Shards(Record):
    """Keys of stages whose cases several jobs may share."""

    shard: Count | None = Field(
        default=None,
        description="Number of the shard that this job does, from 0: patients are dealt by a hash "
        "of their names, the same on every machine; null: all cases.",
    )
    num_shards: Positive | None = Field(
        default=None,
        description="How many shards there are; jobs of all of them write into one output, and "
        "the last one to end finishes it.",
    )
    launcher: Text | None = Field(
        default=None,
        description="Launcher of Hydra that starts a job for each of `num_shards`: basic, joblib, "
        "submitit_local, submitit_slurm, ...; null: none.",
    )
    launcher_options: dict[str, Text] = Field(
        default={},
        description="launcher_options.KEY=VALUE: options of that launcher, like partition=gpu.",
    )

    @model_validator(mode="after")
    def _which_part(self) -> Shards:
        cases = getattr(self, "cases", None) if isinstance(self, ShardsOrCases) else None
        if cases and (self.shard is not None or self.num_shards is not None):
            raise ValueError("cases and shard both say which cases are done; give one")
        if self.launcher is not None and (self.num_shards is None or self.shard is not None):
            raise ValueError(
                f"launcher={self.launcher} starts all shards; give num_shards=N and no shard"
            )
        if self.launcher is None and (self.shard is None) != (self.num_shards is None):
            raise ValueError(
                "shard=I and num_shards=N go together; give both, or num_shards and launcher=NAME, "
                "which starts all shards"
            )
        if self.launcher is None and self.launcher_options:
            raise ValueError("launcher_options need launcher=NAME")
        if self.shard is not None and self.num_shards is not None and self.shard >= self.num_shards:
            raise ValueError(
                f"shard is {self.shard}; want a whole number from 0 to {self.num_shards - 1}, "
                f"as num_shards is {self.num_shards}"
            )
        return self


class ShardsOrCases(Shards):
    """Keys of stages whose jobs may be given their cases by name, too."""

    cases: Names | None = Field(
        default=None,
        examples=[("A", "B")],
        description="Cases that this job does, [A,B]; null: all, or those of `shard`. When the "
        "lists of all jobs together hold every case once, the last job finishes the output.",
    )
