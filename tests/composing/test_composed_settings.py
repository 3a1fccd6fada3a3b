"""What the files of conf/ and the records make together: each setting and its default once."""

from __future__ import annotations

import inspect
from importlib import resources
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from lesionseg.composing.compose import flat, hydra_config
from lesionseg.composing.files import chosen_groups, composed, options
from lesionseg.composing.help import stage_rows
from lesionseg.composing.nodes import BASES
from lesionseg.settings.messages import checked
from lesionseg.settings.record import Record
from lesionseg.settings.stages import REQUIRED, STAGE_RECORDS
from lesionseg.settings.wanted import record_of

CONF = Path(str(resources.files("lesionseg.conf")))


def choices():
    """Each stage as it is, and with every option of every group that it lets choose."""
    for stage in STAGE_RECORDS:
        yield stage, ()
        for place, (group, option) in chosen_groups(stage).items():
            if not place.startswith("network."):
                others = [one for one in options(group) if one != option]
                yield from ((stage, (group, other)) for other in others)


def fields(record, prefix=""):
    """Dotted key -> (record that has the field, default) of every leaf of a stage's record."""
    for name, field in record.model_fields.items():
        below = record_of(field.annotation)
        if below is not None:
            yield from fields(below, f"{prefix}{name}.")
            continue
        classes = [one for one in record.__mro__ if issubclass(one, Record)]
        owners = [one for one in classes if name in inspect.get_annotations(one)]
        default = REQUIRED if field.is_required() else field.default
        plain = list(default) if isinstance(default, tuple) else default
        yield f"{prefix}{name}", (owners, plain)


def file_content(*parts):
    path = CONF.joinpath(*parts[:-1], f"{parts[-1]}.yaml")
    content = yaml.safe_load(path.read_text()) if path.is_file() else {}
    return {key: value for key, value in (content or {}).items() if key != "defaults"}


def stated(stage, choice):
    """Dotted key -> value of all that the files of a stage and its options say."""
    said = {}
    for place, (group, option) in chosen_groups(stage).items():
        chosen = choice[1] if choice and group == choice[0] else option
        said |= flat(file_content(group, chosen), f"{place}.")
    for parent in ("run",) if stage in ("demo", "ablate") else ():
        said |= flat(file_content(parent))
    return said | flat(file_content(stage))


@pytest.mark.parametrize(("stage", "choice"), list(choices()))
def test_each_key_is_a_field_of_one_record_with_its_default(stage, choice):
    with hydra_config(stage, ["=".join(choice)] if choice else []) as config:
        found = flat(OmegaConf.to_container(config, resolve=False))
    known, said = dict(fields(STAGE_RECORDS[stage])), stated(stage, choice)
    leaves = {
        key: value
        for key, value in found.items()
        if key in known or not isinstance(value, dict)
        if not any(key.startswith(f"{field}.") for field in known)  # the values it holds by name
    }
    assert leaves
    for key, value in leaves.items():
        owners, default = known[key]
        assert len(owners) == 1, key
        assert value == said.get(key, default), key
    absent = {key for key in known if key not in leaves}
    assert all(key.startswith("data.phantom.") for key in absent)
    assert not absent or choice[:1] == ("data",) or stage == "check"


@pytest.mark.parametrize("stage", STAGE_RECORDS)
def test_help_s_composition_is_that_of_hydra(stage):
    with hydra_config(stage, []) as config:
        assert composed(stage) == OmegaConf.to_container(config, resolve=False)


def test_no_file_restates_a_default():
    places = {"run": "run", "train": "train", "demo": "run", "ablate": "ablate", "check": "check"}
    seen = 0
    for path in CONF.rglob("*.yaml"):
        group = path.parent.name if path.parent != CONF else ""
        # what a study changes is its point; networks.yaml holds a list of groups alone, and a job
        # has settings that no user gives
        if group == "study" or path.stem in ("ablate_job", "shard_job", "networks"):
            continue
        stage = "run" if group else places.get(path.stem, path.stem)
        prefix = f"network.{path.stem}." if group == "network" else f"{group}." if group else ""
        known = dict(fields(STAGE_RECORDS[stage]))
        for key, value in flat(file_content(*([group] if group else []), path.stem)).items():
            place = f"{prefix}{key}"
            if place in known:
                seen += 1
                assert value != known[place][1], (path.name, place)
    assert seen > 10


def test_bases_are_not_offered():
    assert "default" not in options("data")
    assert not set(options("network")) & set(BASES)
    assert options("train") == ("default",)


@pytest.mark.parametrize("stage", STAGE_RECORDS)
def test_every_setting_has_a_sentence_and_a_default_that_it_admits(stage):
    rows = stage_rows(stage)
    assert rows
    for row in rows:
        assert row.sentence.endswith((".", "...")), row.key
        assert row.type, row.key
    content = composed(stage) | dict.fromkeys(("reference", "model", "input", "output"), "x")
    content = {key: content[key] for key in STAGE_RECORDS[stage].model_fields}
    if content.get("data", {}).get("root") == REQUIRED:
        content["data"]["root"] = "x"
    made = checked(STAGE_RECORDS[stage], content)
    assert checked(STAGE_RECORDS[stage], made.plain()) == made
