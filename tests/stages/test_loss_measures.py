"""From model folders and preprocessed cases to the table of loss shares."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from lesionseg.cli import compose
from lesionseg.datasets.splits import Splits, write_splits
from lesionseg.errors import NoInputError, UsageError
from lesionseg.evaluation import SizeBuckets
from lesionseg.inference.model_store import save_model
from lesionseg.io.case_store import LESION_COLUMNS, write_case
from lesionseg.lesion_classes import named_classes
from lesionseg.models.registry import Task, build_network
from lesionseg.planning.anchor_plan import planned_settings
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.planning.plan_file import write_plan
from lesionseg.preprocessing.prepared import write_prepared
from lesionseg.reporting.plots.imbalance import check_loss_shares
from lesionseg.settings.messages import checked
from lesionseg.settings.report import ReportSettings
from lesionseg.stages.loss_measures import measures_of_models
from lesionseg.stages.report_losses import report_losses
from lesionseg.structures import Case, Grid, OperatingPoint

BUCKETS = SizeBuckets.from_edges((3, 5, 10))
PLAN = Plan(
    (ChannelPlan("A", "mri", "zscore"), ChannelPlan("B", "mri", "zscore")), 1.0, context_slices=0
)
NARROW = {
    "unet": {"channels": [8, 12, 16]},
    "maskrcnn": {"backbone": "tiny", "pyramid_channels": 8, "box_width": 8, "mask_width": 8},
}


def store(folder, name, *, reference=True):
    """A case of 4 slices with one lesion of 4 mm3."""
    ids = np.zeros((40, 40, 4), np.int32)
    ids[10:12, 20:22, 1] = 1
    image = np.random.default_rng(len(name)).normal(size=(2, *ids.shape)).astype(np.float16)
    row = dict.fromkeys(LESION_COLUMNS, 1.0) | {"volume_mm3": 4.0, "inside": 0.0}
    case = Case(
        name=name,
        patient=name,
        image=image,
        lesion_ids=ids if reference else None,
        affine=np.eye(4),
        slab_axis=2,
        original=Grid(ids.shape, np.eye(4)),
        channels=("A", "B"),
        lesions={1: row} if reference else {},
    )
    write_case(folder, case)


def save(folder, name, seed=0):
    """A small untrained network as a model folder."""
    shipped = compose("train", ["output=x"]).network.of(name).plain()
    settings = planned_settings(shipped | NARROW[name], PLAN.detector)
    torch.manual_seed(seed)
    save_model(
        folder,
        build_network(name, settings, Task(2, 1, 1)),
        name=name,
        settings=settings,
        plan=PLAN,
        points=[OperatingPoint(0.5, 0.5)],
        edges_mm=(3, 5, 10),
        training={"sampling": {"size": 32, "batch_size": 2, "lesion_fraction": 1.0}},
    )


def prepare(cases, plan):
    """What preprocessing leaves beside the cases."""
    splits = Splits(("one",), ("two",), ("three",), {n: n for n in ("one", "two", "three")}, 0)
    write_splits(cases / "splits.json", splits)
    write_plan(cases / "plan.yaml", plan)
    write_prepared(cases, plan, splits)


@pytest.fixture
def run(tmp_path):
    """A run folder: three cases, a model of either kind."""
    cases = tmp_path / "preprocessed"
    cases.mkdir()
    names = ("one", "two", "three")
    for name in names:
        store(cases, name)
    prepare(cases, PLAN)
    for name in ("unet", "maskrcnn"):
        save(tmp_path / "models" / name, name)
    return tmp_path


def measure(run, *names, keep=True, buckets=BUCKETS, num_slabs=4):
    return measures_of_models(
        {name: run / "models" / name for name in names},
        run / "preprocessed",
        buckets,
        num_slabs=num_slabs,
        num_lesions=0,
        device="cpu",
        keep=keep,
    ).shares


def test_every_term_of_every_model_is_in_the_table(run, capsys):
    table = measure(run, "unet", "maskrcnn")
    check_loss_shares(table, BUCKETS)
    terms = table.groupby("model")["term"].unique()
    assert terms["unet"].tolist() == ["cross_entropy"]
    assert len(terms["maskrcnn"]) == 6
    found = table[table["term"] == "rpn_box"].set_index("bucket")["share_gradient"]
    assert found["tiny"] == pytest.approx(1)
    said = capsys.readouterr().err
    assert "unet: " in said
    assert "maskrcnn: " in said


def test_what_is_stored_is_used_until_something_else_is_asked(run, capsys):
    first = measure(run, "unet")
    assert (run / "models" / "unet" / "loss_shares.csv").is_file()
    assert not list(run.rglob(".partial*"))
    capsys.readouterr()
    pd.testing.assert_frame_equal(measure(run, "unet"), first)
    assert capsys.readouterr().err == ""
    other = SizeBuckets.from_edges((1, 1.5, 2))
    asked = ({"num_slabs": 6}, {"buckets": other}, {})
    for change in asked:
        measure(run, "unet", **change)
        assert "unet" in capsys.readouterr().err


def test_a_damaged_table_is_measured_again(run):
    first = measure(run, "unet")
    for text in ("", "key\n", "what,is\nthis,3\n", "\x00\xff"):
        (run / "models" / "unet" / "loss_shares.csv").write_text(text)
        pd.testing.assert_frame_equal(measure(run, "unet"), first)


def test_other_weights_are_other_shares(run):
    first = measure(run, "unet")
    save(run / "models" / "unet", "unet", seed=1)
    assert not measure(run, "unet").equals(first)


def test_nothing_is_written_into_folders_that_are_only_read(run):
    measure(run, "unet", keep=False)
    assert not (run / "models" / "unet" / "loss_shares.csv").exists()


def test_cases_of_another_plan_or_without_reference_are_refused(run):
    prepare(run / "preprocessed", dataclasses.replace(PLAN, context_slices=2))
    measure(run, "unet")  # the same cases, looked at otherwise
    store(run / "preprocessed", "two", reference=False)
    with pytest.raises(NoInputError, match="reference"):
        measure(run, "unet", num_slabs=6)
    other = dataclasses.replace(PLAN, in_plane_spacing_mm=2.0)
    prepare(run / "preprocessed", other)
    with pytest.raises(UsageError, match="another plan"):
        measure(run, "unet")


def test_cases_of_other_lesion_classes_are_refused(run):
    classes = named_classes({"core": [1], "oedema": [2]})
    prepare(run / "preprocessed", dataclasses.replace(PLAN, lesion_classes=classes))
    with pytest.raises(UsageError, match=r"knows the lesion classes lesion \(1\), the cases in"):
        measure(run, "unet")


def settings(**values):
    return checked(ReportSettings, {"reference": "r", "output": "o", **values})


def test_report_takes_model_folders_by_name(run):
    word = f"models.net={run / 'models' / 'unet'}"
    cases = f"cases={run / 'preprocessed'}"
    asked = compose("report", ["reference=r", "output=o", word, cases, "loss_slabs=4"])
    table = report_losses(asked)["loss_shares"]
    assert table["model"].unique().tolist() == ["net"]
    assert report_losses(settings()) == {}


def test_report_says_what_models_need():
    for values, message in (
        ({"models": {"net": "m"}}, "cases=RUN/preprocessed"),
        ({"models": {"net": "m"}, "loss_shares": "s.csv", "cases": "c"}, "give one"),
        ({"models": {"net": "m"}, "cases": "c", "loss_slabs": 0}, "loss_slabs is 0"),
        ({"models": {"net": "m"}, "cases": "nowhere"}, "into nowhere was not done"),
    ):
        with pytest.raises(UsageError, match=message):
            report_losses(settings(**values))


def test_names_below_models_are_open_to_report_alone():
    with pytest.raises(UsageError, match="list is given whole"):
        compose("run", ["output=o", "models.net=m"])
    with pytest.raises(UsageError, match=r"run has no key 'training\.net'"):
        compose("run", ["output=o", "training.net=m"])
