"""What is wrong with a folder of scans, before anything is trained on it."""

from lesionseg.data.check.cohort import cohort_findings
from lesionseg.data.check.findings import Finding, Severity, worst
from lesionseg.data.check.measures import ScanMeasures, measure_scan
from lesionseg.data.check.scan_findings import scan_findings
from lesionseg.data.check.stage import Checked, check_dataset

__all__ = [
    "Checked",
    "Finding",
    "ScanMeasures",
    "Severity",
    "check_dataset",
    "cohort_findings",
    "measure_scan",
    "scan_findings",
    "worst",
]
