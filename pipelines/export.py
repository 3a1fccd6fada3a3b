"""The networks of a model folder for other programs, and what joins their answers."""

from __future__ import annotations

from pathlib import Path

from lesionseg.errors import UsageError
from lesionseg.inference.onnx.folder import EXPORT, export_onnx
from lesionseg.settings.export import ExportSettings
from lesionseg.storage.lock import locked
from lesionseg.wording import counted


def main(settings: ExportSettings) -> int:
    """Export `settings.model`; return the exit code."""
    model = Path(settings.model)
    output = Path(settings.output or f"{model.resolve().name}_{settings.format}")
    if output.resolve() == model.resolve():
        raise UsageError("output is the model folder itself; give another")
    with locked(output):
        differences = export_onnx(model, output)
    print(
        f"exported {counted(len(differences), 'part')} of {model.resolve().name}, which answer as "
        f"torch does to {max(differences.values()):.1g}; {EXPORT} says what joins them; in {output}"
    )
    return 0
