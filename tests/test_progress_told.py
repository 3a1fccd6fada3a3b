"""What is told of a long piece of work: nothing at first, then a line a minute."""

from __future__ import annotations

from lesionseg.progress import Progress, with_progress


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_without_a_terminal_a_line_is_due_once_a_minute(capsys):
    clock = Clock()
    progress = Progress("unet", clock=clock, terminal=False)
    due = []
    for second in range(0, 200, 10):
        clock.now = 1000.0 + second
        due.append(progress.is_due)
        if progress.is_due:
            progress.tell(second / 200, f"step {second}")
    assert [10 * i for i, yes in enumerate(due) if yes] == [60, 120, 180]
    lines = capsys.readouterr().err.splitlines()
    # 60 of 200 in a minute: 140 more; 120 of 200: 80 more; 180: 20
    assert lines == [
        "unet: step 60, about 2 minutes left",
        "unet: step 120, about 80 s left",
        "unet: step 180, about 20 s left",
    ]


def test_what_an_earlier_run_did_does_not_count_as_fast(capsys):
    clock = Clock()
    progress = Progress("unet", done=0.5, clock=clock, terminal=False)
    clock.now += 3600
    progress.tell(0.5, "step 5")
    clock.now += 3600
    progress.tell(0.6, "step 6")  # a tenth in two hours: four tenths are left
    assert capsys.readouterr().err.splitlines() == [
        "unet: step 5, time left not known yet",
        "unet: step 6, about 8.0 hours left",
    ]


def test_short_work_says_nothing_and_every_item_comes_once(capsys):
    assert list(with_progress([3, 1, 2], "x", "scan")) == [3, 1, 2]
    assert list(with_progress(iter("ab"), "x", "scan", total=2)) == ["a", "b"]
    assert list(with_progress([], "x", "scan")) == []
    assert capsys.readouterr().err == ""


def test_on_a_terminal_the_bar_ends_full(capsys):
    clock = Clock()
    progress = Progress("unet", clock=clock, terminal=True)
    progress.tell(0.25, "1 of 4 scans")
    progress.finish("4 of 4 scans")
    progress.close()
    said = capsys.readouterr().err
    assert "unet  25%" in said
    assert "100%" in said.split("\r")[-1]
    assert "4 of 4 scans" in said
