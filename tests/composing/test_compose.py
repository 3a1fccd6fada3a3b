import pytest

from lesionseg import cli
from lesionseg.errors import UsageError


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train.steps", "abc", "train.steps is 'abc'; want a whole number of at least 1"),
        ("train.steps", 2.5, "whole number"),
        ("train.validate_every", 0, "at least 1"),
        ("seed", -1, "at least 0"),
        ("sampling.size", 7, "at least 32"),
        ("voxel_threshold", 1.5, "from 0 to 1"),
        ("augmentation.flip", True, "a number from 0 to 1"),
        ("train.minutes", float("nan"), "a number"),
    ],
)
def test_a_number_out_of_range_is_one_line(key, value, said):
    stage = ["model=m", "input=i"] if "threshold" in key else []
    with pytest.raises(UsageError) as caught:
        cli.compose("predict" if stage else "run", [*stage, "output=x", f"{key}={value}"])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_checks_before_it_works(capsys):
    assert cli.main(["train", "output=x", "train.steps=abc"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("path", ["ös", "o ü", "w(1)", "2024", "a,b", "it's", "C:\\x\\"])
def test_paths_are_taken_as_they_are(path):
    config = cli.compose("train", [f"output={path}"])
    assert config.output == path
    config = cli.compose("report", ["reference=a", "output=b", f"predictions.mine={path}"])
    assert config.predictions["mine"] == path


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("models=unet", "models is 'unet'; want a list, like [unet,maskrcnn]"),
        ("save=probability", "save is 'probability'; want a list, like [candidates,probability]"),
        ("edges_mm=5", "edges_mm is 5; want a list, like [3,5,10]"),
        ("edges_mm=[5,3]", "edges_mm is [5, 3]; want a list"),
        ("edges_mm=[0,3]", "want a list"),
        ("edges_mm=[3,3]", "want a list"),
        ("edges_mm=[three]", "want a list"),
        ("edges_mm=[3,null]", "want a list"),
        ("edges_mm=[]", "want a list"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_before_any_work(tmp_path, word, said, capsys):
    assert cli.main(["run", f"output={tmp_path / 'x'}", "train.steps=1", word]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_lists_that_fit_pass():
    config = cli.compose("run", ["output=x", "models=[unet]", "save=[]", "edges_mm=[2.5,4]"])
    assert (list(config.models), list(config.save)) == (["unet"], [])
    assert list(config.edges_mm) == [2.5, 4]
    assert cli.compose("run", ["output=x"]).edges_mm is None


@pytest.mark.parametrize(
    "words",
    [
        ["seed=1", "seed=2"],
        ["seed=1", "workers=0", "seed=1"],
        ["network.cascade.crop_width=4", "network.detect_then_segment.crop_width=8"],
        ["data=auto", "data=nnunet"],
    ],
)
def test_a_key_that_is_given_twice_is_refused(words):
    with pytest.raises(UsageError) as caught:
        cli.compose("run", ["output=x", *words])
    key = words[-1].partition("=")[0]
    assert str(caught.value).startswith(f"{key} is given twice: ")
    assert repr(words[-1]) in str(caught.value)
