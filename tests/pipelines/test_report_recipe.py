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
    assert "rejected.csv says why, like a (net): prediction of net grid" in capsys.readouterr().err


def test_left_over_cases_are_named_and_nothing_in_common_is_no_input(folders, capsys):
    save(folders / "ref" / "c.nii.gz", lesions(2))
    assert recipe.main(config(folders)) == 0
    assert "left out: reference c has no prediction" in capsys.readouterr().err
    missing = (folders / "out" / "missing.csv").read_text()
    assert missing == "model,case,reason\nnet,c,no prediction\n"
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


def outputs(root):
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}


def test_a_second_report_leaves_nothing_of_the_first(folders, capsys):
    """Two models with curves first; then one without; then all is rejected."""
    probability = 0.9 * lesions(2).astype(np.float32)
    for name in ("a", "b"):
        save(folders / "prob" / f"{name}.nii.gz", probability)
    both = {"net": str(folders / "net"), "self": str(folders / "ref")}
    more = {"probabilities": {"net": str(folders / "prob"), "self": str(folders / "prob")}}
    assert recipe.main(config(folders, predictions=both, **more)) == 0
    out = folders / "out"
    (out / "figures" / "mine.png").write_bytes(b"kept")
    (out / "notes.txt").write_text("kept")
    first = outputs(out)
    assert {"froc.csv", "figures/froc.png", "figures/overlay-2-best.png"} <= first
    assert recipe.main(config(folders)) == 0
    second = outputs(out)
    assert second < first
    assert not {"froc.csv", "figures/froc.png", "figures/overlay-2-best.png"} & second
    alone = config(folders, output=str(folders / "alone"))
    assert recipe.main(alone) == 0
    assert second == outputs(folders / "alone") | {"figures/mine.png", "notes.txt"}
    for name in ("a", "b"):
        save(folders / "net" / f"{name}.nii.gz", lesions(2)[:-1])
    assert recipe.main(config(folders)) == 4
    assert outputs(out) == {
        *("rejected.csv", "report_files.json"),
        *("figures/mine.png", "notes.txt"),
    }
    capsys.readouterr()


@pytest.mark.parametrize("place", ["ref", "ref/report", "net", "net/below/it"])
def test_a_report_among_the_masks_is_refused(folders, place):
    before = outputs(folders)
    with pytest.raises(UsageError, match=r"output (is|lies inside) the folder of "):
        recipe.main(config(folders, output=str(folders / place)))
    assert outputs(folders) == before


def test_a_report_around_the_folders_is_written(folders):
    """As RUN/report is beside RUN/predictions, a report may lie in the folder that holds both."""
    assert recipe.main(config(folders, output=str(folders))) == 0
    assert recipe.main(config(folders, output=str(folders))) == 0
    assert {"report.html", "ref/a.nii.gz", "net/b.nii.gz"} <= outputs(folders)


def test_training_of_no_model_is_refused_with_the_nearest_name(folders):
    (folders / "net.json").write_text("{}")
    with pytest.raises(UsageError, match=r"training\.nets is of no model .*training\.net\?"):
        recipe.main(config(folders, training={"nets": str(folders / "net.json")}))


def test_what_was_odd_on_reading_is_printed(folders, capsys):
    for i in range(14):
        save(folders / "ref" / f"c{i}.nii.gz", 3 * lesions(2))
        save(folders / "net" / f"c{i}.nii.gz", lesions(2))
    assert recipe.main(config(folders, labels=[1])) == 0
    said = capsys.readouterr().err
    assert said.count("and none of the labels 1: it is scored as without lesions") == 12
    assert "note: 2 more notes are on the page" in said


def test_all_masks_are_images_is_exit_4_with_that_reason(folders, capsys):
    noise = np.random.default_rng(0).integers(0, 900, lesions(0).shape).astype(np.int16)
    for name in ("a", "b"):
        save(folders / "ref" / f"{name}.nii.gz", noise)
    assert recipe.main(config(folders)) == 4
    assert "as an image does and no mask" in capsys.readouterr().err
