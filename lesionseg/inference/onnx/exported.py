"""A folder that `export` wrote, as a model that predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from lesionseg.errors import UsageError
from lesionseg.inference.model_record import ModelRecord
from lesionseg.inference.model_store import LoadedModel, checked_plan, loaded, task_of
from lesionseg.inference.onnx.folder import EXPORT
from lesionseg.inference.onnx.joining import members_of
from lesionseg.inference.onnx.sessions import run_by_sessions, session
from lesionseg.models.registry import build_network
from lesionseg.settings.messages import checked
from lesionseg.settings.record import Record
from lesionseg.storage.hashes import sha256_of_file
from lesionseg.storage.json_file import read_json
from lesionseg.storage.safe_path import path_inside


class ExportedFile(Record):
    """One ONNX file."""

    inputs: dict[str, Any] = Field(description="By name, type and shape.")
    outputs: dict[str, Any] = Field(description="By name, type and shape.")
    difference_from_torch: float = Field(description="The largest that was seen.")
    sha256: str = Field(description="Hash of the file.")


class ExportRecord(Record):
    """What export.json holds."""

    format: Literal[1] = Field(description="Format of the folder.")
    lesionseg: str = Field(description="Version that wrote it.")
    torch: str = Field(description="Version of torch that wrote it.")
    opset: int = Field(description="ONNX operator set.")
    files: Annotated[dict[str, ExportedFile], Field(min_length=1)] = Field(
        description="By name, relative to the folder."
    )
    joining: dict[str, Any] = Field(description="What joins their answers.")
    model: ModelRecord = Field(description="The model.json that was exported.")


def load_exported(folder: Path | str) -> LoadedModel:
    """Open a folder that `export` wrote; its networks run in onnxruntime, on the CPU.

    Raises UsageError where a file is absent, damaged or does not fit, or onnxruntime is not
    installed.
    """
    folder = Path(folder).resolve()
    try:
        record = checked(ExportRecord, read_json(folder / EXPORT), EXPORT)
        for name, file in record.files.items():
            if sha256_of_file(path_inside(folder, name)) != file.sha256:
                raise UsageError(f"{name} does not match {EXPORT}; copy the folder whole")
        model = record.model
        plan = checked_plan(model)
        network = build_network(model.name, model.settings, task_of(plan)).eval()
        for member, one in members_of(network).items():
            start = f"{member}/" if member else ""
            names = [name for name in record.files if name.rpartition("/")[0] == member]
            run_by_sessions(
                one,
                {
                    name.removeprefix(start).removesuffix(".onnx"): session(folder / name)
                    for name in names
                },
            )
    except (OSError, KeyError, TypeError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError) and f"it has no {Path(error.filename).name}"
        problem = missing or " ".join(str(error).split())[:200]
        raise UsageError(
            f"{folder.name} is not an exported model: {problem}; give a folder that export wrote"
        ) from error
    return loaded(model, network, plan)
