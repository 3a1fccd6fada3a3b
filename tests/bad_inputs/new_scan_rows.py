"""What is given to a trained model, which is of two channels, FLAIR and T1, or of one, T2."""

from __future__ import annotations

import functools
import json

import numpy as np
from bad_input_rows import ACCEPTED, REJECTED, WARNED, Row, save
from bodies import AFFINE as BODY_AFFINE
from bodies import abdomen_ct_with_table, mri_head
from dicom_slices import write_series

from lesionseg.datasets.new_scans import find_new_scans
from lesionseg.errors import LesionsegError
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.planning.training_scans import TrainingScans
from lesionseg.planning.unlike_training import unlike_training
from lesionseg.structures import Volume

TWO, ONE = ("FLAIR", "T1"), ("T2",)


def scans(source, channels=TWO, **how):
    """Find the scans of a folder, or of the files of a list; the first rejected is the error."""
    sources = source if isinstance(source, list) else [source]
    found = find_new_scans(sources, channels, sources[0].parent / "out", **how)
    for reason in found.rejected.values():
        raise LesionsegError(reason)
    return None, ()


one = functools.partial(scans, channels=ONE)


def files(*names):
    """A folder of images."""

    def build(folder):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            save(folder / f"{name}.nii.gz")
        return folder

    return build


def given(*names):
    """The files themselves, as input=[A,B]."""

    def build(folder):
        files(*names)(folder)
        return [folder / f"{name}.nii.gz" for name in names]

    return build


def table(folder):
    files("a")(folder)
    (folder / "scans.csv").write_text("case,FLAIR\na,a.nii.gz\n")
    return folder / "scans.csv"


def other_channels(folder):
    files("imagesTs/a_0000", "imagesTs/a_0001")(folder)
    names = {"channel_names": {"0": "FLAIR", "1": "ADC"}, "labels": {"lesion": 1}}
    (folder / "dataset.json").write_text(json.dumps(names))
    return folder


def study(folder):
    for number, text in enumerate(("ADC", "t2_flair")):
        places, voxels = [(0, 0, 0), (0, 0, 3)], np.zeros((2, 4, 5), np.int16)
        tags = {"series": f"1.{number}", "series_number": number + 1, "description": text}
        write_series(folder / f"p1/{number}", voxels, places, **tags)
    return folder


KNOWN = TrainingScans(
    num_scans=9,
    in_plane_mm=(2.0, 2.0),
    slab_mm=(2.0, 2.5),
    slab_axes=(2,),
    field_mm=((110.0, 120.0), (110.0, 112.0), (100.0, 100.0)),
    low=((-1000.0, -900.0),),
    high=((100.0, 300.0),),
)


def unlike(_, *, made=mri_head, affine=BODY_AFFINE, change=lambda image: image):
    """Notes of a scan that is compared with the training scans of a model."""
    image, _, modality = made()
    kind = {"mri": "zscore", "ct": "cohort"}[modality]
    plan = Plan((ChannelPlan("A", modality, kind, -1000, 300, 0.0, 1.0),), 2.0, scans=KNOWN)
    return None, unlike_training([Volume(change(image), affine)], plan, "case7")


def unlike_by(**how):
    return functools.partial(unlike, **how)


def scaled(*factors):
    return BODY_AFFINE @ np.diag([*factors, 1.0])


def here(folder):
    return folder


ROWS = [
    Row("a patient without T1", files("p1/FLAIR", "p2/T1"), REJECTED,
        ("missing channel T1", "p1/FLAIR", "input=[FLAIR,T1]"), scans),
    Row("two FLAIR of one patient", files("p1/ax_FLAIR", "p1/sag_FLAIR", "p1/T1"), REJECTED,
        ("2 images for channel FLAIR", "p1/ax_FLAIR"), scans),
    Row("FLAIR and T1 of two patients in one folder", files("a_FLAIR", "b_T1"), REJECTED,
        ("missing channel",), scans),
    Row("images whose names say no channel", files("p1/a", "p1/b"), REJECTED,
        ("no scan in", "says that it is FLAIR, T1", "p1/a.nii.gz"), scans),
    Row("other images of a patient alone", files("p1/ADC", "p1/FLAIR"), REJECTED,
        ("no scan in", "T2; it holds 2 images"), one),
    Row("channels in another order than the model's", given("T1", "FLAIR"), REJECTED,
        ("gives T1.nii.gz as FLAIR", "the order FLAIR, T1"), scans),
    Row("three files for two channels", given("a", "b", "c"), REJECTED,
        ("3 files", "2 channels: FLAIR, T1"), scans),
    Row("a table without a column for T1", table, REJECTED,
        ("scans.csv has channels FLAIR", "none is T1"), scans),
    Row("dataset.json of other channels than the model's", other_channels, REJECTED,
        ("has channels FLAIR, ADC", "none is T1", "data.card=FILE.yaml"), scans),
    Row("DICOM series of other images alone", study, REJECTED,
        ("says that it is T2", "p1/0", "dicom.series"), one),
    Row("a DICOM series asked for that is not there", study, REJECTED,
        ("says that it is T2", "p1/1"), functools.partial(one, series="7")),
    Row("T2 beside other series, asked for by its number", study, ACCEPTED, (),
        functools.partial(one, series="2")),
    Row("a new scan as those of training", here, ACCEPTED, (), unlike),
    Row("a new scan of coarser voxels", here, WARNED,
        ("voxel size in a slice 4 mm, of training 2 mm",), unlike_by(affine=scaled(2, 2, 2.1))),
    Row("a new scan of thicker slices", here, WARNED,
        ("distance between slices 6 mm, of training 2 to 2.5 mm",),
        unlike_by(affine=scaled(1, 1, 3))),
    Row("a new scan of sagittal slices", here, WARNED,
        ("its slices are sagittal, those of training axial",), unlike_by(affine=scaled(1.2, 1, 1))),
    Row("a new scan that shows half the head", here, WARNED,
        ("field of view 50 mm foot to head, of training 100 mm",),
        unlike_by(change=lambda image: image[..., :25])),
    Row("a new CT without Hounsfield units", here, WARNED,
        ("A: the lowest is", "want Hounsfield units"),
        unlike_by(made=abdomen_ct_with_table, change=lambda image: image + 1024)),
]  # fmt: skip
