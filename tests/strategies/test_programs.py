# SPDX-License-Identifier: GPL-2.0-only
"""What drawn programs are like."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import find, given, settings

from pykmm.engine import Config, Timers
from pykmm.linux.sched import PF_KTHREAD
from pykmm.strategies import Act, end_all, play, programs
from pykmm.workbench import Machine


def acts_of(program: tuple[Act, ...]) -> Iterator[Act]:
    for act in program:
        yield act
        yield from acts_of(act.program)


@settings(max_examples=50)
@given(programs())
def test_a_program_prints_as_it_is_written(program: tuple[Act, ...]) -> None:
    assert eval(repr(program), {"Act": Act}) == program


@settings(max_examples=50)
@given(programs())
def test_a_child_of_vfork_comes_to_its_end(program: tuple[Act, ...]) -> None:
    for act in acts_of(program):
        if act.name == "vfork":
            assert act.program[-1].name == "exit_group"
            names = {inner.name for inner in act.program}
            assert not names & {"wait", "pause", "vfork"}


def test_a_program_shrinks_to_the_act_that_matters() -> None:
    found = find(programs(), lambda p: any(a.name == "clone_vm" for a in acts_of(p)))
    assert next(acts_of(found)).name == "clone_vm"
    assert len(list(acts_of(found))) == 2


def test_processes_know_each_other_and_none_is_left() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        killer = (Act("mmap", 0, 2), Act("touch", 0, 2), Act("kill", 1))
        play(m, [killer, (Act("pause"),)])
        alive = [t.__dict__["comm"] for t in m.tasks()]
        assert "p0" in alive
        assert "p1" not in alive
        end_all(m)
        left = [t for t in m.tasks() if not t.__dict__["flags"] & PF_KTHREAD]
        assert left == [m.init.task]
