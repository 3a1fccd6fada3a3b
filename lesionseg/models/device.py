"""Which device computes, and how the CPU does."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import torch
from torch import nn

from lesionseg.errors import UsageError


def torch_device(device: str) -> torch.device:
    """The device that `device` names; `auto` takes CUDA, then MPS, then the CPU.

    Raises UsageError for a name that is unknown, or a device that is not there.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = device.partition(":")
    known = kind in ("cpu", "cuda", "mps") and (not number or (kind == "cuda" and number.isdigit()))
    if not known:
        raise UsageError(f"device is {device!r}; give auto, cpu, cuda, cuda:0 or mps")
    missing = (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()) or (
        kind == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise UsageError(
            f"device {device!r} is not on this machine; device=auto takes what is there"
        )
    return torch.device(kind, int(number)) if number else torch.device(kind)


def training_precision(wanted: str, device: torch.device) -> str:
    """`auto` as bf16-mixed where the CUDA device or the CPU has instructions for it, else 32-true.

    Other names as given.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cpu":
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        quick = any(able.get(name) for name in ("avx512_bf16", "amx_bf16"))
        return "bf16-mixed" if quick else "32-true"
    quick = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if quick else "32-true"


def channels_last(network: nn.Module) -> nn.Module:
    """The network with its plane convolutions laid out as convolutions are quickest."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Within, this thread's CPU takes denormal numbers as zero, which makes networks quicker.

    Only while a network computes: scipy's KD-tree splits points at the next number above a
    coordinate, and crashes where the next number above zero is zero.
    """
    before = sys.float_info.min / 2 == 0  # true where they are flushed already
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


@contextlib.contextmanager
def repeatable_sums(device: torch.device) -> Iterator[None]:
    """Within, gradients on the CPU are summed in one order, so that a seed repeats to the last bit.

    Torch's threads add into shared places in whatever order they come; the detector's gradients
    then differ from run to run. A GPU is left as it is.
    """
    if device.type != "cpu":
        yield
        return
    before, warned = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    memory = torch.utils.deterministic
    fills = memory.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        memory.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
