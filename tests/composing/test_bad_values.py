"""Wrong values on the command line: one line, exit 2, the key, the value and what is wanted."""

from __future__ import annotations

import pytest

from lesionseg import cli

REPORT = ["report", "reference=a", "output=b"]
RUN = ["run", "output=b", "train.steps=1"]
ABLATE = ["ablate", "output=b", "study=roi_op", "train.steps=1"]
DETECTOR = "network.maskrcnn"


@pytest.mark.parametrize(
    ("stage", "word", "said"),
    [
        (REPORT, "draws=abc", "draws is 'abc'; want a whole number from 1 to 100000"),
        (REPORT, "draws=-1", "draws is -1; want a whole number from 1 to 100000"),
        (REPORT, "draws=null", "draws is null; want a whole number"),
        (REPORT, "labels=3", "labels is 3; want a list, like [2]"),
        (REPORT, "labels=[a]", "labels is ['a']; want a list, like [2]"),
        (REPORT, "found_iou=abc", "found_iou is 'abc'; want a number from 0 to 1"),
        (REPORT, "found_iou=2", "found_iou is 2; want a number from 0 to 1"),
        (REPORT, "patient=(", "patient is '('; want a regular expression"),
        (REPORT, "connectivity=7", "connectivity is 7; want 6, 18 or 26"),
        (REPORT, "workers=-2", "workers is -2; want a whole number of at least 0"),
        (REPORT, "threshold=nan", "threshold is nan; want a number above 0"),
        (REPORT, "threshold=inf", "threshold is inf; want a number above 0"),
        (REPORT, "fix_grid=no", "fix_grid is 'no'; want true or false"),
        (REPORT, "edges_mm=[5,3]", "edges_mm is [5, 3]; want a list, like [3,5,10], ascending"),
        (
            REPORT,
            "predictions.=DIR",
            "got 'predictions.=DIR'; want a name behind the dot",
        ),
        (REPORT, "predictions.a='b", "a name or value that begins with a quote ends with one"),
        (REPORT, "device=foo", "device is 'foo'; give auto, cpu, cuda, cuda:0 or mps"),
        (REPORT, "--model=x", "got '--model=x'; want key=value without dashes: model=x"),
        (REPORT, "--model=x", "report has no key 'model'; did you mean 'models'?"),
        (REPORT, "data=nnunett", "report has no key 'data'; did you mean 'data_card'?"),
        (REPORT, "labels=1,2", "'labels=1,2' holds a comma; write a list as labels=[1,2]"),
        (REPORT, "labels=[1", "'labels=[1' cannot be read"),
        (REPORT, "instances=1", "instances is 1; want true or false"),
        (REPORT, "missing=nothing", "missing is 'nothing'; want leave_out or empty"),
        (REPORT, "drws=3", "no key 'drws'; did you mean 'draws'?"),
        (REPORT, "output=", "output is ''; want a text"),
        (REPORT, "title=${oc.env:HOME}", "a value holds no ${...}"),
        (REPORT, "draws=${seed}", "a value holds no ${...}"),
        (REPORT, 'title="ab', "cannot be read"),
        (RUN, "models=[unet,unet]", "models is ['unet', 'unet']; want each once"),
        (RUN, "data.fold=3", "data.fold is 3 without data.folds"),
        (RUN, "data.fold=0", "data.fold is 0 without data.folds"),
        (RUN, "data.folds=1", "data.folds is 1; want a whole number of at least 2"),
        (RUN, "threads=1000000", "threads is 1000000; want auto, or a whole number from 1"),
        (RUN, "seed=18446744073709551616", "seed is 18446744073709551616; want a whole number"),
        (RUN, "train.steps={unet:3,foo:4}", "train.steps has 'foo'; known: unet"),
        (RUN, "train.precision=64-true", "train.precision is '64-true', known: auto"),
        (RUN, f"{DETECTOR}.finest_stride=true", "finest_stride is true; want a number"),
        (RUN, f"{DETECTOR}.anchors=[[],[],[],[]]", "anchors is [[], [], [], []]; want a list"),
        (RUN, f"{DETECTOR}.proposal_rule.positive_iou=0.2", "negative below iou 0.3 and positive"),
        (RUN, "data.phantom.size=1e9", "data.phantom.size is 1000000000.0; want a number from 0.2"),
        (RUN, "train.precision=foo", "train.precision is 'foo', known: auto, 32-true"),
        (RUN, "train.steps=true", "train.steps is true; want a whole number of at least 1"),
        (RUN, "train.resume=1", "train.resume is 1; want true or false"),
        (RUN, "data.patient=(", "data.patient is '('; want a regular expression"),
        (RUN, "data.layout=flat", "data.layout is 'flat'; want auto, nnunet"),
        (RUN, "data=nnunett", "did you mean 'nnunet'?"),
        (RUN, "models=[unett]", "models has 'unett'; known: unet, unet3d, maskrcnn"),
        (RUN, "models=[unett]", "did you mean 'unet'?"),
        (RUN, "models=[3]", "models is [3]; want a list, like [unet,maskrcnn]"),
        (RUN, "save=[foo]", "save has 'foo'; known: candidates, probability"),
        (RUN, "device=foo", "device is 'foo'; give auto"),
        (RUN, f"{DETECTOR}.mask_loss=foo", f"{DETECTOR}.mask_loss is 'foo', known: sigmoid"),
        (RUN, f"{DETECTOR}.roi_rule.nms_iou=7", "roi_rule.nms_iou is 7; want a number from 0 to 1"),
        (
            RUN,
            f"{DETECTOR}.mask_bins=0",
            "mask_bins is 0; want a whole number from 1 to 128, or planned",
        ),
        (RUN, f"{DETECTOR}.anchors=[[1,1,1]]", "anchors is [[1, 1, 1]]; want a list, like [[[2,"),
        (RUN, f"{DETECTOR}.roi_rul.nms_iou=7", f"did you mean '{DETECTOR}.roi_rule.nms_iou'?"),
        (["run", "output=b", "data=auto"], "data.root=null", "data.root is null; give the folder"),
        (ABLATE, "seeds=[0,0]", "seeds is [0, 0]; want different whole numbers of at least 0"),
        (ABLATE, "seeds=[true]", "seeds is [True]; want different whole numbers"),
    ],
)
def test_a_wrong_value_is_one_line(stage, word, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    key = word.partition("=")[0]
    others = [one for one in stage if one.partition("=")[0] != key]  # none is given twice
    assert cli.main([*others, word]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())  # refused before any work


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["models.net=m"], "models.NAME needs cases=RUN/preprocessed"),
        (["models.net=m", "cases=c", "loss_shares=s"], "give one"),
        (["models.net=m", "cases=c", "loss_slabs=0"], "loss_slabs is 0"),
    ],
)
def test_what_does_not_go_together_is_one_line(words, said, capsys):
    assert cli.main([*REPORT, *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["my.model", "my model", "U-Net 2,5D", "größer", "a/b", "unet+"])
def test_a_model_may_have_any_name(name):
    words = [f"predictions.{name}=a b", f"predictions.'{name} 2'='c'"]
    settings = cli.compose("report", ["reference=a", "output=b", *words])
    assert settings.predictions == {name: "a b", f"{name} 2": "c"}


def test_a_folder_of_predictions_alone_is_named_by_itself():
    settings = cli.compose("report", ["reference=a", "output=b", "predictions=/a b/masks.v2/"])
    assert settings.predictions == {"masks.v2": "/a b/masks.v2/"}


def test_a_folder_alone_beside_named_ones_is_refused(capsys):
    assert cli.main([*REPORT, "predictions=a", "predictions.b=c"]) == 2
    assert "got both predictions=a and predictions.b" in capsys.readouterr().err


def test_labels_and_lesion_ids_are_not_both(capsys):
    assert cli.main([*REPORT, "labels=[1]", "instances=true"]) == 2
    assert "instances=true says that mask values are lesion ids" in capsys.readouterr().err


def test_numbers_where_numbers_fit_are_taken():
    settings = cli.compose("report", ["reference=a", "output=b", "found_iou=0", "labels=[2,3]"])
    assert (settings.found_iou, settings.labels) == (0.0, (2, 3))
    settings = cli.compose("train", ["output=b", "train.precision=16", "train.clip_gradient=5"])
    assert (settings.train.precision, settings.train.clip_gradient) == ("16", 5.0)
