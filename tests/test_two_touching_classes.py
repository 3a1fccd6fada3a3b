"""Two touching lesions of different classes, from files of every layout to the exported mask."""

from __future__ import annotations

import csv
import dataclasses
import json

import nibabel as nib
import numpy as np
import pytest
import torch

from lesionseg.datasets.dataset import find_scans
from lesionseg.inference.export import export_case
from lesionseg.inference.export_record import export_record
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.predict import predict_case
from lesionseg.models.interface import Detections, Network
from lesionseg.models.mask_rcnn.mask_head import MASK_MARGIN_PX
from lesionseg.models.targets import slice_target
from lesionseg.ops.boxes import pad_boxes
from lesionseg.ops.masks import mask_targets
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.preprocessing.case import prepare_loaded
from lesionseg.reading.scans import load_scan, read_channels
from lesionseg.slabs.slab import SlabRule, read_slab
from lesionseg.structures import OperatingPoint

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
SHAPE = (40, 36, 20)
FIRST = (slice(15, 18), slice(15, 18), slice(8, 10))
SECOND = (slice(18, 21), slice(15, 18), slice(8, 10))
UNJUDGED = (slice(25, 28), slice(20, 23), slice(12, 13))


def scan():
    """An image with a body, and a mask: class values 3 and 1 that touch, 9 where nobody judged."""
    rng = np.random.default_rng(0)
    image = rng.normal(100, 5, SHAPE)
    image[:4] = image[-4:] = image[:, :4] = image[:, -4:] = 0
    mask = np.zeros(SHAPE, np.uint8)
    mask[FIRST], mask[SECOND], mask[UNJUDGED] = 3, 1, 9
    image[mask > 0] += 60
    return image.astype(np.float32), mask


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, AFFINE), path)


def nnunet(root, image, mask):
    write(root / "imagesTr/a_0000.nii.gz", image)
    write(root / "labelsTr/a.nii.gz", mask)
    labels = {"background": 0, "rim lesion": 1, "core lesion": 3, "ignore": 9}
    content = {"channel_names": {"0": "T1"}, "labels": labels, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(content))
    return {}


def decathlon(root, image, mask):
    write(root / "imagesTr/a.nii.gz", image)
    write(root / "labelsTr/a.nii.gz", mask)
    content = {
        "modality": {"0": "T1"},
        "labels": {"0": "background", "1": "rim lesion", "3": "core lesion", "9": "ignore"},
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
        "test": [],
    }
    (root / "dataset.json").write_text(json.dumps(content))
    return {}


SPELLED = {"classes": {"rim lesion": [1], "core lesion": [3]}, "ignore": [9]}


def bids(root, image, mask):
    write(root / "sub-a/anat/sub-a_T1w.nii.gz", image)
    write(root / "derivatives/masks/sub-a/anat/sub-a_label-lesion_mask.nii.gz", mask)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    return SPELLED


def table(root, image, mask):
    write(root / "a_t1.nii.gz", image)
    write(root / "a_mask.nii.gz", mask)
    (root / "scans.csv").write_text("case,T1,mask\na,a_t1.nii.gz,a_mask.nii.gz\n")
    return SPELLED


def patterns(root, image, mask):
    for patient in ("p01", "p02"):  # one alone shows no pattern
        write(root / f"{patient}/T1.nii.gz", image)
        write(root / f"{patient}/lesion.nii.gz", mask)
    return SPELLED


class Perfect(Network):
    """Answers with the targets of the slices, in their order."""

    detects = True

    def __init__(self, targets):
        super().__init__()
        self.weight, self.targets = torch.nn.Parameter(torch.zeros(1)), list(targets)

    def loss_terms(self, images, targets, generator=None):
        raise AssertionError("not trained")

    def predict(self, images):
        now, self.targets = self.targets[: len(images)], self.targets[len(images) :]
        found = []
        for target in now:
            boxes = pad_boxes(target.boxes, MASK_MARGIN_PX)
            masks = mask_targets(target.masks.float(), boxes, 28)
            found.append(Detections(boxes, torch.ones(len(boxes)) * 0.9, target.labels, masks))
        return found


@pytest.mark.parametrize("layout", [nnunet, decathlon, bids, table, patterns])
def test_they_come_out_as_two_lesions_with_their_own_values(tmp_path, layout):
    image, mask = scan()
    root = tmp_path / "data"
    root.mkdir()
    words = layout(root, image, mask)
    source = root / "scans.csv" if layout is table else root
    dataset = find_scans(None, source, **words)
    classes = dataset.labels.classes
    assert classes.names == ("rim lesion", "core lesion")
    assert [one.written for one in classes.classes] == [1, 3]
    files = dataset.scans[0]

    loaded = load_scan(files, dataset.labels)
    plan = dataclasses.replace(
        Plan((ChannelPlan(files.channels[0], "mri", "zscore"),), 1.0), lesion_classes=classes
    )
    case = prepare_loaded(loaded, files, plan)
    assert {lesion: row["class"] for lesion, row in case.lesions.items()} == {1: 2, 2: 1}
    assert all(row["volume_mm3"] == 36 for row in case.lesions.values())

    rule = SlabRule(0, 1.0)
    slabs = [read_slab(case, n, rule) for n in range(case.shape[case.slab_axis])]
    targets = [slice_target(slab.lesion_ids, slab.kinds) for slab in slabs]
    drawn = [target for target in targets if len(target.boxes)]
    assert len(drawn) == 2
    for target in drawn:
        assert sorted(target.labels.tolist()) == [1, 2]
        sides = target.boxes[:, 2:] - target.boxes[:, :2]
        assert sides.tolist() == [[3, 3], [3, 3]]
    assert sum(int(target.ignored.sum()) for target in targets) == 9

    model = LoadedModel(
        "perfect", Perfect(targets), plan, (OperatingPoint(0.5, 0.5),) * 2, (3.0, 5.0), "w" * 64, {}
    )
    volumes = read_channels(files)
    found = predict_case(model, volumes, case="a")
    record = export_record("a", model, files.images)
    extras = ("candidates", "probability")
    export_case(tmp_path / "out", "a", found, volumes[0], record, extras=extras)
    written = np.asarray(nib.load(tmp_path / "out/a.nii.gz").dataobj)
    judged = np.where(mask == 9, 0, mask)
    np.testing.assert_array_equal(written, judged)
    ids = np.asarray(nib.load(tmp_path / "out/instances/a.nii.gz").dataobj)
    assert sorted(np.unique(ids)) == [0, 1, 2]
    with (tmp_path / "out/lesions/a.csv").open() as file:
        rows = {row["id"]: row["class"] for row in csv.DictReader(file)}
    assert rows == {
        str(ids[15, 15, 8]): "core lesion",
        str(ids[18, 15, 8]): "rim lesion",
    }
    record = json.loads((tmp_path / "out/a.json").read_text())
    assert record["lesion_classes"] == classes.as_data
    for name, place in (("rim_lesion", SECOND), ("core_lesion", FIRST)):
        probability = np.asarray(nib.load(tmp_path / f"out/probabilities/{name}/a.nii.gz").dataobj)
        assert probability[place].min() > 0.5
        assert probability[UNJUDGED].max() == 0
