"""Figures of one of other people's tools, by its own published code; lesionseg is not imported.

`independent_tools.py` starts it with the interpreter of the tools' own environment:
python -m independent.figures TOOL CASES.npz FIGURES.json PACKAGES
PACKAGES: where torch and MONAI are; it is the last place where modules are looked for.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from independent.coco import coco_groups
from independent.scan import Figures, Scan, read_scans


def of_each(function: Callable[[Scan], Figures]) -> Callable[[list[Scan]], list[Any]]:
    """The function of every scan; where it raises, the error as text."""

    def attempt(scan: Scan) -> Figures | str:
        try:
            return function(scan)
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    return lambda scans: [attempt(scan) for scan in scans]


def monai(scan: Scan) -> Figures:
    torch, metrics = importlib.import_module("torch"), importlib.import_module("monai.metrics")
    truth, found = (torch.as_tensor(mask)[None, None].float() for mask in scan.masks)
    options = {"include_background": True, "spacing": scan.spacing}
    figures = {
        "dice": metrics.compute_dice(found, truth),
        "hd95_mm": metrics.compute_hausdorff_distance(found, truth, percentile=95, **options),
        "nsd_1mm": metrics.compute_surface_dice(found, truth, [scan.one_mm], **options),
    }
    ids = [torch.as_tensor(array) for array in (scan.prediction, scan.reference)]
    for suffix, iou in (("", 0.5), ("_iou10", 0.1)):
        for name in ("pq", "sq", "rq"):
            figures[name + suffix] = metrics.compute_panoptic_quality(
                *ids, metric_name=name, match_iou_threshold=iou, smooth_numerator=1e-12
            )
    return {name: float(value) for name, value in figures.items()}


def monai_froc(scan: Scan) -> Figures:
    """Each candidate is one voxel: the first of each predicted lesion."""
    metrics = importlib.import_module("monai.metrics")
    flat = [np.flatnonzero(scan.prediction == i + 1)[0] for i in range(len(scan.scores))]
    points = np.stack(np.unravel_index(flat, scan.reference.shape), axis=1)
    false, true, number = metrics.compute_fp_tp_probs_nd(scan.scores, points, scan.reference)
    rates, recalls = metrics.compute_froc_curve_data(
        false.astype(np.float32), true, number, num_images=1
    )
    thresholds = sorted({*false.astype(np.float32).tolist(), *true.tolist()})[1:]
    return {
        "froc_threshold": thresholds,
        "froc_recall": recalls[:-1].tolist(),
        "froc_fp_per_scan": rates[:-1].tolist(),
    }


def panoptica(scan: Scan) -> Figures:
    tool = importlib.import_module("panoptica")

    def result(iou: float, many: bool, whole: tuple[str, ...] = ("DSC",)) -> Any:
        matcher = tool.NaiveThresholdMatching(
            matching_metric=tool.Metric.IOU,
            matching_threshold=iou,
            allow_many_to_one=many,
            strict_threshold=True,
        )
        evaluator = tool.Panoptica_Evaluator(
            expected_input=tool.InputType.UNMATCHED_INSTANCE,
            instance_matcher=matcher,
            instance_metrics=[tool.Metric.DSC, tool.Metric.IOU],
            global_metrics=[tool.Metric[name] for name in whole],
        )
        found = evaluator.evaluate(scan.prediction, scan.reference, voxelspacing=scan.spacing)
        return found["ungrouped"].to_dict()

    strict, loose, joined = result(0.5, False), result(0.1, False), result(0.0, True)
    figures = {name: strict[name] for name in ("pq", "sq", "rq")}
    figures |= {f"{name}_iou10": loose[name] for name in ("pq", "sq", "rq")}
    figures |= {"dice": strict["global_bin_dsc"], "num_reference": strict["n_ref_instances"]}
    figures |= {"num_predicted": strict["n_pred_instances"]}
    figures |= {"recall": loose.get("rec", np.nan), "precision": loose.get("prec", np.nan)}
    figures["f1"] = loose["rq"]
    dice_sum = joined["sq_dsc"] * joined["tp"] if joined["tp"] else 0.0
    figures["lesion_dice"] = dice_sum / max(joined["n_ref_instances"], 1)
    if all(mask.any() for mask in scan.masks):  # this metric of it raises where one mask is empty
        figures["hd95_mm"] = result(0.5, False, ("HD95",))["global_bin_hd95"]
    return {name: float(value) for name, value in figures.items()}


def panoptica_classes(scan: Scan) -> Figures:
    """Of masks of classes 1, 2 and 3, which the tool cuts into components itself.

    A class of which a mask has no lesion is left out where the tool has no figure.
    """
    tool = importlib.import_module("panoptica")
    names = {"one": 1, "two": 2, "three": 3}
    groups = importlib.import_module("panoptica.utils.segmentation_class").SegmentationClassGroups(
        {name: ([value], False) for name, value in names.items()}
    )
    figures: Figures = {}
    for iou in (0.5, 0.1):
        evaluator = tool.Panoptica_Evaluator(
            expected_input=tool.InputType.SEMANTIC,
            instance_approximator=tool.ConnectedComponentsInstanceApproximator(),
            instance_matcher=tool.NaiveThresholdMatching(
                matching_metric=tool.Metric.IOU, matching_threshold=iou, strict_threshold=True
            ),
            instance_metrics=[tool.Metric.IOU],
            global_metrics=[tool.Metric.DSC],
            segmentation_class_groups=groups,
        )
        found = evaluator.evaluate(scan.prediction, scan.reference, voxelspacing=scan.spacing)
        for name in names:
            values = found[name].to_dict()
            at = f"at IoU > {iou}"
            figures |= {f"{name} {k.upper()} {at}": values[k] for k in ("pq", "sq", "rq")}
            figures[f"{name} reference lesions"] = values["n_ref_instances"]
            figures[f"{name} predicted lesions"] = values["n_pred_instances"]
            figures[f"{name} Dice"] = values["global_bin_dsc"]
            known = {"recall of pairs": "rec", "precision of pairs": "prec"} if iou == 0.1 else {}
            figures |= {f"{name} {k}": values[v] for k, v in known.items() if v in values}
    return {name: float(value) for name, value in figures.items()}


def metrics_reloaded(scan: Scan) -> Figures:
    pairwise = importlib.import_module("MetricsReloaded.metrics.pairwise_measures")
    measures = pairwise.BinaryPairwiseMeasures
    truth, found = (mask.astype(np.int64) for mask in scan.masks)
    options = {"nsd": scan.one_mm, "hd_perc": 95, "beta": 1}
    whole = measures(found, truth, pixdim=scan.spacing, dict_args=options)
    exactly = measures(found, truth, pixdim=scan.spacing, dict_args=options | {"nsd": 1.0})
    figures = {
        "dice": whole.dsc(),
        "dice_by_f_beta": whole.fbeta(),
        "nsd_1mm": whole.normalised_surface_distance(),
        "nsd_1mm_exactly": exactly.normalised_surface_distance(),
        "hd95_mm": whole.measured_hausdorff_distance_perc(),
        "absolute_volume_difference": whole.absolute_volume_difference_ratio(),
    }
    return {name: float(value) for name, value in figures.items()}


def metrics_reloaded_instances(scan: Scan) -> Figures:
    """Panoptic quality by its own assignment; where one mask is empty that raises IndexError."""
    rooms = [
        importlib.import_module(f"MetricsReloaded.{name}")
        for name in ("utility.assignment_localization", "processes.mixed_measures_processes")
    ]
    lesions = [
        [(ids == i + 1).astype(np.int64) for i in range(int(ids.max()))]
        for ids in (scan.prediction, scan.reference)
    ]
    figures = {}
    for suffix, iou in (("", 0.5), ("_iou10", 0.1)):
        found = rooms[0].AssignmentMapping(
            *lesions, None, localization="mask_iou", thresh=iou, pixdim=scan.spacing
        )
        pred, ref, false, missed = found.matching_ref_predseg()
        predicted = np.array([1] * len(pred) + [1] * len(false) + [0] * len(missed))
        real = np.array([1] * len(ref) + [0] * len(false) + [1] * len(missed))
        both = rooms[1].MixedLocSegPairwiseMeasure(predicted, real, pred, ref, None)
        figures["pq" + suffix] = both.panoptic_quality()
        figures["sq" + suffix] = both.segmentation_quality()
        figures["rq" + suffix] = both.detection_quality()
    return {name: float(value) for name, value in figures.items()}


def metrics_reloaded_calibration(scan: Scan) -> Figures:
    room = importlib.import_module("MetricsReloaded.metrics.calibration_measures")
    ids = np.arange(1, len(scan.scores) + 1)
    true = np.isin(ids, scan.prediction[scan.masks[0]]).astype(np.int64)
    scores = np.stack([1 - scan.scores, scan.scores], axis=1)
    measures = room.CalibrationMeasures(scores, true, dict_args={"bins_ece": 10})
    return {"calibration_error": float(measures.expectation_calibration_error())}


def cc_metrics(scan: Scan) -> Figures:
    tool = importlib.import_module("CCMetrics")
    regions = importlib.import_module("CCMetrics.space_separation").compute_voronoi_regions_fast
    one_hot = [np.stack([~mask, mask])[None].astype(np.int64) for mask in scan.masks]
    figures = {}
    for name, spacing in (("region_dice", scan.spacing), ("region_dice_in_voxels", None)):
        metric = tool.CCDiceMetric()
        metric.space_separation = functools.partial(regions, sampling=spacing)
        metric(one_hot[1], one_hot[0])
        figures[name] = metric.get_buffer()[0].ravel().tolist()
    return figures


def brats(scan: Scan) -> Figures:
    """Of label 2, which is whole tumour alone, by unchanged code of 2023.

    It needs what numpy and pandas had then: Inf, append, and a replace of infinities that passes by
    cells that hold arrays; the infinities are HD95 of missed lesions, which is not compared.
    """
    nibabel, pandas = importlib.import_module("nibabel"), importlib.import_module("pandas")
    np.Inf = np.inf  # noqa: NPY201
    pandas.DataFrame.append = lambda self, other: pandas.concat([self, other])
    pandas.DataFrame.replace = lambda self, *_, **__: self
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/prediction.nii", f"{folder}/reference.nii"]
        for file, mask in zip(files, reversed(scan.masks)):
            nibabel.save(nibabel.Nifti1Image(2 * mask.astype(np.uint8), scan.affine), file)
        table = importlib.import_module("metrics").get_LesionWiseResults(*files, "BraTS-MET")
    row = table[table["Labels"] == "WT"].iloc[0]
    return {
        "brats_lesion_dice": float(row["LesionWise_Score_Dice"]),
        "dice": float(row["Legacy_Dice"]),
        "reference_volume_mm3": float(row["GT_Complete_Volume"]),
    }


def surface_distance(scan: Scan) -> Figures:
    tool = importlib.import_module("surface_distance")
    np.Inf = np.inf  # noqa: NPY201  (numpy 2 has it no more)
    distances = tool.compute_surface_distances(*scan.masks, scan.spacing)
    return {
        "nsd_1mm": float(tool.compute_surface_dice_at_tolerance(distances, scan.one_mm)),
        "hd95_mm": float(tool.compute_robust_hausdorff(distances, 95)),
    }


TOOLS: dict[str, tuple[str, Callable[[list[Scan]], list[Any]]]] = {
    "MONAI": ("monai", of_each(monai)),
    "MONAI, FROC": ("monai", of_each(monai_froc)),
    "panoptica": ("panoptica", of_each(panoptica)),
    "panoptica, classes": ("panoptica", of_each(panoptica_classes)),
    "MetricsReloaded": ("MetricsReloaded", of_each(metrics_reloaded)),
    "MetricsReloaded, lesions": ("MetricsReloaded", of_each(metrics_reloaded_instances)),
    "MetricsReloaded, scores": ("MetricsReloaded", of_each(metrics_reloaded_calibration)),
    "CC-Metrics": ("CCMetrics", of_each(cc_metrics)),
    "BraTS 2023": ("metrics", of_each(brats)),
    "surface-distance": ("surface_distance", of_each(surface_distance)),
    "pycocotools": ("pycocotools", coco_groups),
}


def main() -> None:
    name, cases, figures, packages = sys.argv[1:]
    module, function = TOOLS[name]
    sys.path.append(packages)
    scans = read_scans(cases)
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(module)
        except ImportError as error:
            found: list[Any] | str = f"{type(error).__name__}: {error}"
        else:
            found = function(scans)
    Path(figures).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
