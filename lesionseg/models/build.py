"""From a name and plain numbers to a network: the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from lesionseg.errors import UsageError
from lesionseg.settings.network import NETWORKS, network_record

KNOWN = NETWORKS


def build_model(
    name: str,
    settings: Mapping[str, Any],
    *,
    in_channels: int,
    num_classes: int,
    num_slices: int = 1,
) -> nn.Module:
    """An untrained network. `settings` are the keyword arguments of its constructor, as plain data.

    in_channels: of a slab, image channels times num_slices, channel-major.
    Raises UsageError for an unknown name or setting, and for a value that does not fit.
    """
    from lesionseg.models.detect_then_segment import DetectThenSegment
    from lesionseg.models.fcn import PyramidFCN
    from lesionseg.models.mask_rcnn.model import MaskRCNN
    from lesionseg.models.unet import UNetBaseline

    record = network_record(name, settings)
    networks: dict[str, type[nn.Module]] = {
        "unet": UNetBaseline,
        "maskrcnn": MaskRCNN,
        "fasterrcnn": MaskRCNN,
        "detect_then_segment": DetectThenSegment,
        "fcn": PyramidFCN,
    }
    numbers = {key: getattr(record, key) for key in type(record).model_fields}
    if name != "unet":
        numbers["num_slices"] = num_slices
    try:
        return networks[name](in_channels, num_classes, **numbers)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise UsageError(f"network {name} cannot be built: {problem}; mend its settings") from error
