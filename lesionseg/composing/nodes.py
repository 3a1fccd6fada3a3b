"""What the files of conf/ build on: the defaults of the records, by group and option."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from lesionseg.settings.ablate import AblateSettings
from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.check import CheckSettings
from lesionseg.settings.data import DataSettings, PhantomSettings
from lesionseg.settings.detect_then_segment import DetectThenSegmentSettings
from lesionseg.settings.export import ExportSettings
from lesionseg.settings.finish import FinishSettings
from lesionseg.settings.network import RECORDS
from lesionseg.settings.plan import PlanOverrides
from lesionseg.settings.predict import NewScanSettings, PredictSettings
from lesionseg.settings.reading import DicomSettings
from lesionseg.settings.record import Record
from lesionseg.settings.report import ReportSettings
from lesionseg.settings.run import PreprocessStageSettings, RunSettings, TrainStageSettings
from lesionseg.settings.sampling import SamplingRule
from lesionseg.settings.stages import record_defaults
from lesionseg.settings.training import TrainSettings


def _has_file(group: str, option: str) -> bool:
    """Whether a file in conf/ says what the option changes against a record."""
    return resources.files("lesionseg.conf").joinpath(group, f"{option}.yaml").is_file()


# "": the stages' own keys, which stand beside the stages' files
GROUPS: Mapping[str, Mapping[str, type[Record]]] = {
    "": {
        "check_keys": CheckSettings,
        "preprocess_keys": PreprocessStageSettings,
        "train_keys": TrainStageSettings,
        "predict_keys": PredictSettings,
        "export_keys": ExportSettings,
        "report_keys": ReportSettings,
        "finish_keys": FinishSettings,
        "run_keys": RunSettings,
        "ablate_keys": AblateSettings,
    },
    "data": {"default": DataSettings},
    "phantom": {"default": PhantomSettings},
    "reading": {"default": NewScanSettings},
    "dicom": {"default": DicomSettings},
    "plan": {"default": PlanOverrides},
    "sampling": {"default": SamplingRule},
    "augmentation": {"default": AugmentationRule},
    "train": {"default": TrainSettings},
    "network": {
        **{name: record for name, record in RECORDS.items() if not _has_file("network", name)},
        "detector_and_crops": DetectThenSegmentSettings,
    },
}
BASES = ("default", "detector_and_crops")  # what other options build on, not to be chosen


def node(group: str, option: str) -> dict[str, Any] | None:
    """The defaults of a record as plain data; None where no record has this name.

    Of a stage, its own keys alone: its groups are named in its file.
    """
    record = GROUPS.get(group, {}).get(option)
    return None if record is None else record_defaults(record, groups=bool(group))
