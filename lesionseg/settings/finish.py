"""How an output that several jobs wrote is finished."""

from __future__ import annotations

from pydantic import Field

from lesionseg.settings.record import Record, Text


class FinishSettings(Record):
    """The stage `finish`."""

    output: Text = Field(description="Folder into which jobs with shard=I or cases=[A,B] wrote.")
