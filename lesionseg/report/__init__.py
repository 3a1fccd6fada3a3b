"""From folders of masks to tables, figures and one self-contained page."""

from lesionseg.report.build import Report, write_report
from lesionseg.report.extras import Extras
from lesionseg.report.folders import match_folders
from lesionseg.report.records import Choices, Matches, PredictionFiles, ReportCase
from lesionseg.report.terminal import size_table

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
