"""What is wrong with a folder of scans, before anything is trained on it."""

from lesionseg.cohort_check.cohort import cohort_findings
from lesionseg.cohort_check.measures import ScanMeasures, measure_scan
from lesionseg.cohort_check.scan_findings import scan_findings
from lesionseg.cohort_check.stage import Checked, check_dataset
from lesionseg.planning.findings import Finding, Severity, worst

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
