"""The recipe of `lesionseg report`: configuration in, exit code out."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from lesionseg.pipelines import report as recipe
from report_cohort import AFFINE, lesions, save

from lesionseg.errors import NoInputError, UsageError
from lesionseg.settings.messages import checked
from lesionseg.settings.report import ReportSettings

CONF = Path(str(resources.files("lesionseg.conf"))) / "report.yaml"


def config(root, **values):
    own = {"reference": str(root / "ref"), "output": str(root / "out"), "workers": 1, "draws": 50}
    return checked(ReportSettings, own | {"predictions": {"net": str(root / "net")}} | values)


@pytest.fixture
def folders(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "ref" / f"{name}.nii.gz", lesions(2))
        save(tmp_path / "net" / f"{name}.nii.gz", np.roll(lesions(2), 1, axis=0))
    return tmp_path


def test_the_first_line_of_the_configuration_is_the_command():
    assert CONF.read_text().startswith("# lesionseg report reference=DIR predictions.NAME=DIR")


def test_all_well(folders, capsys):
    (folders / "card.yaml").write_text("name: boxes\nlicence: CC0\nseen: {by: nobody}\n")
    (folders / "net.json").write_text('{"steps": 7, "loss": {"name": "ce"}}')
    values = {
        "data_card": str(folders / "card.yaml"),
        "training": {"net": str(folders / "net.json")},
    }
    assert recipe.main(config(folders, **values)) == 0
    said = capsys.readouterr().out
    assert "under 3 mm" in said
    assert "At its own threshold, on 2 patients" in said
    page = (folders / "out" / "report.html").read_text()
    assert "seen.by" in page
    assert "loss.name" in page


def test_some_and_all_rejected(folders, capsys):
    moved = AFFINE.copy()
    moved[1, 3] = 50
    save(folders / "net" / "a.nii.gz", lesions(2), moved)
    assert recipe.main(config(folders)) == 5
    assert "rejected: a (net): " in capsys.readouterr().err
    save(folders / "net" / "b.nii.gz", lesions(2), moved)
    assert recipe.main(config(folders)) == 4


def test_left_over_cases_are_named_and_nothing_in_common_is_no_input(folders, capsys):
    save(folders / "ref" / "c.nii.gz", lesions(2))
    assert recipe.main(config(folders)) == 0
    assert "left out: reference c has no prediction" in capsys.readouterr().err
    (folders / "other").mkdir()
    save(folders / "other" / "x.nii.gz", lesions(2))
    with pytest.raises(NoInputError):
        recipe.main(config(folders, predictions={"net": str(folders / "other")}))


def test_settings_that_cannot_be(folders):
    for values, message in (
        ({"edges_mm": [5, 3]}, "ascending"),
        ({"connectivity": 7}, "6, 18 or 26"),
        ({"data_card": "nowhere.yaml"}, "nowhere.yaml"),
        ({"loss_shares": "nowhere.csv"}, "nowhere.csv"),
        ({"reference": "nowhere"}, "nowhere"),
    ):
        with pytest.raises(UsageError, match=message):
            recipe.main(config(folders, **values))
