"""The section of the page in which models are compared at one number of false positives a scan."""

from __future__ import annotations

from typing import Any

from lesionseg.evaluation.metrics import MATCHED_RECALL
from lesionseg.reporting.page.report_tables import ReportTables
from lesionseg.reporting.scoring.lookup import Summary
from lesionseg.reporting.tables.comparisons import HEADS, comparison_rows, words_on_tests
from lesionseg.reporting.tables.matched import NO_COMPARISON, matched_rows, matched_sizes
from lesionseg.reporting.tables.page_tables import size_heads
from lesionseg.reporting.tables.ranking import ranking_heads, ranking_rows
from lesionseg.size_buckets import SizeBuckets


def matched_content(summary: Summary, tables: ReportTables, buckets: SizeBuckets) -> dict[str, Any]:
    """The section's variables."""
    matched_at = tables.whole.matched_at
    found: dict[str, Any] = {"heads": [], "rows": [], "tests": [], "words": [], "test_heads": HEADS}
    if matched_at is None:
        found["lead"] = NO_COMPARISON
    else:
        found["lead"] = (
            f"Lesions found, %, at the score threshold of each model that gives at most "
            f"{matched_at:.3g} false positives a scan over these scans."
        )
        names = matched_sizes(buckets)
        found["heads"] = size_heads(summary, buckets, names, metric=MATCHED_RECALL)
        found["rows"] = matched_rows(summary, buckets)
    if len(summary.models) > 1:
        found["tests"] = comparison_rows(tables.comparisons, buckets, tables.matched_at)
        found["words"] = words_on_tests(tables.comparisons)
    found["ranking_heads"] = ranking_heads(tables.whole.ranking)
    found["ranking_rows"] = ranking_rows(tables.whole.ranking)
    return found
