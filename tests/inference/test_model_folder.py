"""An ensemble as one folder: its members are inside it, whole, and no others are taken."""

from __future__ import annotations

import json
import shutil

import pytest

from lesionseg.errors import UsageError
from lesionseg.inference import Ensemble, LoadedModel, load_model, save_ensemble
from lesionseg.inference.model_folder import withdraw_ensemble


def edited(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def pair(saved, tmp_path):
    """Two folders of models that differ in their thresholds."""
    folder, _ = saved
    other = shutil.copytree(folder, tmp_path / "other")
    edited(other, operating_points=[{"voxel_threshold": 0.6, "score_threshold": 0.1}])
    return folder, other


@pytest.fixture
def made(pair, tmp_path):
    save_ensemble(str(tmp_path / "both"), [str(one) for one in pair])
    return tmp_path / "both"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_several_folders_are_one_model_and_one_alone_is_itself(pair):
    joined = load_model(pair)
    assert isinstance(joined, Ensemble)
    assert joined.points[0].voxel_threshold == pytest.approx(0.5)
    assert joined.points[0].score_threshold == pytest.approx(0.4)
    assert isinstance(load_model(pair[:1]), LoadedModel)


def test_a_saved_ensemble_comes_back_after_its_members_are_gone(pair, made):
    expected = load_model(pair)
    for folder in pair:
        shutil.rmtree(folder)
    loaded = load_model(made)
    assert loaded.weights_sha256 == expected.weights_sha256
    assert loaded.points == expected.points
    assert files(made) == [
        "ensemble.json",
        *(f"member_{n}/{name}" for n in (0, 1) for name in ("model.json", "weights.safetensors")),
    ]


def test_an_ensemble_that_is_there_is_kept_and_one_that_differs_made_anew(pair, made):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    save_ensemble(made, pair)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before
    edited(pair[1], operating_points=[{"voxel_threshold": 0.8, "score_threshold": 0.1}])
    save_ensemble(made, pair)
    assert load_model(made).points[0].voxel_threshold == pytest.approx(0.6)
    (made / "member_0/weights.safetensors").write_bytes(b"damaged")
    save_ensemble(made, pair)
    assert len(load_model(made).members) == 2


def test_members_that_are_left_over_are_removed(pair, made, tmp_path):
    third = shutil.copytree(pair[0], tmp_path / "third")
    save_ensemble(made, [*pair, third])
    assert len(load_model(made).members) == 3
    save_ensemble(made, pair)
    assert not (made / "member_2").exists()
    withdraw_ensemble(made)
    assert not list(made.iterdir())


def test_the_model_of_a_single_training_gives_way(pair, tmp_path):
    folder = shutil.copytree(pair[0], tmp_path / "run_before")
    save_ensemble(folder, pair)
    assert isinstance(load_model(folder), Ensemble)
    shutil.copy(pair[0] / "model.json", folder)
    with pytest.raises(UsageError, match=r"both model\.json and ensemble\.json"):
        load_model(folder)


def test_the_folder_of_a_member_is_never_written_over(pair, made):
    for folder, members in ((pair[0], pair), (made, [made / "member_0", made / "member_1"])):
        with pytest.raises(UsageError, match="is or holds one of the members; give another"):
            save_ensemble(folder, members)
    assert isinstance(load_model(pair[0]), LoadedModel)
    assert len(load_model(made).members) == 2


def lose_a_member(folder):
    shutil.rmtree(folder / "member_1")


def lose_weights(folder):
    (folder / "member_1/weights.safetensors").unlink()


def damage_weights(folder):
    path = folder / "member_1/weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")


def swap(folder):
    shutil.rmtree(folder / "member_1")
    shutil.copytree(folder / "member_0", folder / "member_1")


def change_thresholds(folder):
    edited(folder / "member_0", operating_points=[{"voxel_threshold": 0.1, "score_threshold": 0}])


def nest(folder):
    shutil.copy(folder / "ensemble.json", folder / "member_0")


def record(**changes):
    def change(folder):
        path = folder / "ensemble.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lose_a_member, "its member_1 is missing"),
        (lose_weights, r"member_1 is not a model folder: it has no weights\.safetensors"),
        (damage_weights, r"weights do not match model\.json"),
        (swap, r"model\.json of member_1 is not the one that ensemble\.json names"),
        (change_thresholds, r"model\.json of member_0 is not the one"),
        (nest, "member_0 is an ensemble, and an ensemble is no member of another"),
        (record(format=2), "has format 2, this version reads 1"),
        (record(name="unet"), "says unet, its members are maskrcnn"),
        (record(members=[]), r"ensemble\.json\.members is \[\]"),
        (record(members=[{"folder": "../other", "model_sha256": "0" * 64}] * 2), "members"),
        (record(members=[{"folder": "member_0", "model_sha256": "0" * 64}] * 2), "twice"),
        (record(more=1), "no setting 'more'"),
        (lambda folder: (folder / "ensemble.json").write_text("{"), "is not an ensemble"),
        (lambda folder: (folder / "ensemble.json").write_text("[]"), "is not an ensemble"),
    ],
)
def test_a_folder_that_is_not_as_it_was_written_is_one_line(made, damage, said):
    damage(made)
    with pytest.raises(UsageError, match=said) as caught:
        load_model(made)
    assert str(caught.value).startswith("both is not an ensemble: ")
    assert "\n" not in str(caught.value)


def test_what_is_no_list_of_models_is_refused(pair, made, tmp_path):
    with pytest.raises(UsageError, match="no model; give"):
        load_model([])
    link = tmp_path / "link"
    link.symlink_to(pair[0])
    for twice in ([pair[0], pair[0]], [pair[0], pair[1], link]):
        with pytest.raises(UsageError, match="is given twice, which would count one model twice"):
            load_model(twice)
        with pytest.raises(UsageError, match="is given twice"):
            save_ensemble(tmp_path / "new", twice)
    with pytest.raises(UsageError, match="both is an ensemble, and an ensemble is no member"):
        load_model([pair[0], made])
    with pytest.raises(UsageError, match="an ensemble of 1 model; want two or more"):
        save_ensemble(tmp_path / "new", pair[:1])
    assert not (tmp_path / "new").exists()
