"""A prediction of one scan, and its files as they are exported."""

from __future__ import annotations

import numpy as np
import torch

from lesionseg.inference.class_lesions import ScoredLesions
from lesionseg.inference.export import export_case
from lesionseg.inference.export_record import export_record
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.prediction import Prediction
from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.structures import Grid, OperatingPoint

MODEL = LoadedModel(
    name="unet",
    network=torch.nn.Identity(),
    plan=Plan((ChannelPlan("FLAIR", "mri", "zscore"),), 1.0),
    points=(OperatingPoint(0.4, 0.6),),
    edges_mm=(3.0, 5.0, 10.0),
    weights_sha256="w" * 64,
    training={},
)


def a_prediction(shape, lesions):
    """lesions: (corner, side, score) of cubes, best first; those below 0.6 are candidates only."""
    ids, scores = np.zeros(shape, np.int32), {}
    for number, (corner, side, score) in enumerate(lesions, 1):
        ids[tuple(slice(c, c + side) for c in corner)] = number
        scores[number] = score
    kept = {i: s for i, s in scores.items() if s >= 0.6}
    probability = np.zeros(shape, np.float32)
    for number, score in scores.items():
        probability[ids == number] = score
    reported = np.where(np.isin(ids, list(kept)), ids, 0)
    return Prediction(
        ScoredLesions(reported, kept, of_one_class(reported), frozenset(kept)),
        ScoredLesions(ids, scores, of_one_class(ids), frozenset(kept)),
        (probability,),
        Grid(shape, np.eye(4)),
    )


LESIONS = (((2, 3, 0), 1, 0.9), ((8, 8, 2), 3, 0.75), ((14, 4, 3), 2, 0.123456))


def write(folder, scan, result=None, model=MODEL, extras=()):
    path, like = scan
    result = result or a_prediction(like.array.shape, LESIONS)
    export_case(folder, "s1", result, like, export_record("s1", model, [path]), extras=extras)
    return result


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


PLAIN = ["instances/s1.nii.gz", "lesions/s1.csv", "s1.json", "s1.nii.gz"]
EXTRA = ["candidates/s1.csv", "candidates/s1.nii.gz", "probabilities/s1.nii.gz"]
