"""Models are compared on the cases that all of them were scored on, and on no others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pandas as pd

from lesionseg.errors import NoInputError
from lesionseg.reporting.scoring.score_cases import Scored

SHOWN = 12  # cases listed in a sentence


def common_cases(scored: Scored) -> set[str]:
    """The cases that every model was scored on."""
    by_model = scored.cases.groupby("model")["case"].agg(set)
    return set.intersection(*by_model) if len(by_model) else set()


def on_common_cases(scored: Scored) -> Scored:
    """The same tables and candidates, of the cases that every model was scored on alone.

    Raises NoInputError where there is no such case.
    """
    common = common_cases(scored)
    if not common:
        lacking = " ".join(comparison_sentences(scored)[1:])
        raise NoInputError(f"no case was scored with every model: {lacking} Report each alone")

    return on_cases(scored, common)


def on_cases(scored: Scored, common: set[str]) -> Scored:
    """The tables and candidates of these cases alone."""

    def those(table: pd.DataFrame) -> pd.DataFrame:
        kept = table[table["case"].isin(common)] if len(table) else table
        return kept.reset_index(drop=True)

    return dataclasses.replace(
        scored,
        lesions=those(scored.lesions),
        predictions=those(scored.predictions),
        cases=those(scored.cases),
        candidates={
            model: {case: found for case, found in by_case.items() if case in common}
            for model, by_case in scored.candidates.items()
        },
        by_class={name: on_cases(one, common) for name, one in scored.by_class.items()},
        confusion=those(scored.confusion),
    )


def comparison_sentences(scored: Scored) -> list[str]:
    """How many cases the models are compared on and what each lacks; none where all have all."""
    if not scored.missing:
        return []
    models = dict.fromkeys([*scored.cases["model"], *(model for model, _, _ in scored.missing)])
    said = []
    whole, common = scored.cases["case"].nunique(), len(common_cases(scored))
    if scored.cases["model"].nunique() > 1 and common < whole:
        said.append(
            f"All models are compared on the {common} of {whole} cases that each was scored on."
        )
    for model in models:
        rows = [(case, why) for name, case, why in scored.missing if name == model]
        lacking = [case for case, why in rows if "empty" not in why]
        as_empty = [case for case, why in rows if "empty" in why]
        if lacking:
            said.append(f"{model} lacks {_listed(lacking)}.")
        if as_empty:
            said.append(f"{model} is scored as an empty mask on {_listed(as_empty)}.")
    return said


def _listed(cases: Sequence[str]) -> str:
    rest = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
    return ", ".join(cases[:SHOWN]) + rest
