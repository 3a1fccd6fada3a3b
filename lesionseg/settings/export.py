"""How a network is exported for other programs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesionseg.settings.record import OneOf, Record, Text

NETWORK_FORMATS = ("onnx",)


class ExportSettings(Record):
    """The stage `export`."""

    model: Text = Field(description="Model folder that train wrote, RUN/models/NAME.")
    format: Annotated[str, OneOf(NETWORK_FORMATS)] = Field(
        default="onnx",
        description="Format of the network's parts; onnx: needs pip install 'lesionseg[onnx]'.",
    )
    output: Text | None = Field(
        default=None,
        description="Folder for the parts and export.json; null: NAME_onnx where the command runs.",
    )
