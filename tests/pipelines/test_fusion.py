"""A fusion is made of the models of its run, without training, and is a model as others are."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from tiny_run import PHANTOM, TINY, last_of_each

from lesionseg import cli
from lesionseg.cli import compose
from lesionseg.errors import UsageError
from lesionseg.inference import load_model
from lesionseg.inference.fused_maps import fused_map
from lesionseg.inference.lesion_maps import predict_lesion_maps
from lesionseg.inference.model_store import stored_weights
from lesionseg.models.registry import Task, build_network
from lesionseg.preprocessing.prepared import open_prepared
from lesionseg.stages.fusion import in_order

WORDS = ["models=[unet,maskrcnn,fusion]", "threads=1", "loss_slabs=4", "price_lesions=2"]


def run(folder, *words):
    return cli.main(last_of_each(["run", f"output={folder}", *PHANTOM, *TINY, *WORDS, *words]))


@pytest.fixture(scope="module")
def fused_run(run_folder, tmp_path_factory):
    """The tiny run, whose models are there, with a fusion of them."""
    folder = tmp_path_factory.mktemp("fused") / "run"
    shutil.copytree(run_folder, folder)
    assert run(folder) == 0
    return folder


def test_it_holds_the_weights_of_both_models_and_says_what_they_took(fused_run):
    models = fused_run / "models"
    found = stored_weights(models / "fusion")
    expected = {
        f"members.{member}.{name}": weight
        for member in ("unet", "maskrcnn")
        for name, weight in stored_weights(models / member).items()
    }
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    training = {
        name: json.loads((models / name / "model.json").read_text())["training"]
        for name in ("unet", "maskrcnn", "fusion")
    }
    for key in ("steps", "minutes", "parameters"):
        both = training["unet"][key] + training["maskrcnn"][key]
        assert training["fusion"][key] == pytest.approx(both, abs=0.011)


def test_it_predicts_what_the_joined_maps_of_its_members_say(fused_run):
    prepared = open_prepared(fused_run / "preprocessed")
    (case,) = prepared.open(prepared.splits.validation[:1])
    models = {
        name: load_model(fused_run / "models" / name, "cpu")
        for name in ("unet", "maskrcnn", "fusion")
    }
    maps = {
        name: predict_lesion_maps(model.network, case, model.slab_rule, torch.device("cpu"))[0]
        for name, model in models.items()
    }
    expected = fused_map(maps["maskrcnn"], maps["unet"], outline_mm=5.0, outline_threshold=0.3)
    np.testing.assert_array_equal(maps["fusion"].lesion_ids, expected.lesion_ids)
    np.testing.assert_array_equal(maps["fusion"].probability, expected.probability)
    assert maps["fusion"].scores == expected.scores


def test_its_masks_and_figures_are_in_the_report(fused_run):
    masks = sorted((fused_run / "predictions/fusion").glob("*.nii.gz"))
    scans = sorted((fused_run / "predictions/unet").glob("*.nii.gz"))
    assert [mask.name for mask in masks] == [scan.name for scan in scans] != []
    assert all(nib.load(mask).shape == nib.load(scan).shape for mask, scan in zip(masks, scans))
    figures = pd.read_csv(fused_run / "report/summary.csv")
    assert "fusion" in set(figures["model"])
    assert "fusion" in (fused_run / "report/report.html").read_text(encoding="utf-8")
    assert not (fused_run / "models/fusion/loss_shares.csv").exists()  # it has no loss


def test_it_is_made_anew_with_its_members_and_not_without(fused_run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(fused_run, folder)
    assert run(folder) == 0
    assert "fusion: trained already" in capsys.readouterr().err
    assert run(folder, "network.unet.loss=focal") == 0
    said = capsys.readouterr().err
    assert "maskrcnn: trained already" in said
    assert "fusion: trained anew; changed: " in said
    found, unet = stored_weights(folder / "models/fusion"), stored_weights(folder / "models/unet")
    assert all(torch.equal(found[f"members.unet.{name}"], one) for name, one in unet.items())


def test_it_comes_after_its_members_and_not_without_them():
    assert in_order(("fusion", "maskrcnn", "unet")) == ["maskrcnn", "unet", "fusion"]
    assert in_order(("unet",)) == ["unet"]
    with pytest.raises(UsageError, match=r"fusion without maskrcnn, .*\[unet,maskrcnn,fusion\]"):
        in_order(("unet", "fusion"))


def test_alone_it_is_refused_before_any_work(tmp_path, capsys):
    assert cli.main(["run", f"output={tmp_path / 'run'}", *TINY, "models=[fusion]"]) == 2
    assert "models has fusion without unet and maskrcnn" in capsys.readouterr().err
    assert not (tmp_path / "run/models").exists()


def test_it_has_no_loss_and_no_answer_for_slices_alone():

    settings = compose("train", ["output=x"]).network.of("fusion").plain()
    settings["maskrcnn"] |= {"anchors": [[[4, 4, 1]]] * 4, "mask_bins": 7, "finest_stride": 2}
    settings["maskrcnn"]["proposal_rule"]["nwd_constant_px"] = 4.0
    network = build_network("fusion", settings, Task(2, 3, 1))
    for call in (network.predict, lambda images: network.losses(images, [])):
        with pytest.raises(TypeError, match="whole scans"):
            call(torch.zeros(1, 6, 32, 32))
