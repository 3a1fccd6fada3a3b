"""The child process in which SimpleITK runs: one JSON line in, one JSON line and voxels out.

`sitk_process` is its other end. A request is {"do": ..., "memory": bytes, ...}; an answer is
{"error": text} or {"bytes": length, ...} followed by so many bytes. What ITK itself prints goes
nowhere, since it may quote a patient's header.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lesionseg.storage.memory import limit_memory

PR_SET_PDEATHSIG = 1  # of prctl(2)

Answer = tuple[dict[str, Any], bytes | memoryview]

TAGS = {  # of a DICOM slice; none is of the patient
    "uid": "0008|0018",
    "study": "0020|000d",
    "series": "0020|000e",
    "series_number": "0020|0011",
    "description": "0008|103e",
    "modality": "0008|0060",
    "position": "0020|0032",
    "orientation": "0020|0037",
    "spacing": "0028|0030",
    "kind": "0008|0008",
    "frames": "0028|0008",
    "samples": "0028|0002",
    "rows": "0028|0010",
    "columns": "0028|0011",
    "bits": "0028|0100",
    "stored_bits": "0028|0101",
    "high_bit": "0028|0102",
    "contrast": "0028|0004",
    "intercept": "0028|1052",
    "slope": "0028|1053",
}


def main() -> None:
    """Answer requests until the other end closes."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for line in _requests():
        head, body = answer(json.loads(line))
        _send(answers, head, body)


def _requests() -> Iterator[bytes]:
    """Lines of standard input; the process ends when the other end closes, even at work.

    A parent that is killed would otherwise leave a reader that computes on.
    """
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin.buffer:
            lines.put(line)
        os._exit(0)

    _end_with_parent()
    threading.Thread(target=read, daemon=True).start()
    while True:
        yield lines.get()


def _end_with_parent() -> None:
    """Have the system end this process with its parent: a thread cannot while ITK computes."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def answer(request: dict[str, Any]) -> Answer:
    """What one request asks for; errors of SimpleITK become {"error": its last line}."""
    doing: dict[str, Callable[[dict[str, Any]], Answer]] = {
        "image": _image,
        "slice_headers": _slice_headers,
        "slices": _slices,
    }
    limit_memory(request["memory"])
    _limit_cpu(request["seconds"])
    try:
        return doing[request["do"]](request)
    except MemoryError:
        return {"error": "it does not fit into the memory that is left"}, b""
    except (RuntimeError, OSError, ValueError) as error:
        return {"error": _said(error)}, b""


def _said(error: Exception) -> str:
    """The one line of an exception of SimpleITK's that says most, and how to go on."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if re.search(r"[A-Za-z]{3}", line)] or [type(error).__name__]
    words = [line for line in lines if not line.startswith("Reason:")] or lines
    return re.sub(r"\(0x[0-9a-f]+\)", "", words[-1]) + "; mend it, or convert it to .nii.gz"


def _image(request: dict[str, Any]) -> Answer:
    """A MetaImage or NRRD, whatever its name: size, place in LPS, voxels with the first axis
    fastest."""
    import SimpleITK as sitk

    image = sitk.ReadImage(request["path"], imageIO=request["format"])
    facts = {
        "kind": image.GetPixelIDTypeAsString(),
        "components": image.GetNumberOfComponentsPerPixel(),
        "size": image.GetSize(),
        "spacing": image.GetSpacing(),
        "origin": image.GetOrigin(),
        "direction": image.GetDirection(),
    }
    if facts["components"] != 1 or "complex" in facts["kind"]:
        return facts, b""
    return _with_voxels(facts, sitk.GetArrayFromImage(image))


def _slice_headers(request: dict[str, Any]) -> Answer:
    """Of each DICOM file the TAGS that it has, as texts."""
    import SimpleITK as sitk

    found = []
    for path in request["paths"]:
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(path)
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise ValueError(f"{Path(path).name} is not a DICOM image, or damaged") from error
        keys = reader.GetMetaDataKeys()
        found.append({n: reader.GetMetaData(tag).strip() for n, tag in TAGS.items() if tag in keys})
    return {"headers": found}, b""


def _slices(request: dict[str, Any]) -> Answer:
    """The voxels of DICOM files of one image each, (slices, rows, columns), rescaled."""
    import SimpleITK as sitk

    layers = []
    for path in request["paths"]:
        try:
            layers.append(sitk.GetArrayFromImage(sitk.ReadImage(path, imageIO="GDCMImageIO")))
        except RuntimeError as error:
            raise ValueError(f"the voxels of {Path(path).name} cannot be decoded") from error
        if layers[-1].shape != (1, *layers[0].shape[-2:]):
            raise ValueError(f"{Path(path).name} does not hold one slice like the others")
    stack = np.empty((len(layers), *layers[0].shape[1:]), np.result_type(*layers))
    for index, layer in enumerate(layers):
        stack[index] = layer[0]
    return _with_voxels({}, stack)


def _with_voxels(facts: dict[str, Any], array: NDArray[Any]) -> Answer:
    content = np.ascontiguousarray(array)
    if content.size == 0:
        raise ValueError("it holds no voxel")
    facts |= {"dtype": content.dtype.str, "shape": content.shape}
    return facts, content.data.cast("B")


def _send(answers: BinaryIO, head: dict[str, Any], body: bytes | memoryview) -> None:
    answers.write(json.dumps({**head, "bytes": len(body)}).encode() + b"\n")
    answers.write(body)
    answers.flush()


def _limit_cpu(seconds: float) -> None:
    """Let this process compute so many seconds more on every core, where the system has limits."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(used + seconds * (os.cpu_count() or 1)) + 1
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
