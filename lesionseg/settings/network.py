"""The networks by name, and the settings of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from lesionseg.errors import UsageError
from lesionseg.settings.detect_then_segment import DetectThenSegmentSettings
from lesionseg.settings.fcn import FCNSettings
from lesionseg.settings.fusion import FusionSettings, JoinedSettings
from lesionseg.settings.mask_rcnn import MaskRCNNSettings
from lesionseg.settings.messages import checked
from lesionseg.settings.record import Record
from lesionseg.settings.unet import UNetSettings
from lesionseg.settings.unet3d import UNet3DSettings
from lesionseg.settings.wanted import record_of

RENAMED: Mapping[str, str] = {"cascade": "detect_then_segment"}  # old name: new name


class NetworkSettings(Record):
    """The group `network`."""

    unet: UNetSettings = Field(description="U-Net, the baseline.")
    unet3d: UNet3DSettings = Field(description="3D U-Net on blocks of slices.")
    maskrcnn: MaskRCNNSettings = Field(description="Mask R-CNN.")
    fasterrcnn: MaskRCNNSettings = Field(description="Faster R-CNN.")
    detect_then_segment: DetectThenSegmentSettings = Field(
        description="Faster R-CNN proposes, a small network segments each crop."
    )
    fcn: FCNSettings = Field(description="One stage: every pixel a class.")
    fusion: FusionSettings = Field(
        description="The Mask R-CNN and the U-Net of the same run, joined without more training."
    )

    def of(self, name: str) -> Record:
        """The settings of one network; of a fusion, with those of its members."""
        settings: Record = getattr(self, name)
        if isinstance(settings, FusionSettings):
            own = dict(settings)
            return JoinedSettings.model_construct(**own, unet=self.unet, maskrcnn=self.maskrcnn)
        return settings


RECORDS: Mapping[str, type[Record]] = {
    name: record
    for name, field in NetworkSettings.model_fields.items()
    if (record := record_of(field.annotation))
}
NETWORKS = tuple(RECORDS)
FUSION = "fusion"
BLOCKS = "unet3d"  # trained on blocks of slices


def network_record(name: str, settings: Mapping[str, Any]) -> Record:
    """The settings of the network `name`, given whole as plain data, as its record.

    Raises UsageError, in one line, for an unknown name or setting, a value that does not fit, and
    a setting left out.
    """
    if name not in RECORDS:
        raise UsageError(f"model {name!r} is not known; known: {', '.join(NETWORKS)}")
    record = JoinedSettings if name == FUSION else RECORDS[name]
    absent = [key for key in record.model_fields if key not in settings]
    if absent:
        raise UsageError(f"{name}: {', '.join(absent)} missing; give all its settings")
    return checked(record, settings, name)
