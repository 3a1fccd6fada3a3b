"""Average precision of lesions by pycocotools."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from independent.scan import Figures, Scan


def coco(scans: list[Scan], scores: list[np.ndarray]) -> Figures:
    """Average precision of one data set. A lesion's voxels are laid out as a picture (X, Y * Z)."""
    masks = importlib.import_module("pycocotools.mask")
    room, judge = (importlib.import_module(f"pycocotools.{n}") for n in ("coco", "cocoeval"))

    def lesions(which: str) -> list[dict[str, Any]]:
        found = []
        for i, scan in enumerate(scans):
            ids = getattr(scan, which).reshape(len(scan.reference), -1)
            for lesion in range(1, int(ids.max()) + 1):
                code = masks.encode(np.asfortranarray(ids == lesion, dtype=np.uint8))
                one = {"id": len(found) + 1, "image_id": i + 1, "category_id": 1, "iscrowd": 0}
                more = {"segmentation": code, "area": float(masks.area(code))}
                more["score"] = float(scores[i][lesion - 1]) if which == "prediction" else 0.0
                found.append(one | more)
        return found

    truth = room.COCO()
    images = [
        {"id": i + 1, "height": scan.reference.shape[0], "width": scan.reference[0].size}
        for i, scan in enumerate(scans)
    ]
    truth.dataset = {"images": images, "categories": [{"id": 1}]}
    truth.dataset["annotations"] = lesions("reference")
    truth.createIndex()
    steps = np.arange(1, len(truth.dataset["annotations"]) + 1)
    predicted = room.COCO()
    predicted.dataset = truth.dataset | {"annotations": lesions("prediction")}
    predicted.createIndex()
    figures = {}
    for name, recalls in (("", steps / len(steps)), ("_101_points", None)):
        evaluation = judge.COCOeval(truth, predicted, "segm")
        evaluation.params.iouThrs = np.array([0.1, 0.5])
        evaluation.params.maxDets = [10_000]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        if recalls is not None:
            evaluation.params.recThrs = recalls
        evaluation.evaluate()
        evaluation.accumulate()
        precision = evaluation.eval["precision"][:, :, 0, 0, 0]
        figures |= {f"ap_iou{p}{name}": float(row.mean()) for p, row in zip((10, 50), precision)}
    return figures


def coco_groups(scans: list[Scan]) -> list[Figures]:
    """Each group of scans as one data set, with their scores and with many equal scores."""
    found = []
    for group in sorted({scan.group for scan in scans}):
        members = [scan for scan in scans if scan.group == group]
        figures = coco(members, [scan.scores for scan in members])
        tied = coco(members, [np.round(scan.scores, 1) for scan in members])
        found.append(figures | {f"{name}_equal_scores": value for name, value in tied.items()})
    return found
