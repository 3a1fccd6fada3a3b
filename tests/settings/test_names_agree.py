"""Names that settings admit are those that the library knows."""

from typing import get_args

from lesionseg.datasets.layouts.detection import LayoutName
from lesionseg.inference.export_record import FOLDERS as SAVED
from lesionseg.inference.export_record import VIEWER_FILES
from lesionseg.models.losses import LOSSES
from lesionseg.models.mask_rcnn.backbone import FUSIONS as STEMS
from lesionseg.models.mask_rcnn.backbone import SIZES
from lesionseg.models.mask_rcnn.mask_losses import MASK_LOSSES as MASK_TERMS
from lesionseg.models.mask_rcnn.roi_pooler import ROI_OPS as READERS
from lesionseg.models.registry import BUILDERS
from lesionseg.settings.backbone import BACKBONES, FUSIONS
from lesionseg.settings.common import EXTRAS, FORMATS
from lesionseg.settings.data import DataSettings
from lesionseg.settings.mask_rcnn import MASK_LOSSES, ROI_OPS
from lesionseg.settings.network import NETWORKS, RECORDS, NetworkSettings
from lesionseg.settings.training import PRECISIONS
from lesionseg.settings.unet import PIXEL_LOSSES


def test_names_are_the_library_s():
    assert set(BACKBONES) == set(SIZES)
    assert FUSIONS == STEMS
    assert tuple(LOSSES) == PIXEL_LOSSES
    assert MASK_LOSSES == MASK_TERMS
    assert set(ROI_OPS) == set(READERS)
    assert set(EXTRAS) == set(SAVED)
    assert set(FORMATS) == {*VIEWER_FILES, "dicom_seg", "bids", "overview"}
    assert NETWORKS == tuple(BUILDERS) == tuple(NetworkSettings.model_fields)
    for name, record in RECORDS.items():
        assert NetworkSettings.model_fields[name].annotation is record


def test_layouts_are_those_that_can_be_found():
    text = str(DataSettings.model_fields["layout"].annotation)
    assert all(f"'{name}'" in text for name in get_args(LayoutName))


def test_precisions_are_lightning_s():
    from lightning.fabric.connector import _PRECISION_INPUT_STR, _PRECISION_INPUT_STR_ALIAS

    theirs = {*get_args(_PRECISION_INPUT_STR), *get_args(_PRECISION_INPUT_STR_ALIAS)}
    assert set(PRECISIONS) - {"auto"} < theirs
