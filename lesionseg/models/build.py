"""From a name and plain numbers to a network: the one place that knows all of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from lesionseg.errors import UsageError

KNOWN = ("unet", "maskrcnn", "fasterrcnn", "detect_then_segment", "fcn")


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
    from lesionseg.models.mask_rcnn.roi_heads import RoIRule
    from lesionseg.models.mask_rcnn.rpn import ProposalRule
    from lesionseg.models.unet import UNetBaseline

    # the network, and whose settings it takes beside its own
    networks: dict[str, tuple[type[nn.Module], ...]] = {
        "unet": (UNetBaseline,),
        "maskrcnn": (MaskRCNN,),
        "fasterrcnn": (MaskRCNN,),
        "detect_then_segment": (DetectThenSegment, MaskRCNN),
        "fcn": (PyramidFCN,),
    }
    if name not in KNOWN:
        raise UsageError(f"model {name!r} is not known; known: {', '.join(KNOWN)}")
    network, *_ = networks[name]
    numbers = _checked(networks[name], settings, name)
    if network is not UNetBaseline:
        numbers["num_slices"] = num_slices
    try:
        if MaskRCNN in networks[name]:
            for key, rule in (("proposal_rule", ProposalRule), ("roi_rule", RoIRule)):
                numbers[key] = rule(**_checked([rule], numbers.get(key, {}), f"{name}.{key}"))
        return network(in_channels, num_classes, **numbers)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise UsageError(f"network {name} cannot be built: {problem}; mend its settings") from error


def _checked(targets: Any, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = {key for target in targets for key in inspect.signature(target).parameters}
    known -= {"in_channels", "num_classes", "num_slices", "detector"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise UsageError(
            f"{where} has no setting {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )
    return dict(settings)
