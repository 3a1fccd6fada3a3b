"""Design questions from the command line: the ceiling, and a study of two variants end to end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from lesionseg.pipelines import ablate, ablate_job
from omegaconf import OmegaConf
from tiny_run import last_of_each

from lesionseg import cli
from lesionseg.errors import LesionsegError
from lesionseg.models.mask_rcnn.ceiling import DIAMETERS_PX
from lesionseg.planning.anchor_plan import DetectorPlan
from lesionseg.planning.plan import ChannelPlan, Plan
from lesionseg.planning.plan_file import read_plan, write_plan
from lesionseg.settings.ablate import StudySettings
from lesionseg.stages import ceiling, variants

NUM = 4


@pytest.fixture
def few_discs(monkeypatch):
    monkeypatch.setattr(ceiling, "NUM", NUM)


def test_the_ceiling_is_a_table_a_file_and_a_plot(few_discs, tmp_path, capsys):
    assert cli.main(["ablate", "study=ceiling", f"output={tmp_path}"]) == 0
    said = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "ceiling.csv")
    assert table["diameter_px"].tolist() == list(DIAMETERS_PX)
    ways = [f"{op}, {code}" for code in ("stock", "exact") for op in ("align", "pool", "resize")]
    assert list(table)[1:] == [*ways, "planned anchors", "stock anchors"]
    assert table["align, exact"].min() >= 0.9995
    assert table["pool, stock"].iloc[0] < 0.5
    assert table["planned anchors"].min() > 0.5
    assert table["stock anchors"].iloc[0] < 0.02  # a lesion of 2 px in a square of 32
    for column in table:
        assert column in said
    printed = {words[0]: words[1:] for words in map(str.split, said.splitlines()) if words}
    for diameter, *values in table.itertuples(index=False):
        assert list(map(float, printed[str(diameter)])) == pytest.approx(values, abs=6e-4)
    assert (tmp_path / "ceiling.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "ceiling.csv") in said
    assert not list(tmp_path.rglob(".partial-*"))


def test_the_ceiling_takes_the_anchors_of_a_plan_that_is_there(few_discs, tmp_path):
    """One anchor of 24 px on each level: a disc of 2 px fills 4 of its 576 pixels at most."""
    detector = DetectorPlan(anchors={2: (((24.0, 24.0, 1),),) * 4})
    folder = tmp_path / "preprocessed"
    folder.mkdir()
    channel = ChannelPlan("FLAIR", "mri", "zscore")
    write_plan(folder / "plan.yaml", Plan((channel,), 1.0, detector=detector))
    assert cli.main(["ablate", "study=ceiling", f"output={tmp_path}"]) == 0
    found = pd.read_csv(tmp_path / "ceiling.csv")["planned anchors"]
    assert 0 < found.iloc[0] <= 4 / 576 + 1e-4
    assert found.iloc[-1] > 0.8


# A study that trains.

WORDS = [
    "workers=0",
    "device=cpu",
    "data.phantom.num_train=3",
    "data.phantom.num_test=1",
    "data.phantom.size=0.25",
    "train.steps=2",
    "train.validate_every=9",
    "train.threshold_cases=1",
    "sampling.size=32",
    "sampling.batch_size=2",
    "network.fcn.backbone=tiny",
    "network.fcn.pyramid_channels=8",
    "network.maskrcnn.backbone=tiny",
    "network.maskrcnn.pyramid_channels=8",
    "network.maskrcnn.box_width=16",
    "network.maskrcnn.mask_width=8",
]
VARIANTS = {
    "three": {"models": ["maskrcnn"], "network": {"maskrcnn": {"roi_op": "pool"}}},
    "one": {"models": ["fcn"], "plan": {"context_slices": 0}},
}


def study(output):
    """Two variants by Hydra's basic launcher; returns the exit code."""
    settings = cli.compose("ablate", [f"output={output}", *WORDS])
    toy = StudySettings(name="toy", variants=VARIANTS)
    return ablate.main(settings.model_copy(update={"study": toy}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    output = tmp_path_factory.mktemp("study")
    assert study(output) == 0
    return output


def kept(output, variant):
    (path,) = (output / "variants" / f"{variant}_0" / "models").glob("*/model.json")
    return json.loads(path.read_text())["training"]


@pytest.mark.slow
def test_each_variant_is_trained_with_what_it_changes(finished):
    three, one = kept(finished, "three"), kept(finished, "one")
    assert three["steps"] == one["steps"] == 2
    assert three["seed"] == one["seed"] == 0
    assert three["splits_sha256"] == one["splits_sha256"]  # the very same patients
    assert three["network"]["roi_op"] == "pool"
    assert "roi_op" not in one["network"]
    written = OmegaConf.load(finished / "study.yaml")
    assert list(written.study.variants) == ["three", "one"]


@pytest.mark.slow
def test_both_are_in_one_report(finished):
    for variant in VARIANTS:
        assert list((finished / "variants" / f"{variant}_0" / "predictions").glob("*.nii.gz"))
    summary = pd.read_csv(finished / "report" / "summary.csv")
    assert (finished / "report" / "report.html").stat().st_size > 1000
    recall = summary[(summary["metric"] == "recall") & summary["minus"].isna()]
    assert set(recall["model"]) == set(VARIANTS)
    assert {"low", "high"} <= set(summary)


@pytest.mark.slow
def test_a_variant_with_another_context_has_cases_of_its_own(finished):
    assert not (finished / "variants" / "three_0" / "preprocessed").exists()
    shared = read_plan(finished / "preprocessed" / "plan.yaml")
    own = read_plan(finished / "variants" / "one_0" / "preprocessed" / "plan.yaml")
    assert (shared.context_slices, own.context_slices) == (1, 0)
    assert own.in_plane_spacing_mm == shared.in_plane_spacing_mm


@pytest.mark.slow
def test_a_second_study_trains_and_predicts_nothing_again(finished, capsys):
    watched = [
        *finished.glob("variants/*/models/*/weights.safetensors"),
        *finished.glob("variants/*/predictions/*.nii.gz"),
    ]
    assert len(watched) >= 4
    before = {path: path.stat().st_mtime_ns for path in watched}
    assert study(finished) == 0
    said = capsys.readouterr()
    assert "maskrcnn: trained already" in said.err
    assert "fcn: trained already" in said.err
    assert {path: path.stat().st_mtime_ns for path in watched} == before


def without_work(monkeypatch):
    """What train_variant calls beside preparing, training and predicting."""
    no_dataset = SimpleNamespace(card=SimpleNamespace(edges_mm=(3.0, 5.0, 10.0)))
    monkeypatch.setattr(variants, "open_dataset", lambda study: no_dataset)
    monkeypatch.setattr(variants, "training_cases", lambda folder: None)
    monkeypatch.setattr(variants, "predict_all", lambda *_: None)
    monkeypatch.setattr(variants, "test_scans", lambda *_: [])
    monkeypatch.setattr(variants, "trained_variant", lambda _: None)


def test_a_seed_changes_the_training_and_never_who_is_tested(tmp_path, monkeypatch):
    """A variant with a plan of its own deals the patients as the study does, whatever its seed."""
    config = cli.compose(
        "ablate", [f"output={tmp_path}", "study=context", "train.steps=2", "seed=5"]
    )
    seen = {}
    without_work(monkeypatch)
    monkeypatch.setattr(
        variants, "prepare_cases", lambda _, one: seen.update(dealt=one.seed, to=one.output)
    )
    monkeypatch.setattr(variants, "train_models", lambda one, *_: seen.update(trained=one.seed))
    variant = variants.variant_settings(config, "one_slice", 2)
    variants.train_variant(variant, config)
    assert seen == {"dealt": 5, "trained": 2, "to": str(tmp_path / "variants" / "one_slice_2")}


def test_jobs_get_the_folder_and_the_launchers_options_as_they_were_given(tmp_path, monkeypatch):
    words = ["study=roi_op", "launcher=warp", "launcher_options.partition=gpu"]
    config = cli.compose("ablate", [f"output={tmp_path}", *words, "launcher_options.tasks=2"])
    asked = []
    monkeypatch.setattr(ablate_job, "job", lambda: asked.extend(sys.argv[1:]))
    study_file = tmp_path / "J\u00f6rg's, a=b" / "study.yaml"
    ablate.launch(config, study_file)
    read = {
        one.key_or_group: one.value()
        for one in OverridesParser.create().parse_overrides(asked[1:])
        if not one.is_sweep_override()
    }
    assert read["study_file"] == str(study_file)
    assert read["hydra.sweep.dir"] == str(study_file.parent / "jobs")
    assert read["hydra.launcher.partition"] == "gpu"
    assert read["hydra.launcher.tasks"] == 2


def test_a_variant_that_fails_says_so_in_a_line_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    config = cli.compose("ablate", [f"output={tmp_path}", "study=roi_op"])
    started = []

    def predict(models, scans, save):
        variant = Path(started[-1]).name
        if variant == "pool_0":
            raise LesionsegError("no such luck")

    without_work(monkeypatch)
    monkeypatch.setattr(variants, "train_models", lambda one, *_: started.append(one.output))
    monkeypatch.setattr(variants, "predict_all", predict)
    study_file = tmp_path / "study.yaml"
    variants.write_study(study_file, config)
    stale = tmp_path / "variants" / "pool_0" / "finished"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier run")
    ablate.launch(config, study_file)
    finished = {
        name: variants.is_finished(variants.variant_settings(config, name, 0))
        for name in ("align", "pool", "resize")
    }
    assert finished == {"align": True, "pool": False, "resize": True}
    assert capsys.readouterr().err == "variant pool, seed 0: no such luck\n"


def test_the_masks_of_a_variant_are_those_of_its_model_or_of_its_fusion(tmp_path, monkeypatch):
    study = cli.compose("ablate", [f"output={tmp_path}", "study=opponents", "train.steps=2"])
    variants.check_variants(study)
    monkeypatch.setattr(variants, "load_model", lambda folder, *_, **__: folder.name)
    judged = {
        name: variants.trained_variant(variants.variant_settings(study, name, 0)).model
        for name in ("unet_blob", "maskrcnn", "fusion")
    }
    assert judged == {"unet_blob": "unet", "maskrcnn": "maskrcnn", "fusion": "fusion"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study=pooling"], "pooling"),
        (["study=roi_op", "study.variants.warp.models=[unet]"], "study.variants.warp.models"),
        (["study=roi_op", "study.variants.align.network.maskrcnn.roi_op=warp"], "roi_op is 'warp'"),
        (["study=stages", "study.variants.unet.models=[resnet]"], "known: unet, unet3d, maskrcnn"),
        (["study=stages", "study.variants.unet.models=[unet,fcn]"], "variant unet has models"),
        (["study=opponents", "study.variants.fusion.models=[unet,fusion]"], "without maskrcnn"),
        (
            ["study=opponents", "study.variants.fusion.models=[unet,maskrcnn,fcn,fusion]"],
            "variant fusion has models ['unet', 'maskrcnn', 'fcn', 'fusion']; want one, or a",
        ),
        (["study=roi_op", "network.maskrcnn.backbone=huge"], "backbone is 'huge', known: nano"),
        (["study=roi_op", "train.steps=null"], "no training budget"),
        (["study=roi_op", "seeds=[0,1,0]"], "seeds is [0, 1, 0]; want different whole numbers"),
        (["study=roi_op", "seeds=[]"], "seeds is []"),
        (["study=roi_op", "seeds=3"], "seeds is 3; want a list"),
        (["study=roi_op", "seeds=[-1]"], "seeds is [-1]; want different whole numbers"),
        (["study=roi_op", "seeds=[a]"], "seeds is ['a']; want different whole numbers"),
    ],
)
def test_what_a_study_cannot_do_is_refused_in_one_line_before_any_work(
    tmp_path, capsys, words, said
):
    given = ["ablate", f"output={tmp_path / 'out'}", "train.steps=2", *words]
    assert cli.main(last_of_each(given)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.nii.gz"))
    assert not (tmp_path / "out" / "preprocessed").exists()
