"""The command line: `lesionseg STAGE key=value ...`.

Help and version answer before torch is imported; a stage's recipe is imported when it runs.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import importlib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING

from lesionseg import __version__
from lesionseg.errors import (
    LesionsegError,
    NoInputError,
    OutputError,
    Stopped,
    UsageError,
    printable,
)
from lesionseg.limits import check_limits

if TYPE_CHECKING:
    from omegaconf import DictConfig

STAGES = {
    "demo": "make a phantom cohort and run every stage on it, in minutes",
    "check": "what is wrong with a folder of scans: one table, one page, a draft data card",
    "preprocess": "scans and masks to stored cases, with a plan that says every choice and why",
    "train": "train the models on preprocessed cases, on the very same samples",
    "predict": "masks of new scans, each on its own grid",
    "report": "score anybody's masks by lesion size: tables, figures, one HTML page",
    "ablate": "design questions measured: a ceiling without training, variants at equal budget",
    "run": "all of the above in order; finished stages are skipped",
}
# What stands after these keys is a path or a text: Hydra's grammar must not read into it.
PATH_KEYS = (
    "output",
    "input",
    "model",
    "reference",
    "images",
    "cases",
    "loss_shares",
    "data_card",
    "data.root",
    "data.card",
    "data.patient",
    "patient",
    "title",
)
OPEN_KEYS = {  # by stage
    "report": ("predictions.", "probabilities.", "training.", "models."),
    "ablate": ("launcher_options.",),
}
HELP = """usage: lesionseg STAGE [key=value ...]

Find the small lesions that a U-Net misses, and prove it.

stages:
{stages}

lesionseg STAGE --help   shows every key of a stage with its default
lesionseg --version

exit codes: 0 all ok, 1 a bug, 2 usage or config, 3 no valid input, 4 all inputs rejected,
5 some ok some rejected, 6 output unwritable or disk full, 7 locked by another run,
75 stopped, can be resumed
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage; returns the exit code. Every error of the user's is one line on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if threading.current_thread() is threading.main_thread():
        # a scheduler's SIGTERM unwinds like Ctrl-C: no half-written file stays behind
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _dispatch(words)
    except LesionsegError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on from here", Stopped.exit_code)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):  # what is written says so itself
            name = os.path.basename(str(error.filename or "a file"))
            problem = f"{name} cannot be opened: permission denied; ask for the right to read it"
            return _complain(printable(problem), NoInputError.exit_code)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            return _complain(f"{error.strerror}; free space and run again", OutputError.exit_code)
        traceback.print_exc()
        return 1
    except Exception:
        traceback.print_exc()
        return 1


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if words else UsageError.exit_code
    if words[0] == "--version":
        print(f"lesionseg {__version__}")
        return 0
    stage, *overrides = words
    if stage not in STAGES:
        raise UsageError(
            f"no stage {stage!r}{_nearest(stage, STAGES)}; lesionseg --help lists them"
        )
    if {"-h", "--help"} & set(overrides):
        print(_stage_help(stage))
        return 0
    config = compose(stage, overrides)
    # How long threads spin before they sleep while they wait for each other. The default of libgomp
    # makes a training step several times slower beside any other busy program; sleeping at once
    # makes it slower alone. Read once, when torch is imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    recipe = importlib.import_module(f"lesionseg.pipelines.{stage}")
    return int(recipe.main(config))


def _help() -> str:
    width = max(map(len, STAGES))
    return HELP.format(stages="\n".join(f"  {s:<{width}}  {what}" for s, what in STAGES.items()))


def _stage_help(stage: str) -> str:
    """The stage's own configuration file and the groups it draws on: comments and defaults."""
    folder = resources.files("lesionseg.conf")
    text = folder.joinpath(f"{stage}.yaml").read_text(encoding="utf-8")
    parts = [f"lesionseg {stage}: {STAGES[stage]}\n", text]
    for group, place, name in re.findall(
        r"^\s*- (\w+)(?:@([\w.]+))?: (\w+)\s*$", text, re.MULTILINE
    ):
        body = folder.joinpath(group, f"{name}.yaml").read_text(encoding="utf-8")
        parts.append(f"--- {place or group} (conf/{group}/{name}.yaml)\n{body}")
    return "\n".join(parts)


