"""From folders of masks to tables, plots, pictures and one self-contained page."""

from lesionseg.reporting.page.build import Report, write_report
from lesionseg.reporting.page.outputs import first_rejection, withdraw_report
from lesionseg.reporting.page.page_info import PageInfo
from lesionseg.reporting.scoring.folders import match_folders
from lesionseg.reporting.scoring.records import (
    Matches,
    PredictionFiles,
    ReportCase,
    ScoringOptions,
    prediction_files,
)
from lesionseg.reporting.tables.terminal import size_table

__all__ = [
    "Matches",
    "PageInfo",
    "PredictionFiles",
    "Report",
    "ReportCase",
    "ScoringOptions",
    "first_rejection",
    "match_folders",
    "prediction_files",
    "size_table",
    "withdraw_report",
    "write_report",
]
