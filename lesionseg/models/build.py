"""From a name and plain numbers to a network: the one place that knows all of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from lesionseg.errors import UsageError

KNOWN = ("unet", "maskrcnn")


def build_model(
    name: str, settings: Mapping[str, Any], *, in_channels: int, num_classes: int
) -> nn.Module:
    """An untrained network. `settings` are the keyword arguments of its constructor, as plain data.

    Raises UsageError for an unknown name or setting, and for a value that does not fit.
    """
    from lesionseg.models.mask_rcnn.model import MaskRCNN
    from lesionseg.models.mask_rcnn.roi_heads import RoIRule
    from lesionseg.models.mask_rcnn.rpn import ProposalRule
    from lesionseg.models.unet import UNetBaseline

    if name not in KNOWN:
        raise UsageError(f"model {name!r} is not known; known: {', '.join(KNOWN)}")
    numbers = dict(settings)
    network: type[nn.Module] = UNetBaseline
    if name == "maskrcnn":
        network = MaskRCNN
        for key, rule in (("proposal_rule", ProposalRule), ("roi_rule", RoIRule)):
            numbers[key] = rule(**_checked(rule, numbers.get(key, {}), f"{name}.{key}"))
    checked = _checked(network, numbers, name)
    try:
        return network(in_channels, num_classes, **checked)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise UsageError(f"network {name} cannot be built: {problem}; mend its settings") from error


def _checked(target: type, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = set(inspect.signature(target).parameters) - {"in_channels", "num_classes"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise UsageError(
            f"{where} has no setting {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )
    return dict(settings)