def compose(stage: str, overrides: Sequence[str]) -> DictConfig:
    """The stage's configuration with the overrides applied. Raises UsageError in one line."""
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for word in overrides:
        if "=" not in word or word[0] in "+~":
            raise UsageError(f"got {word!r}; want key=value, for example output=DIR")
    try:
        with hydra_config(stage, [_opened(stage, word) for word in overrides]) as config:
            missing = sorted(OmegaConf.missing_keys(config))
            check_limits(flat(OmegaConf.to_container(config, resolve=False)))
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(_explain(stage, str(error), overrides)) from error
    except ValueError as error:  # what OmegaConf says to a name below a list
        problem = " ".join(str(error).split())
        raise UsageError(f"{stage}: {problem}; a list is given whole, like [a,b]") from error
    if missing:
        raise UsageError(f"lesionseg {stage} needs {', '.join(f'{key}=...' for key in missing)}")
    return config


@contextlib.contextmanager
def hydra_config(stage: str, overrides: Sequence[str]) -> Iterator[DictConfig]:
    """What Hydra makes of a stage's files and these overrides."""
    import hydra

    with hydra.initialize_config_module("lesionseg.conf", version_base="1.3"):
        yield hydra.compose(stage, list(overrides))


def flat(node: object, prefix: str = "") -> dict[str, object]:
    """Nested settings as dotted keys, those of groups included."""
    found: dict[str, object] = {}
    if isinstance(node, dict):
        for name, value in node.items():
            found[f"{prefix}{name}"] = value
            found |= flat(value, f"{prefix}{name}.")
    return found


def _opened(stage: str, word: str) -> str:
    """Quote what is a path, and have Hydra add the keys whose names are the user's own."""
    key, value = word.split("=", 1)
    own = key.startswith(OPEN_KEYS.get(stage, ()))
    bare = value not in ("null", "???") and value[:1] not in ("'", '"', "")
    if bare and (own or key in PATH_KEYS):
        tail = len(value) - len(value.rstrip("\\"))
        value = "'" + value.replace("'", "\\'") + "\\" * tail + "'"
    return f"{'++' if own else ''}{key}={value}"


def _explain(stage: str, message: str, overrides: Sequence[str]) -> str:
    unknown = re.search(r"Key '([^']+)' is not in struct|Could not override '([^']+)'", message)
    if unknown:
        wanted = next((word.split("=")[0] for word in overrides if _names(word, unknown)), "")
        keys = _all_keys(stage)
        if wanted in keys:
            return f"{stage}: {wanted} cannot be set as a whole; set a key below it"
        hint = _nearest(wanted, keys)
        return f"{stage} has no key {wanted!r}{hint}; lesionseg {stage} --help lists all"
    return f"{stage}: {' '.join(message.split())}"


def _names(word: str, unknown: re.Match[str]) -> bool:
    key = word.split("=")[0]
    return any(part and (key == part or key.endswith(part)) for part in unknown.groups())


def _all_keys(stage: str) -> list[str]:
    """Dotted names of every key of a stage, leaves and groups."""
    from omegaconf import OmegaConf

    with hydra_config(stage, []) as config:
        return list(flat(OmegaConf.to_container(config, resolve=False)))


def _nearest(word: str, known: Sequence[str] | dict[str, str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    leaf = word.rsplit(".", 1)[-1]
    close = close or [key for key in known if key.rsplit(".", 1)[-1] == leaf][:1]
    return f"; did you mean {close[0]!r}?" if close else ""


def _complain(message: str, code: int) -> int:
    print(f"lesionseg: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
