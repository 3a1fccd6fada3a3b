"""Threads are chosen by what was timed; the clock of these tests is set by hand."""

from __future__ import annotations

import pytest
import torch

from lesionseg.models.threads import EVERY, REPEATS, ThreadChooser, halved


class Machine:
    """Work of 1 takes `seconds[threads]`."""

    def __init__(self, seconds):
        self.seconds, self.now, self.threads, self.used = seconds, 0.0, None, []

    def chooser(self, wanted="auto"):
        return ThreadChooser(
            wanted, most=max(self.seconds), clock=lambda: self.now, set_threads=self.use
        )

    def use(self, threads):
        self.threads = threads

    def work(self, chooser, num, amount=1.0):
        for _ in range(num):
            chooser.start()
            self.used.append(self.threads)
            self.now += amount * self.seconds[self.threads]
            chooser.stop(amount)


def test_halves_end_at_one():
    assert halved(16) == [16, 8, 4, 2, 1]
    assert halved(6) == [6, 3, 1]
    assert halved(1) == [1]
    assert halved(0) == [1]


def test_an_idle_machine_keeps_all_its_threads():
    machine = Machine({2: 0.118, 1: 0.17})
    chooser = machine.chooser()
    machine.work(chooser, 2 * REPEATS)
    assert not chooser.is_measuring
    assert chooser.threads == 2
    machine.work(chooser, 1)
    assert machine.threads == 2
    assert chooser.measured == pytest.approx({2: 0.118, 1: 0.17})


def test_beside_a_busy_program_one_thread_is_taken():
    machine = Machine({2: 1.4, 1: 0.36})
    chooser = machine.chooser()
    machine.work(chooser, 2 * REPEATS + 5)
    assert machine.used[-5:] == [1] * 5


def test_a_small_gain_is_not_worth_a_change():
    machine = Machine({4: 1.0, 2: 0.95, 1: 0.93})
    chooser = machine.chooser()
    machine.work(chooser, 3 * REPEATS)
    assert chooser.threads == 4


def test_where_fewer_are_far_slower_still_fewer_are_not_tried():
    machine = Machine({16: 1.0, 8: 1.1, 4: 2.0, 2: 4.0, 1: 8.0})
    chooser = machine.chooser()
    machine.work(chooser, 40)
    assert set(machine.used) == {16, 8, 4, 2}
    assert chooser.threads == 16


def test_one_slow_number_does_not_hide_a_quick_one_below_it():
    machine = Machine({64: 4.0, 32: 5.2, 16: 0.5, 8: 0.6, 4: 0.9, 2: 2.0, 1: 4.0})
    chooser = machine.chooser()
    machine.work(chooser, 7 * REPEATS)
    assert chooser.threads == chooser.chosen == 16


def test_what_changes_is_noticed_at_the_next_measurement():
    machine = Machine({2: 0.118, 1: 0.17})
    chooser = machine.chooser()
    machine.work(chooser, 2 * REPEATS)
    machine.seconds = {2: 1.4, 1: 0.36}
    machine.work(chooser, EVERY)
    assert chooser.is_measuring
    machine.work(chooser, 2 * REPEATS)
    assert chooser.threads == 1


def test_the_first_piece_with_a_number_of_threads_is_not_counted():
    machine = Machine({2: 9.0, 1: 0.17})
    chooser = machine.chooser()
    machine.work(chooser, 1)
    machine.seconds = {2: 0.1, 1: 0.17}
    machine.work(chooser, 2 * REPEATS - 1)
    assert chooser.measured[2] == pytest.approx(0.1)
    assert chooser.threads == 2


def test_pieces_of_different_size_are_compared_by_amount():
    machine = Machine({2: 0.2, 1: 0.1})
    chooser = machine.chooser()
    machine.work(chooser, REPEATS, amount=1.0)
    machine.work(chooser, REPEATS, amount=50.0)
    assert chooser.measured == pytest.approx({2: 0.2, 1: 0.1})
    assert chooser.threads == 1


def test_a_number_that_is_given_is_used_and_nothing_is_timed():
    machine = Machine({4: 1.0, 3: 9.0})
    chooser = machine.chooser(3)
    assert not chooser.is_measuring
    machine.work(chooser, 2 * EVERY)
    assert set(machine.used) == {3}


def test_torch_is_told_while_work_is_done_and_no_longer():
    before = torch.get_num_threads()
    chooser = ThreadChooser(before + 1)
    with chooser.working():
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
