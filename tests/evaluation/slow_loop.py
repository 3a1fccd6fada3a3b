"""The metrics once more, a lesion at a time on whole volumes: slow, obvious, the tests' oracle."""

import numpy as np
from scipy import ndimage as ndi


def slow_lesions(reference, prediction, spacing):
    """Rows by reference id, ids of false positives, and Dice, NSD at 1 mm and HD95 of the case.

    Both masks hold lesion ids.
    """
    reference_ids = [int(i) for i in np.unique(reference) if i]
    predicted_ids = [int(i) for i in np.unique(prediction) if i]
    owner = {}
    for p in predicted_ids:
        mine = prediction == p
        best = (0, 0.0, 0)
        for r in reference_ids:
            shared = int((mine & (reference == r)).sum())
            iou = shared / int((mine | (reference == r)).sum())
            if shared and (shared, iou, -r) > best:
                best = (shared, iou, -r)
        owner[p] = -best[2]
    distances = [
        ndi.distance_transform_edt(reference != r, sampling=spacing) for r in reference_ids
    ]
    nearest = np.min(distances, axis=0) if distances else None
    ties = sum(np.isclose(d, nearest, rtol=1e-9, atol=0) for d in distances)
    rows = {}
    for r, distance in zip(reference_ids, distances):
        lesion = reference == r
        given = np.isin(prediction, [p for p in predicted_ids if owner[p] == r])
        share = np.isclose(distance, nearest, rtol=1e-9, atol=0) / ties  # 1 / k where k are as near
        in_region = (share * (prediction > 0)).sum()
        rows[r] = {
            "lesion_dice": 2 * (lesion & given).sum() / (lesion.sum() + given.sum()),
            "iou": (lesion & given).sum() / (lesion | given).sum(),
            "region_dice": 2 * (lesion & (prediction > 0)).sum() / (lesion.sum() + in_region),
            "volume_mm3": lesion.sum() * np.prod(spacing),
            "centroid": np.argwhere(lesion).mean(axis=0) * spacing,
            "predictions": [p for p in predicted_ids if owner[p] == r],
        }
    false_positives = [p for p in predicted_ids if owner[p] == 0]
    return rows, false_positives, slow_case(reference > 0, prediction > 0, spacing)


def slow_case(reference, prediction, spacing):
    """Dice, NSD at 1 mm and HD95 by distance transforms of the whole volume; neither mask empty."""
    dice = 2 * (reference & prediction).sum() / (reference.sum() + prediction.sum())
    surfaces = [m & ~ndi.binary_erosion(m) for m in (reference, prediction)]
    to = [ndi.distance_transform_edt(~s, sampling=spacing) for s in surfaces]
    there, back = to[1][surfaces[0]], to[0][surfaces[1]]
    close = (there <= 1 + 1e-9).sum() + (back <= 1 + 1e-9).sum()
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return {"dice": dice, "nsd_1mm": close / (len(there) + len(back)), "hd95_mm": hd95}


def slow_operating_point(scans, threshold, found_iou, low, high):
    """Found lesions of volume [low, high) and false positives when scores >= threshold are kept.

    scans: (reference ids, candidate ids, scores), 1 mm voxels.
    """
    num_found = num_false_positive = 0
    for reference, candidates, scores in scans:
        rows, false_positives, _ = slow_lesions(reference, candidates, (1, 1, 1))
        num_false_positive += sum(scores[p] >= threshold for p in false_positives)
        for r, row in rows.items():
            kept = [p for p in row["predictions"] if scores[p] >= threshold]
            lesion, given = reference == r, np.isin(candidates, kept)
            shared = (lesion & given).sum()
            iou = shared / (lesion | given).sum()
            num_found += bool(shared and iou >= found_iou and low <= lesion.sum() < high)
    return num_found, num_false_positive
