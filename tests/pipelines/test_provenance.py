"""Whatever happened between two runs, the second leaves what a fresh folder would get."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from tiny_run import PHANTOM, TINY, change, last_of_each

from lesionseg import cli
from lesionseg.inference.model_store import trained_parts
from lesionseg.storage.provenance import changed_parts

UNET = last_of_each([*TINY, "models=[unet]", "threads=1", "train.steps=2"])
UNMEASURED = ["loss_slabs=0", "price_lesions=0"]


def run(folder, data, *words):
    where = ["data=nnunet", f"data.root={data}"]
    return cli.main(last_of_each(["run", f"output={folder}", *where, *UNET, *UNMEASURED, *words]))


@pytest.fixture(scope="module")
def run_once(run_folder, tmp_path_factory):
    """A cohort, and a run on it, for tests to copy: what a run does depends on contents alone."""
    folder = tmp_path_factory.mktemp("once")
    shutil.copytree(run_folder / "phantom", folder / "data")
    assert run(folder / "run", folder / "data") == 0
    return folder


@pytest.fixture
def ran(run_once, tmp_path):
    """A copy: the folder of a run, and its data."""
    shutil.copytree(run_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run", tmp_path / "data"


def results(folder):
    """Content of all that a run leaves, except what tells the time or the folder."""
    kept = {}
    for part in ("preprocessed", "models", "predictions", "report"):
        for path in sorted((folder / part).rglob("*")):
            if path.suffix in (".json", ".html", ".png", ".b2nd") and path.parent.name != "unet":
                continue
            if path.is_file() and path.name not in ("log.csv", "checkpoint.safetensors"):
                kept[path.relative_to(folder).as_posix()] = path.read_bytes()
    model = json.loads((folder / "models/unet/model.json").read_text())
    model["training"].pop("minutes")
    sidecars = {
        path.name: path.read_text() for path in sorted((folder / "predictions/unet").glob("*.json"))
    }
    kept.pop("models/unet/model.json")
    return kept, model, sidecars


def edit_a_label(data):
    def grow(mask):
        mask = mask.copy()
        mask[10:13, 10:13, 10:13] = 1
        return mask

    change(data / "labelsTr/phantom_train001.nii.gz", grow)


def edit_a_test_scan(data):
    change(data / "imagesTs/phantom_test000_0000.nii.gz", lambda a: (a * 1.1).astype(a.dtype))


def exchange_two_patients(data):
    """Other content under the same names."""
    for path in sorted(data.rglob("phantom_train002*")):
        other = path.with_name(path.name.replace("002", "003"))
        spare = path.with_name("spare.nii.gz")
        path.rename(spare)
        other.rename(path)
        spare.rename(other)


def nothing(data):
    pass


EDITS = (
    (edit_a_label, ()),
    (nothing, ("edges_mm=[2,6]",)),
    (edit_a_test_scan, ()),
    (nothing, ("seed=4",)),
    (exchange_two_patients, ()),
    (nothing, ("train.steps=3",)),
    (nothing, ("plan.in_plane_spacing_mm=1.3",)),
    (nothing, ("sampling.size=40",)),
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_any_edits_in_any_order_end_where_a_fresh_folder_does(ran, tmp_path, seed):
    order = np.random.default_rng(seed).permutation(len(EDITS))[:3]
    (used, dataset), words = ran, []
    for number in order:
        edit, more = EDITS[number]
        edit(dataset)
        words = [*words, *more]
        assert run(used, dataset, *words) == 0
    assert run(tmp_path / "fresh", dataset, *words) == 0
    found, expected = results(used), results(tmp_path / "fresh")
    assert sorted(found[0]) == sorted(expected[0])
    assert [n for n in found[0] if found[0][n] != expected[0][n]] == []
    assert found[1:] == expected[1:]


def test_an_edited_label_makes_its_case_and_the_models_anew(ran, capsys):
    folder, dataset = ran
    before = trained_parts(folder / "models/unet")
    edit_a_label(dataset)
    capsys.readouterr()
    assert run(folder, dataset) == 0
    said = capsys.readouterr()
    assert "preprocessed: 1 made, 4 there already" in said.out
    assert "unet: trained anew; changed: cases" in said.err
    after = trained_parts(folder / "models/unet")
    assert changed_parts(before, after) == ("cases",)
    assert run(folder, dataset) == 0
    assert "unet: trained already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "part"), [("train.steps=3", "budget"), ("train.learning_rate=0.01", "train")]
)
def test_a_changed_setting_trains_anew_and_is_named(ran, capsys, word, part):
    folder, dataset = ran
    capsys.readouterr()
    assert run(folder, dataset, word) == 0
    assert f"unet: trained anew; changed: {part}\n" in capsys.readouterr().err
    model = json.loads((folder / "models/unet/model.json").read_text())
    assert model["training"]["steps"] == (3 if part == "budget" else 2)


def test_other_buckets_change_tables_and_no_weights(ran, capsys):
    folder, dataset = ran
    weights = folder / "models/unet/weights.safetensors"
    before = weights.read_bytes()
    capsys.readouterr()
    assert run(folder, dataset, "edges_mm=[1,2]") == 0
    assert "trained anew" not in capsys.readouterr().err
    assert weights.read_bytes() == before
    buckets = {
        row["bucket"]
        for path in (folder / "predictions/unet/lesions").glob("*.csv")
        for row in csv.DictReader(path.read_text().splitlines())
    }
    assert buckets
    assert buckets <= {"<1 mm", "1-2 mm", ">=2 mm"}
    audit = (folder / "preprocessed/lesion_audit.csv").read_text()
    assert "2 mm and more" in audit
    assert "under 3 mm" not in audit


def test_train_refuses_what_an_unfinished_preprocess_left(ran, capsys):
    folder, dataset = ran
    words = ["train", f"output={folder}", *UNET[1:]]
    assert cli.main(words) == 0
    path = dataset / "labelsTr/phantom_train001.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    for image in dataset.glob("imagesTr/*_0001.nii.gz"):
        image.unlink()  # now all cases are rejected
    preprocess = ["preprocess", f"output={folder}", "data=nnunet", f"data.root={dataset}"]
    assert cli.main([*preprocess, "workers=0"]) == 4
    assert not (folder / "preprocessed/splits.json").exists()
    capsys.readouterr()
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert error == (
        "lesionseg: preprocessing into run/preprocessed was not finished; "
        "run lesionseg preprocess first\n"
    )


def test_train_refuses_a_case_of_another_attempt(ran, capsys):
    folder, dataset = ran
    other = folder.parent / "other"
    edit_a_label(dataset)
    assert run(other, dataset) == 0
    for path in (other / "preprocessed").glob("phantom_train001*"):
        shutil.copy(path, folder / "preprocessed" / path.name)
    capsys.readouterr()
    words = ["train", f"output={folder}", *UNET[1:], "train.resume=false"]
    assert cli.main(words) == 4
    assert "phantom_train001: the one in preprocessed is of other files" in capsys.readouterr().err


def test_a_smaller_phantom_keeps_no_scan_of_the_larger(tmp_path, capsys):
    folder, words = tmp_path / "run", ["workers=0", "data=phantom", *PHANTOM]
    assert cli.main(["preprocess", f"output={folder}", *words]) == 0
    words[-3] = "data.phantom.num_train=4"
    assert cli.main(["preprocess", f"output={folder}", *words]) == 0
    assert not list(folder.rglob("phantom_train004*"))
    assert len(list((folder / "phantom/imagesTr").iterdir())) == 8
    splits = json.loads((folder / "preprocessed/splits.json").read_text())
    assert len(splits["train"]) + len(splits["validation"]) == 4


def test_a_root_without_a_card_is_read_by_its_layout(dataset, tmp_path):
    assert cli.main(["preprocess", f"output={tmp_path}", f"data.root={dataset}", "workers=0"]) == 0
    assert len(list((tmp_path / "preprocessed").glob("*_image.b2nd"))) == 5
    assert not (tmp_path / "phantom").exists()
