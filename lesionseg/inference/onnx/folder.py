"""A folder of ONNX files, and export.json that says how they make lesions of a scan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from lesionseg import __version__
from lesionseg.errors import UsageError
from lesionseg.inference.model_folder import NAME as ENSEMBLE
from lesionseg.inference.model_record import read_model_record
from lesionseg.inference.model_store import load_network, task_of
from lesionseg.inference.onnx.graphs import OPSET, onnx_graph, require_onnx
from lesionseg.inference.onnx.joining import joining_rules, members_of
from lesionseg.inference.onnx.parts import CHECKED, Part, network_parts
from lesionseg.inference.onnx.sessions import session
from lesionseg.models.interface import Network
from lesionseg.storage.atomic import replacing
from lesionseg.storage.hashes import sha256_of_file
from lesionseg.storage.json_file import write_json
from lesionseg.storage.own_files import announce_files, listed_files, withdraw_files

FORMAT = 1
EXPORT, FILES = "export.json", "export_files.json"
LARGEST_DIFFERENCE = 1e-4  # of onnxruntime's answer from torch's; of answers above 1, a share
SEED = 0  # of what both are asked


def export_onnx(model: Path, output: Path) -> dict[str, float]:
    """Write the networks of a model folder as ONNX files, then export.json.

    Each file is run by onnxruntime beside torch, on images of a size that it was not made with.
    Returns the largest difference of each. What an earlier export left is removed first. Raises
    UsageError where the model folder does not fit or is an ensemble, a file of somebody else's
    would be replaced, or ONNX is not installed, RuntimeError where answers differ by more than
    LARGEST_DIFFERENCE, and OutputError.
    """
    require_onnx()
    if (model / ENSEMBLE).exists():
        raise UsageError(
            f"{model.name} is an ensemble; export its members one by one, like "
            f"model={model.name}/member_0"
        )
    loaded = load_network(model, "cpu")
    record = read_model_record(model / "model.json")
    in_channels = task_of(loaded.plan).in_channels
    traced, checked = (
        dict(_parts(loaded.network, in_channels, *example)) for example in ((), (CHECKED,))
    )
    _refuse_foreign(output, [*traced, EXPORT])
    withdraw_files(output, FILES)
    announce_files(output, FILES, [EXPORT, *traced])
    files: dict[str, Any] = {}
    for name, part in traced.items():
        graph = onnx_graph(part)
        difference = _difference(graph, checked[name])
        if not difference <= LARGEST_DIFFERENCE:
            raise RuntimeError(f"{name} differs from torch by {difference:.2g}")
        with replacing(output / name) as partial:
            partial.write_bytes(graph)
        files[name] = _described(part) | {
            "difference_from_torch": difference,
            "sha256": sha256_of_file(output / name),
        }
    content = {
        "format": FORMAT,
        "lesionseg": __version__,
        "torch": torch.__version__,
        "opset": OPSET,
        "files": files,
        "joining": joining_rules(loaded.network),
        "model": record.plain(),
    }
    write_json(output / EXPORT, content)
    return {name: one["difference_from_torch"] for name, one in files.items()}


def _parts(network: Network, in_channels: int, *example: Any) -> Iterator[tuple[str, Part]]:
    """Every part by the name of its file; those of a fusion's members in folders of theirs."""
    generator = torch.Generator().manual_seed(SEED)
    for member, one in members_of(network).items():
        for name, part in network_parts(one, in_channels, generator, *example).items():
            yield f"{member}/{name}.onnx" if member else f"{name}.onnx", part


def _refuse_foreign(output: Path, names: list[str]) -> None:
    own = listed_files(output, FILES)
    foreign = [name for name in names if name not in own and (output / name).exists()]
    if foreign:
        raise UsageError(
            f"{output.name}/{foreign[0]} was not written by lesionseg export and would be "
            "replaced; give another output folder"
        )


@torch.no_grad()
def _difference(graph: bytes, part: Part) -> float:
    """The largest difference of onnxruntime's answers from torch's; of answers above 1, a share."""
    wanted = part.module(*part.example)
    found = session(graph)(*part.example)
    wanted = [wanted] if isinstance(wanted, torch.Tensor) else wanted
    return max(
        float(((one - want).abs() / want.abs().clamp(min=1)).max())
        for one, want in zip(found, wanted, strict=True)
    )


@torch.no_grad()
def _described(part: Part) -> dict[str, Any]:
    """Names, types and sizes of inputs and outputs; sizes that vary by their names."""
    answer = part.module(*part.example)
    outputs = [answer] if isinstance(answer, torch.Tensor) else answer
    made = {}
    for kind, named, tensors in (
        ("inputs", part.inputs, part.example),
        ("outputs", part.outputs, outputs),
    ):
        made[kind] = {
            name: {
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "shape": [text or size for text, size in zip(sizes, tensor.shape, strict=True)],
            }
            for (name, sizes), tensor in zip(named.items(), tensors, strict=True)
        }
    return made
