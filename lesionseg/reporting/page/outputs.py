"""The files that a report consists of: listed before they are written, removed by the next one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lesionseg.reporting.page.page_info import PageInfo
from lesionseg.reporting.pictures.draw import Pictures
from lesionseg.reporting.scoring.score_cases import Scored
from lesionseg.storage.atomic import replacing
from lesionseg.storage.csv_table import read_rows, write_frame
from lesionseg.storage.own_files import announce_files, withdraw_files

FILES = "report_files.json"  # the list of them
LEFT_OUT = ["model", "case", "reason"]


def announce(output: Path, names: Iterable[str]) -> None:
    """List files that are about to be written. Raises OutputError."""
    announce_files(output, FILES, names)


def withdraw_report(output: Path) -> None:
    """Remove what an earlier report wrote into a folder. Raises OutputError."""
    withdraw_files(Path(output), FILES)


def first_rejection(output: Path) -> str:
    """The first line of the rejected.csv that `write_report` wrote: "a (net): reason"."""
    row = read_rows(output / "rejected.csv")[0]
    model = f" ({row['model']})" if row["model"] else ""
    return f"{row['case']}{model}: {row['reason']}"


def write_left_out(output: Path, scored: Scored, unpredicted: Sequence[str]) -> None:
    """rejected.csv, and missing.csv where a model lacks a case.

    unpredicted: the cases that no model has.
    """
    announce(output, ["rejected.csv"])
    rejected = pd.DataFrame(scored.rejected, columns=LEFT_OUT)
    write_frame(output / "rejected.csv", rejected)
    models = dict.fromkeys(scored.cases["model"] if len(scored.cases) else ())
    nobody = [(model, case, "no prediction") for model in models for case in unpredicted]
    if models and (scored.missing or nobody):
        announce(output, ["missing.csv"])
        missing = pd.DataFrame([*scored.missing, *nobody], columns=LEFT_OUT)
        write_frame(output / "missing.csv", missing)


def write_tables(output: Path, tables: Mapping[str, pd.DataFrame], page_info: PageInfo) -> None:
    """Each table that has rows as a CSV of its name, with those of the page's own; the page itself
    and its summary.json are listed too."""
    found = {name: table for name, table in tables.items() if len(table)}
    if page_info.loss_shares is not None:
        found["loss_shares"] = page_info.loss_shares
    if page_info.prices is not None:
        found["missing_prices"] = page_info.prices
    if page_info.agreement is not None:
        found["raters"] = page_info.agreement
    announce(output, [*(f"{name}.csv" for name in found), "summary.json", "report.html"])
    for name, table in found.items():
        write_frame(output / f"{name}.csv", table)


def write_pictures(output: Path, pictures: Pictures, models: Sequence[str]) -> None:
    """As files; models and cases by number, because names may hold characters that files cannot."""
    found = {
        f"figures/overlay-{models.index(choice.model) + 1}-{choice.rank}.png": picture
        for choice, picture, _ in pictures.overlays
    }
    for i, (miss, picture) in enumerate(pictures.atlas, 1):
        kind = "missed" if miss.kind == "missed" else "false-positive"
        found[f"figures/atlas/{i:03d}-{kind}.png"] = picture
    announce(output, found)
    for name, picture in found.items():
        write_bytes(output / name, picture)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises OutputError."""
    with replacing(path) as partial:
        partial.write_bytes(content)
