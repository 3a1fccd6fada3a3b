"""predictions.NAME=[DIR,DIR]: the same model, trained with several seeds."""

import numpy as np
import pandas as pd
import pytest
from lesionseg.pipelines import report as recipe
from report_cohort import lesions, save, worse

import lesionseg
from lesionseg.cli import compose
from lesionseg.errors import UsageError
from lesionseg.reporting.scoring.trainings import training_folders


@pytest.fixture
def folders(tmp_path):
    """Reference, two seeds of a network (whole, and nothing found), and another model."""
    for name in ("a", "b"):
        mask = lesions(ord(name))
        save(tmp_path / "ref" / f"{name}.nii.gz", mask)
        save(tmp_path / "one" / f"{name}.nii.gz", mask)
        save(tmp_path / "two" / f"{name}.nii.gz", np.zeros_like(mask))
        save(tmp_path / "other" / f"{name}.nii.gz", worse(mask, 1))
    return tmp_path


def test_trainings_are_numbered_and_a_single_one_keeps_the_name():
    found, model_of = training_folders({"unet": ["a", "b"], "mine": ["c"]})
    assert {name: path.name for name, path in found.items()} == {
        "unet (1)": "a",
        "unet (2)": "b",
        "mine": "c",
    }
    assert model_of == {"unet (1)": "unet", "unet (2)": "unet"}


def test_a_report_gives_means_over_seeds_and_their_spread(folders, capsys):
    words = [
        f"reference={folders / 'ref'}",
        f"predictions.net=[{folders / 'one'},{folders / 'two'}]",
        f"predictions.other={folders / 'other'}",
        *(f"output={folders / 'out'}", "workers=0", "draws=20", "atlas=1", "viewer=1"),
    ]
    assert recipe.main(compose("report", words)) == 0
    (spread, *_) = [line for line in capsys.readouterr().out.splitlines() if "\u00b1" in line]
    assert spread.split()[-1] == "71"  # of 100 and 0 %
    assert "seeds \u00b1 71" in (folders / "out" / "report.html").read_text(encoding="utf-8")
    summary = pd.read_csv(folders / "out" / "summary.csv")
    assert list(dict.fromkeys(summary["model"])) == ["net", "other"]
    mine = summary[(summary["metric"] == "recall") & (summary["bucket"] == "all")]
    rows = mine[(mine["average"] == "pooled") & mine["minus"].isna()].set_index("model")
    assert rows.loc["net", "value"] == 0.5
    assert rows.loc["net", "num_seeds"] == 2
    cases = pd.read_csv(folders / "out" / "cases.csv")
    assert set(cases["model"]) == {"net (1)", "net (2)", "other"}


def test_python_takes_a_list_of_folders(folders):
    made = lesionseg.report(
        folders / "ref",
        {"net": [folders / "one", folders / "two"]},
        folders / "out",
        workers=0,
        draws=20,
        atlas=0,
        viewer=0,
    )
    row = made.summary.query("metric == 'recall' and bucket == 'all' and average == 'pooled'")
    assert row["value"].tolist() == [0.5]


def test_probabilities_are_as_many_as_predictions(folders):
    words = ["reference=r", "predictions.net=[a,b]", "probabilities.net=c", "output=o"]
    with pytest.raises(UsageError, match=r"probabilities\.net has 1 folders, predictions\.net 2"):
        compose("report", words)
