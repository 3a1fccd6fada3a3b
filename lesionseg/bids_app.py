"""A BIDS-App: `lesionseg-bids BIDS_DIR OUTPUT_DIR participant|group --model DIR`.

The arguments are those that BIDS-Apps have in common (Gorgolewski et al. 2017, PLoS Comput. Biol.);
the work is that of `lesionseg predict`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lesionseg import __version__, cli
from lesionseg.composing.compose import compose
from lesionseg.datasets.layouts.bids_names import raw_root
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, UsageError

LEVELS = ("participant", "group")
FORMATS = "formats=[bids,overview]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one level; returns the exit code, of which `lesionseg --help` tells."""
    return cli.run(_run, list(sys.argv[1:] if arguments is None else arguments))


def _run(words: list[str]) -> int:
    try:
        asked = _parser().parse_args(words)
    except SystemExit:  # after --help and --version
        return 0
    root, output = Path(asked.bids_dir), Path(asked.output_dir)
    if raw_root(root) is None:
        raise UsageError(f"{root.name} has no folder sub-LABEL; give the root of a BIDS dataset")
    if asked.level == "group" and asked.participant_label:
        raise UsageError(
            "the level group takes all participants that were predicted; leave --participant-label "
            "out"
        )
    given = [f"model={asked.model}", f"input={root}", f"output={output}"]
    settings = compose("predict", [*given, FORMATS, *asked.settings])
    cli.prepare_libraries()
    from lesionseg.stages.new_scans import (
        model_to_predict,
        refuse_output_over_scans,
        scans_to_predict,
    )
    from lesionseg.stages.participants import join_participants, predict_participants

    refuse_output_over_scans(settings)
    model = model_to_predict(settings)
    found = scans_to_predict(settings, tuple(channel.name for channel in model.plan.channels))
    save = (*settings.save, *settings.formats)
    if asked.level == "group":
        join_participants(model, found, output, save)
        return 0
    done, rejected = predict_participants(model, found, asked.participant_label, output, save)
    if not rejected:
        return 0
    return EXIT_SOME_REJECTED if done else CaseError.exit_code


class _Parser(argparse.ArgumentParser):
    """Arguments that do not fit are an error as all others: one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; lesionseg-bids --help shows what it takes")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("lesionseg-bids", description=__doc__, allow_abbrev=False)
    parser.add_argument("bids_dir", help="root of a BIDS dataset; nothing is written to it")
    parser.add_argument("output_dir", help="folder for masks, tables, page and the derivative")
    parser.add_argument(
        "level", choices=LEVELS, help="one participant after another, or all joined"
    )
    parser.add_argument("--model", required=True, help="model folder that lesionseg train wrote")
    parser.add_argument(
        "--participant-label",
        "--participant_label",
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL",
        help="participants, with or without sub-; all by default",
    )
    parser.add_argument(
        "--skip-bids-validator",
        "--skip_bids_validator",
        action="store_true",
        help="accepted and without effect: no validator is run",
    )
    parser.add_argument(
        "--settings",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="further settings of lesionseg predict, like device=cpu threads=4",
    )
    parser.add_argument("-v", "--version", action="version", version=f"lesionseg {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
