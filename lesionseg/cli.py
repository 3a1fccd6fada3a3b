"""The command line: `lesionseg STAGE key=value ...`.

Help and version answer before torch is imported; a stage's recipe is imported when it runs.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from lesionseg import __version__
from lesionseg.composing.compose import compose
from lesionseg.errors import (
    LesionsegError,
    NoInputError,
    OutputError,
    Stopped,
    UsageError,
    printable,
)
from lesionseg.settings.record import nearest

STAGES = {
    "demo": "make a phantom cohort and run every stage on it, in minutes",
    "check": "what is wrong with a folder of scans: one table, one page, a draft data card",
    "preprocess": "scans and masks to stored cases, with a plan that says every choice and why",
    "train": "train the models on preprocessed cases, on the very same samples",
    "predict": "masks of new scans, each on its own grid",
    "export": "a trained network for other programs, as ONNX files",
    "report": "score anybody's masks by lesion size: tables, figures, one HTML page",
    "finish": "account for the cases of all shards, and write what is made of all of them",
    "ablate": "design questions measured: a ceiling without training, variants at equal budget",
    "run": "all of the above in order; finished stages are skipped",
}
RECIPES = {"demo": "run"}  # stages that are another one with other settings
PIPE_CLOSED = 128 + 13  # what a shell reports of a program that SIGPIPE ended
HELP = """usage: lesionseg STAGE [key=value ...]

Find the small lesions that a U-Net misses, and prove it.

stages:
{stages}

lesionseg help STAGE     shows every key of a stage with its default, as STAGE --help does
lesionseg completion bash|zsh|fish   prints a script that lets the shell complete stages and keys
lesionseg --version

exit codes: 0 all ok, 1 a bug, 2 usage or config, 3 no valid input, 4 all inputs rejected,
5 some ok some rejected, 6 output unwritable or disk full, 7 locked by another run,
75 stopped, can be resumed
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage; returns the exit code. Every error of the user's is one line on stderr."""
    return run(_dispatch, list(sys.argv[1:] if arguments is None else arguments))


def run(command: Callable[[list[str]], int], words: list[str]) -> int:
    """The exit code of a command of these words, whatever it raises."""
    try:
        code = _run(command, words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever reads what is printed has closed its end, as `| head` does
        _print_nowhere()
        return PIPE_CLOSED


def _run(command: Callable[[list[str]], int], words: list[str]) -> int:
    if threading.current_thread() is threading.main_thread():
        # a scheduler's SIGTERM unwinds like Ctrl-C: no half-written file stays behind
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
    try:
        return command(words)
    except LesionsegError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on from here", Stopped.exit_code)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):  # errors of writing are OutputErrors
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


def _print_nowhere() -> None:
    """Let what is still to be printed vanish, so that the end of Python has nothing to complain of
    (Python's documentation of signal, note on SIGPIPE)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # one that is no file has no number
            os.dup2(nowhere, stream.fileno())


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["help"] and len(words) > 1:
        words = [*words[1:2], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if words else UsageError.exit_code
    if words[0] == "--version":
        print(f"lesionseg {__version__}")
        return 0
    if words[0] == "completion":
        from lesionseg.composing.completion import completion_script

        print(completion_script(" ".join(words[1:]), STAGES))
        return 0
    stage, *overrides = words
    if stage not in STAGES:
        raise UsageError(f"no stage {stage!r}{_nearest(stage)}; lesionseg --help lists them")
    if {"-h", "--help"} & set(overrides):
        from lesionseg.composing.help import stage_help

        print(stage_help(stage, STAGES[stage]))
        return 0
    settings = compose(stage, overrides)
    prepare_libraries()
    return recipe(stage)(settings)


def recipe(stage: str) -> Callable[[Any], int]:
    """What runs a stage of STAGES with its settings, imported now; returns the exit code."""
    module = importlib.import_module(f"lesionseg.pipelines.{RECIPES.get(stage, stage)}")
    return lambda settings: int(module.main(settings))


def prepare_libraries() -> None:
    """Set, before libraries are imported, what they look for only then."""
    # How long threads spin before they sleep while they wait for each other. The default of libgomp
    # makes a training step several times slower beside any other busy program; sleeping at once
    # makes it slower alone. Read once, when torch is imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # MONAI asks for the user's name, which a container's user id may not have
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):  # by the version of Python and the system
        os.environ["LOGNAME"] = "lesionseg"


def _help() -> str:
    width = max(map(len, STAGES))
    return HELP.format(stages="\n".join(f"  {s:<{width}}  {what}" for s, what in STAGES.items()))


def _nearest(stage: str) -> str:
    near = nearest(stage, STAGES)
    return f"; did you mean {near!r}?" if near else ""


def _complain(message: str, code: int) -> int:
    print(f"lesionseg: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
