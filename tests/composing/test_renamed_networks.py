"""The network `cascade` is called `detect_then_segment` now; its old name is taken for a while."""

from __future__ import annotations

import pytest

from lesionseg.cli import compose
from lesionseg.errors import UsageError

NOTE = "note: the network cascade is called detect_then_segment now; say detect_then_segment\n"


def test_the_old_name_in_models_is_the_new_one_and_said_so(capsys):
    settings = compose("run", ["output=x", "models=[unet,cascade]"])
    assert settings.models == ("unet", "detect_then_segment")
    assert capsys.readouterr().err == NOTE


def test_a_key_of_the_old_name_sets_the_new_one(capsys):
    settings = compose("run", ["output=x", "network.cascade.crop_cells=14"])
    assert settings.network.detect_then_segment.crop_cells == 14
    assert capsys.readouterr().err == NOTE


def test_the_variants_of_a_study_may_say_it_too(capsys):
    variant = "study.variants.detect_then_segment"
    words = ["output=x", "study=stages", f"{variant}.models=[cascade]"]
    settings = compose("ablate", words)
    assert settings.study.variants["detect_then_segment"]["models"] == ["detect_then_segment"]
    assert capsys.readouterr().err == NOTE


def test_a_model_called_so_in_a_path_is_left_alone(capsys):
    settings = compose("predict", ["model=cascade", "input=network.cascade.x=3", "output=y"])
    assert (settings.model, settings.input) == ("cascade", "network.cascade.x=3")
    assert capsys.readouterr().err == ""


def test_an_unknown_key_of_the_old_name_is_refused_by_the_new(capsys):
    with pytest.raises(
        UsageError, match=r"did you mean 'network\.detect_then_segment\.crop_cells'"
    ):
        compose("run", ["output=x", "network.cascade.crop_cell=14"])
