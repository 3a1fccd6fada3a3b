"""What is wrong with a folder of scans: one table, one page, a draft of its data card."""

from __future__ import annotations

import sys
from pathlib import Path

from lesionseg.cohort_check.page import write_check_page
from lesionseg.cohort_check.stage import Checked, check_dataset, check_table, finished_card
from lesionseg.datasets.cards.drafts import card_yaml
from lesionseg.datasets.unused_files import write_unused
from lesionseg.errors import NoInputError
from lesionseg.planning.findings import listed, of_one_kind
from lesionseg.settings.check import CheckSettings
from lesionseg.stages.dataset import open_dataset, refuse_output_among_scans, scan_root
from lesionseg.storage.atomic import write_text
from lesionseg.storage.csv_table import write_csv
from lesionseg.storage.lock import locked
from lesionseg.wording import counted

SHOWN = 20  # kinds of findings on the terminal; all are in the table and on the page


def main(settings: CheckSettings) -> int:
    """Check `settings.data`, write tables, page and card into `settings.output`; the exit code."""
    refuse_output_among_scans(settings)
    root, output = scan_root(settings), Path(settings.output)
    dataset = open_dataset(settings)
    if not dataset.scans and not dataset.rejected:
        raise NoInputError(f"no scan in {root.name}; give a folder of scans")
    with locked(output):
        checked = check_dataset(dataset, root, workers=settings.workers)
        heads, rows = check_table(checked)
        write_csv(output / "check.csv", heads, rows)
        write_unused(output, dataset.unused)
        write_text(output / "data_card.yaml", card_yaml(finished_card(checked)))
        write_check_page(output / "check.html", checked, num_pictures=settings.pictures)
    _say(checked, output)
    return checked.exit_code


def _say(checked: Checked, output: Path) -> None:
    grave = of_one_kind([one for one in checked.findings if one.severity != "note"])
    for same in grave[:SHOWN]:
        first, cases = same[0], list(dict.fromkeys(one.case or "the folder" for one in same))
        number = f"{len(cases)} scans: " if len(cases) > 1 else ""
        print(
            f"{first.severity}: {first.kind}: {first.text} [{number}{listed(cases)}]",
            file=sys.stderr,
        )
    if len(grave) > SHOWN:
        print(f"and {counted(len(grave) - SHOWN, 'more kind')} of findings", file=sys.stderr)
    status = list(checked.status.values())
    counts = ", ".join(
        f"{status.count(kind)} {words}"
        for kind, words in (
            ("rejected", "unusable"),
            ("error", "with an error"),
            ("warning", "with a warning"),
        )
    )
    print(f"checked {counted(len(status), 'scan')}: {counts}; {output / 'check.html'}")
