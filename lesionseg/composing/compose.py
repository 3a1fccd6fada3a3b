"""From a stage's name and the words of the command line to its checked settings."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lesionseg.composing.files import composed, options
from lesionseg.composing.nodes import GROUPS, node
from lesionseg.composing.own_names import own_names, with_own_names
from lesionseg.errors import UsageError
from lesionseg.settings.data import DataSettings
from lesionseg.settings.messages import checked
from lesionseg.settings.network import RENAMED
from lesionseg.settings.record import Record, nearest
from lesionseg.settings.stages import STAGE_RECORDS, free_text_keys, open_keys

if TYPE_CHECKING:
    from omegaconf import DictConfig


def compose(stage: str, overrides: Sequence[str]) -> Any:
    """The stage's settings with the overrides applied, as its record in `settings.stages`.

    Raises UsageError, in one line, for a key that there is not, a value that does not fit and a
    key without a value.
    """
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    record = STAGE_RECORDS[stage]
    words = [_renamed_key(_checked_word(stage, word)) for word in overrides]
    _refuse_repeated(words)
    words, named = own_names(record, words)
    words = _with_found_layout(record, words)
    try:
        with hydra_config(stage, [_opened(record, word) for word in words]) as config:
            missing = sorted(OmegaConf.missing_keys(config))
            if missing:
                needs = ", ".join(f"{key}=..." for key in missing)
                raise UsageError(f"lesionseg {stage} needs {needs}")
            content = OmegaConf.to_container(config, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(_explain(stage, str(error), words)) from error
    except ValueError as error:  # what OmegaConf says to a name below a list
        problem = " ".join(str(error).split())
        hint = "; a list is given whole, like [a,b]" if "invalid literal" in problem else ""
        raise UsageError(f"{stage}: {problem}{hint}") from error
    return checked(record, with_own_names(_renamed_models(content), named))


NAME_IN_BRACES = re.compile(r"[{,]\s*([^{}\[\],:]+?)\s*:")


@contextlib.contextmanager
def hydra_config(stage: str, overrides: Sequence[str]) -> Iterator[DictConfig]:
    """What Hydra makes of a stage's files, the records and these overrides."""
    import hydra

    _store_records()
    with hydra.initialize_config_module("lesionseg.conf", version_base="1.3"):
        yield hydra.compose(stage, list(overrides))


@functools.cache
def _store_records() -> None:
    """Give Hydra the defaults of the records, once a process."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for group, records in GROUPS.items():
        for option in records:
            store.store(name=option, group=group or None, node=node(group, option))


def flat(content: object, prefix: str = "") -> dict[str, object]:
    """Nested settings as dotted keys, those of groups included."""
    found: dict[str, object] = {}
    if isinstance(content, Mapping):
        for name, value in content.items():
            found[f"{prefix}{name}"] = value
            found |= flat(value, f"{prefix}{name}.")
    return found


def _checked_word(stage: str, word: str) -> str:
    if word.startswith("-") and "=" in word:
        bare = word.lstrip("-")
        known = [*flat(composed(stage)), *open_keys(STAGE_RECORDS[stage])]
        key = bare.partition("=")[0]
        other = "" if key in known else f"; {stage} has no key {key!r}{_nearest_key(key, known)}"
        raise UsageError(f"got {word!r}; want key=value without dashes: {bare}{other}")
    if "=" not in word or word[0] in "+~":
        raise UsageError(f"got {word!r}; want key=value, for example output=DIR")
    if "${" in word:  # it would be replaced by another setting, or by the environment
        raise UsageError(f"got {word!r}; a value holds no ${{...}}, write it out")
    return word


def _refuse_repeated(words: Sequence[str]) -> None:
    """Raise UsageError for a key that is given twice: Hydra would take the last without a word."""
    seen: dict[str, str] = {}
    for word in words:
        key = word.partition("=")[0]
        if key in seen:
            raise UsageError(f"{key} is given twice: {seen[key]!r} and {word!r}; give it once")
        seen[key] = word
        names = NAME_IN_BRACES.findall(word) if word.startswith(f"{key}={{") else []
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"{word!r} names {name} twice; give each a name of its own")


def _with_found_layout(record: type[Record], words: list[str]) -> list[str]:
    """The words with data=auto where they name scans but not how to read them.

    Without it the default would be the phantom's data card, and the report would be of a phantom.
    """
    field = record.model_fields.get("data")
    if field is None or field.annotation is not DataSettings:
        return words
    given = dict(word.split("=", 1) for word in words)
    if given.get("data.root", "null") == "null" or "data" in given:
        return words
    return ["data=auto", *words]


def _renamed_key(word: str) -> str:
    """The word with a network's old name in its key replaced by the new one."""
    for old, new in RENAMED.items():
        key, value = word.split("=", 1)
        parts = key.split(".")
        if "network" in parts and old in parts[parts.index("network") + 1 :][:1]:
            _say_renamed(old, new)
            parts[parts.index(old)] = new
            word = f"{'.'.join(parts)}={value}"
    return word


