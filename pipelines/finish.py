"""What several jobs wrote into one folder: every case accounted for, then tables and page."""

from __future__ import annotations

from pathlib import Path

from lesionseg.settings.finish import FinishSettings
from lesionseg.stages.finishing import finish_output


def main(settings: FinishSettings) -> int:
    """Finish `settings.output`; return the exit code of all cases."""
    return finish_output(Path(settings.output))
