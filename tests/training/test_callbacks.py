"""The budget and the log, each alone."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import pytest
import torch

from lesionseg.training.callbacks import Budget, CsvLog
from lesionseg.training.module import LesionModule


@pytest.mark.parametrize(
    ("budget", "step", "seconds", "share"),
    [
        (Budget(steps=10), 0, 99.0, 0.0),
        (Budget(steps=10), 5, 99.0, 0.5),
        (Budget(steps=10), 10, 0.0, 1.0),
        (Budget(steps=10), 25, 0.0, 1.0),
        (Budget(minutes=2), 1000, 30.0, 0.25),
        (Budget(minutes=2), 0, 121.0, 1.0),
        (Budget(steps=10, minutes=1), 2, 30.0, 0.5),
        (Budget(steps=10, minutes=1), 9, 30.0, 0.9),
    ],
)
def test_the_share_of_a_budget_is_that_of_the_limit_that_is_nearer(budget, step, seconds, share):
    assert budget.spent(step, seconds) == pytest.approx(share)


class Log:
    """A log of every step or every few, fed by hand."""

    def __init__(self, path, *, every=1, step=0):
        self.keeper = SimpleNamespace(step=step, seconds=0.0, resumed=None)
        self.trainer = SimpleNamespace(optimizers=[SimpleNamespace(param_groups=[{"lr": 0.5}])])
        self.module = LesionModule(
            torch.nn.Linear(1, 1),
            torch.Generator(),
            learning_rate=1,
            weight_decay=0,
            count_lesions=None,
        )
        self.log = CsvLog(path, self.keeper, every=every)
        self.log.on_train_start(self.trainer, self.module)

    def step(self, **terms):
        self.keeper.step += 1
        self.keeper.seconds += 0.25
        self.module.last_terms = {name: torch.tensor(value) for name, value in terms.items()}
        self.log.on_train_batch_end(self.trainer, self.module, None, None, 0)


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def test_rows_are_readable_by_any_reader_of_csv(tmp_path):
    path = tmp_path / "log.csv"
    log = Log(path)
    log.step(box=0.125, mask=1e-9)
    assert path.read_text().splitlines()[0] == "step,seconds,name,value"
    assert rows(path) == [
        ("1", "0.2", "box", "0.125"),
        ("1", "0.2", "mask", "1e-09"),
        ("1", "0.2", "learning_rate", "0.5"),
    ]


def test_means_are_over_the_steps_since_the_last_row(tmp_path):
    path = tmp_path / "log.csv"
    log = Log(path, every=2)
    for value in (1.0, 4.0, 10.0, 30.0, 99.0):
        log.step(box=value)
    assert [row for row in rows(path) if row[2] == "box"] == [
        ("2", "0.5", "box", "2.5"),
        ("4", "1.0", "box", "20"),
    ]


def test_a_new_run_starts_a_new_log_and_a_resumed_one_drops_what_will_be_repeated(tmp_path):
    path = tmp_path / "log.csv"
    log = Log(path)
    for value in (1.0, 2.0, 3.0):
        log.step(box=value)
    Log(path, step=2).step(box=7.0)
    assert [row[0] + row[3] for row in rows(path) if row[2] == "box"] == ["11", "22", "37"]
    Log(path, step=3).step(box=8.0)
    assert [row[0] + row[3] for row in rows(path) if row[2] == "box"] == ["11", "22", "37", "48"]
    Log(path).step(box=9.0)
    assert [row[0] + row[3] for row in rows(path) if row[2] == "box"] == ["19"]


def test_a_resumed_run_without_a_log_starts_one(tmp_path):
    path = tmp_path / "log.csv"
    Log(path, step=5).step(box=1.0)
    assert rows(path)[0] == ("6", "0.2", "box", "1")


def test_an_empty_log_is_no_stumbling_block(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("")
    Log(path, step=5).step(box=1.0)
    assert rows(path)[0] == ("6", "0.2", "box", "1")
