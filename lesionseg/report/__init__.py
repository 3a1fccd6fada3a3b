"""From folders of masks to tables, figures and one self-contained page."""

from lesionseg.report.page.build import Report, write_report
from lesionseg.report.page.page_info import Extras
from lesionseg.report.scoring.folders import match_folders
from lesionseg.report.scoring.records import Choices, Matches, PredictionFiles, ReportCase
from lesionseg.report.tables.terminal import size_table

__all__ = [
    "Choices",
    "Extras",
    "Matches",
    "PredictionFiles",
    "Report",
    "ReportCase",
    "match_folders",
    "size_table",
    "write_report",
]
