"""docs/reference/bad_inputs.md, made from the table.

PYTHONPATH=tests python tests/bad_inputs/bad_input_page.py
"""

from __future__ import annotations

from pathlib import Path

from bad_input_rows import MEANING
from bad_input_table import PARTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "bad_inputs.md"
HEAD = """# What becomes of bad input

Every row is a test: `pytest tests/bad_inputs` builds the file, reads it and looks for the message.
A message is one line and names the case, where it is about one; "..." stands for what lies between.

"""


def page_text() -> str:
    lines = [f"- **{outcome}**: {meaning}" for outcome, meaning in MEANING.items()]
    text = HEAD + "\n".join(lines) + "\n"
    for title, rows in PARTS.items():
        text += f"\n## {title}\n\n| input | outcome | message |\n|---|---|---|\n"
        for row in rows:
            said = " ... ".join(row.words).replace("|", "\\|")
            text += f"| {row.name} | {row.outcome} | {said} |\n"
    return text


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page_text(), encoding="utf-8", newline="\n")
