"""A part of a network as an ONNX graph, without a word of the machine that made it."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.export import Dim

from lesionseg.errors import UsageError
from lesionseg.inference.onnx.parts import Called, Part, Sizes

EXTRA = "ONNX is not installed; pip install 'lesionseg[onnx]'"
OPSET = 20


def require_onnx() -> None:
    """Raise UsageError where a library that writes or runs ONNX is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(EXTRA) from error


def onnx_graph(part: Part) -> bytes:
    """The part, weights and all, as one ONNX file that names no path, no file and no date.

    Its inputs and outputs have the names and sizes that the part says. Raises UsageError where the
    libraries are not installed.
    """
    require_onnx()
    import onnx

    sizes: dict[str, Dim] = {}
    wanted = tuple(_dynamic(one, sizes) for one in part.inputs.values())
    module = part.module if isinstance(part.module, Called) else Called(part.module, part.module)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module.eval(),
            part.example,
            dynamo=True,
            dynamic_shapes=(wanted,),
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        model = program.model_proto
    strip_origin(model)
    _name_sizes(model.graph.input, part.inputs)
    _name_sizes(model.graph.output, part.outputs)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def strip_origin(model: Any) -> None:
    """Take away what the exporter notes beside the graph: lines and paths of source files, module
    names, its own version, and sizes of what is between inputs and outputs."""
    del model.metadata_props[:]
    model.doc_string = model.producer_version = ""
    model.producer_name = "lesionseg"
    graph = model.graph
    del graph.value_info[:]
    inside = [graph, *graph.input, *graph.output, *graph.initializer, *graph.node, *model.functions]
    inside += [node for function in model.functions for node in function.node]
    for one in inside:
        one.doc_string = ""
        del one.metadata_props[:]


def _dynamic(sizes: Sizes, known: dict[str, Dim]) -> dict[int, Any]:
    """What torch.export takes for sizes that vary; a name means the same size everywhere."""
    made: dict[int, Any] = {}
    for axis, text in enumerate(sizes):
        if text is not None:
            factor, _, name = text.rpartition("*")
            dim = known.setdefault(name, Dim(name, min=1))
            made[axis] = int(factor) * dim if factor else dim
    return made


def _name_sizes(values: Any, sizes: Mapping[str, Sizes]) -> None:
    """Give the sizes that vary the names that the part has for them."""
    for value in values:
        shape = value.type.tensor_type.shape
        for dim, text in zip(shape.dim, sizes[value.name], strict=True):
            if text is not None:
                dim.dim_param = text


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Within, torch's exporter keeps to itself which libraries it does without."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
