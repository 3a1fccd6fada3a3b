"""From a name to a network: the builders by name, each putting its network together from parts.

To add a network: write it to the contract in `interface`, give it a settings record, and add
its builder here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from lesionseg.errors import UsageError
from lesionseg.models.detect_then_segment import CropSegmenter, DetectThenSegment
from lesionseg.models.fcn import PyramidFCN
from lesionseg.models.fusion import Fusion
from lesionseg.models.interface import Network
from lesionseg.models.mask_rcnn.backbone import DenseHead, PyramidBackbone, backbone_size
from lesionseg.models.mask_rcnn.box_head import BoxHead
from lesionseg.models.mask_rcnn.mask_head import MaskHead
from lesionseg.models.mask_rcnn.model import MaskRCNN
from lesionseg.models.mask_rcnn.roi_heads import RoIHeads
from lesionseg.models.mask_rcnn.roi_pooler import RoIPooler
from lesionseg.models.mask_rcnn.rpn import ProposalNetwork
from lesionseg.models.pixel_classes import PixelClasses
from lesionseg.models.unet import UNetBaseline
from lesionseg.models.unet3d import UNet3D
from lesionseg.settings.backbone import BackboneSettings
from lesionseg.settings.detect_then_segment import DetectThenSegmentSettings
from lesionseg.settings.fcn import FCNSettings
from lesionseg.settings.fusion import JoinedSettings
from lesionseg.settings.mask_rcnn import MaskRCNNSettings
from lesionseg.settings.network import network_record
from lesionseg.settings.unet import UNetSettings
from lesionseg.settings.unet3d import UNet3DSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """What a network reads and tells apart.

    num_channels: of the scans. num_slices: of a slab. num_classes: of lesions, K. inside: of
    regions, by class the one around it, 0 for none; None for classes that exclude one another.
    """

    num_channels: int
    num_slices: int
    num_classes: int
    inside: tuple[int, ...] | None = None

    @property
    def pixel_classes(self) -> PixelClasses:
        """What a network that judges every pixel gives out."""
        return PixelClasses(self.num_classes, self.inside)

    @property
    def in_channels(self) -> int:
        """Of a slab: image channels times slices, channel-major."""
        return self.num_channels * self.num_slices


def build_unet(settings: UNetSettings, task: Task) -> UNetBaseline:
    """MONAI's residual U-Net."""
    return UNetBaseline(
        task.in_channels,
        task.pixel_classes,
        channels=settings.channels,
        residual_units=settings.residual_units,
        norm=settings.norm,
        loss=settings.loss,
        scored_by=settings.scored_by,
    )


def build_unet3d(settings: UNet3DSettings, task: Task) -> UNet3D:
    """MONAI's DynUNet, on blocks of slices."""
    return UNet3D(
        task.num_channels,
        task.pixel_classes,
        block_slices=_filled(settings.block_slices, "block_slices"),
        window_px=_filled(settings.window_px, "window_px"),
        kernels=_filled(settings.kernels, "kernels"),
        strides=_filled(settings.strides, "strides"),
        channels=settings.channels,
        loss=settings.loss,
        scored_by=settings.scored_by,
    )


def build_mask_rcnn(settings: MaskRCNNSettings, task: Task) -> MaskRCNN:
    """Mask R-CNN, or where `mask_convs` is None, Faster R-CNN."""
    channels, roi_rule = settings.pyramid_channels, settings.roi_rule
    backbone = _backbone(settings, task)
    rpn = ProposalNetwork(
        channels,
        anchors=_filled(settings.anchors, "anchors"),
        strides=backbone.strides,
        rule=settings.proposal_rule,
    )
    box_head = BoxHead(
        channels,
        num_classes=task.num_classes,
        refines=settings.box,
        bins=settings.box_bins,
        width=settings.box_width,
        context_px=roi_rule.context_px,
    )
    mask_head = None
    if settings.mask_convs is not None:
        mask_head = MaskHead(
            channels,
            num_classes=task.num_classes,
            masks=settings.masks,
            bins=_filled(settings.mask_bins, "mask_bins"),
            width=settings.mask_width,
            num_convs=settings.mask_convs,
            loss=settings.mask_loss,
        )
    pooler = RoIPooler(backbone.strides, settings.roi_op, roi_rule.max_cells)
    weight = settings.dense_weight
    dense = DenseHead(channels, task.pixel_classes, backbone.strides[0]) if weight else None
    regions = task.inside is not None
    heads = RoIHeads(pooler, box_head, mask_head, roi_rule, regions=regions)
    return MaskRCNN(backbone, rpn, heads, dense, dense_weight=weight)


def build_detect_then_segment(settings: DetectThenSegmentSettings, task: Task) -> DetectThenSegment:
    """A Faster R-CNN, and a network of its own on each crop."""
    return DetectThenSegment(
        build_mask_rcnn(settings, task),
        CropSegmenter(
            task.in_channels,
            task.num_classes,
            width=settings.crop_width,
            num_convs=settings.crop_convs,
        ),
        cells=settings.crop_cells,
        margin_px=settings.crop_margin_px,
        jitter_px=settings.jitter_px,
    )


def build_fcn(settings: FCNSettings, task: Task) -> PyramidFCN:
    """One stage on the detector's backbone."""
    backbone = _backbone(settings, task, num_levels=1)
    dense = DenseHead(settings.pyramid_channels, task.pixel_classes, backbone.strides[0])
    return PyramidFCN(backbone, dense, loss=settings.loss, scored_by=settings.scored_by)


def build_fusion(settings: JoinedSettings, task: Task) -> Fusion:
    """Both members, to be given the weights of those that a run trained."""
    return Fusion(
        build_unet(settings.unet, task),
        build_mask_rcnn(settings.maskrcnn, task),
        outline_mm=settings.outline_mm,
        outline_threshold=settings.outline_threshold,
    )


def _backbone(
    settings: BackboneSettings, task: Task, num_levels: int | None = None
) -> PyramidBackbone:
    return PyramidBackbone(
        task.in_channels,
        size=backbone_size(settings.backbone),
        pyramid_channels=settings.pyramid_channels,
        norm=settings.norm,
        fusion=settings.fusion,
        num_slices=task.num_slices,
        finest_stride=_filled(settings.finest_stride, "finest_stride"),
        num_levels=num_levels,
    )


def _filled(value: T | Literal["planned", "points"], name: str) -> T:
    """A setting that a plan may fill in. Raises ValueError where none has."""
    if value == "planned" or value == "points":
        raise ValueError(f"{name} is {value}; fill in what the plan says first")
    return value


BUILDERS: Mapping[str, Callable[[Any, Task], Network]] = {
    "unet": build_unet,
    "unet3d": build_unet3d,
    "maskrcnn": build_mask_rcnn,
    "fasterrcnn": build_mask_rcnn,
    "detect_then_segment": build_detect_then_segment,
    "fcn": build_fcn,
    "fusion": build_fusion,
}


def build_network(name: str, settings: Mapping[str, Any], task: Task) -> Network:
    """An untrained network. settings: all of the network's record, as plain data.

    Raises UsageError for an unknown name or setting, and for a value that does not fit.
    """
    record = network_record(name, settings)
    try:
        return BUILDERS[name](record, task)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise UsageError(f"network {name} cannot be built: {problem}; mend its settings") from error