def _renamed_models(content: Any) -> Any:
    """The settings with old names in lists of models replaced by the new ones."""
    if not isinstance(content, dict):
        return content
    made = {key: _renamed_models(value) for key, value in content.items()}
    if isinstance(made.get("steps"), dict):
        made["steps"] = {RENAMED.get(name, name): num for name, num in made["steps"].items()}
    if isinstance(made.get("models"), list):
        for old, new in RENAMED.items():
            if old in made["models"]:
                _say_renamed(old, new)
                made["models"] = [new if name == old else name for name in made["models"]]
    return made


def _say_renamed(old: str, new: str) -> None:
    print(f"note: the network {old} is called {new} now; say {new}", file=sys.stderr)


def _opened(record: type[Record], word: str) -> str:
    """The word with free text quoted, so that Hydra takes every letter for itself."""
    key, value = word.split("=", 1)
    bare = value not in ("null", "???") and value[:1] not in ("'", '"', "")
    whole = key in open_keys(record) and value[:1] != "{"
    if bare and (whole or key in set(free_text_keys(record))):
        tail = len(value) - len(value.rstrip("\\"))
        value = "'" + value.replace("'", "\\'") + "\\" * tail + "'"
    return f"{key}={value}"


def _explain(stage: str, message: str, words: Sequence[str]) -> str:
    if "LexerNoViableAlt" in message or "hydra.cc" in message:  # the grammar of Hydra's words
        return (
            f"{stage}: {_unreadable(words)} cannot be read; close its quotes and brackets, and "
            "write a list as key=[a,b]"
        )
    comma = re.search(r"Ambiguous value for argument '(.*?)'", message)
    if comma:
        key, _, value = comma[1].partition("=")
        return f"{stage}: {comma[1]!r} holds a comma; write a list as {key}=[{value}]"
    option = re.search(r"Could not find '([\w/]+)/(\w*)'", message)
    if option:
        near = nearest(option[2], options(option[1]))
        hint = f"; did you mean {near!r}?" if near else ""
        return f"{stage}: {option[0]}, known: {', '.join(options(option[1]))}{hint}"
    unknown = re.search(r"Key '([^']+)' is not in struct|Could not override '([^']+)'", message)
    if unknown:
        wanted = next((word.split("=")[0] for word in words if _names(word, unknown)), "")
        keys = list(flat(composed(stage)))
        if wanted in keys:
            return f"{stage}: {wanted} cannot be set as a whole; set a key below it"
        hint = _nearest_key(wanted, keys)
        return f"{stage} has no key {wanted!r}{hint}; lesionseg {stage} --help lists all"
    return f"{stage}: {' '.join(message.split())}"


def _unreadable(words: Sequence[str]) -> str:
    """The first of the words that Hydra cannot read; all of them where each can be read alone."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    for word in words:
        try:
            parser.parse_override(word)
        except HydraException:
            return repr(word)
    return ", ".join(map(repr, words))


def _names(word: str, unknown: re.Match[str]) -> bool:
    key = word.split("=")[0]
    return any(part and (key == part or key.endswith(part)) for part in unknown.groups())


def _nearest_key(word: str, keys: Sequence[str]) -> str:
    leaf = word.rsplit(".", 1)[-1]
    longer = next((k for k in keys if k.startswith(f"{word}_")), None)
    near = (
        longer
        or nearest(word, keys)
        or next((k for k in keys if k.rsplit(".", 1)[-1] == leaf), None)
    )
    return f"; did you mean {near!r}?" if near else ""
