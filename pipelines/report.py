"""Score folders of masks against a reference and write the report."""

from __future__ import annotations

from pathlib import Path

from lesionseg.composing.launcher import launch_shards
from lesionseg.settings.report import ReportSettings
from lesionseg.stages.folder_report import (
    REPORT,
    make_report,
    match_masks,
    page_info_of,
    report_part,
)
from lesionseg.stages.jobs import part_of
from lesionseg.storage.lock import locked
from lesionseg.storage.part_records import withdraw_part_records


def main(settings: ReportSettings) -> int:
    """Match, score, write, all cases or a part of them; return the exit code. Errors of the user
    are raised, for the caller."""
    part = part_of(settings)
    if settings.launcher is not None and part is None:
        return launch_shards("report", settings, {REPORT: {}})
    found = match_masks(settings)
    if part is not None:
        return report_part(settings, part, found)
    page_info = page_info_of(settings, found.matches)
    with locked(Path(settings.output)):
        withdraw_part_records(Path(settings.output), REPORT)
        return make_report(settings, found, page_info)
