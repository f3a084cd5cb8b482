# SPDX-License-Identifier: GPL-2.0-only
"""T63 to T74: whose memory is on its way back already."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pykmm.linux.mm import mm_flags_set
from pykmm.linux.mm_types import MMF_OOM_SKIP
from pykmm.linux.sched import PF_EXITING, PF_KTHREAD, task_struct
from pykmm.linux.sched.signal import core_state
from pykmm.mm.oom_kill import task_will_free_mem
from pykmm.workbench import Process

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World


def exiting(task: task_struct) -> task_struct:
    task.__dict__["flags"] |= PF_EXITING
    return task


def dumping(process: Process) -> None:
    process.task.signal.core_state = core_state(dumper=process.task)


def dumps_core(world: World) -> task_struct:
    p = world.dying(world.process("p"))
    dumping(p)
    return p.task


def lone_leader(world: World) -> task_struct:
    return exiting(world.process("p").task)


def last_thread(world: World) -> task_struct:
    p = world.process("p", threads=2)
    world.drop_mm(p.task)
    second = [t for t in world.machine.alive if isinstance(t, task_struct)][-1]
    assert second.group_leader is p.task
    return exiting(second)


def leader_with_sibling(world: World) -> task_struct:
    return exiting(world.process("p", threads=2).task)


def shared(world: World, *, with_: Callable[[Process], None]) -> task_struct:
    p = world.dying(world.process("p"))
    q = world.process("q", shares=p)
    with_(q)
    return p.task


def sharer_alive(world: World) -> task_struct:
    return shared(world, with_=lambda q: None)


def sharer_dying(world: World) -> task_struct:
    return shared(world, with_=lambda q: world.dying(q) and None)


def sharer_dumping(world: World) -> task_struct:
    def both(q: Process) -> None:
        world.dying(q)
        dumping(q)

    return shared(world, with_=both)


def passing_user(world: World) -> task_struct:
    p = world.dying(world.process("p"))
    world.mm(p).mm_users.counter = 2
    return p.task


def reaped(world: World) -> task_struct:
    p = world.dying(world.process("p"))
    mm_flags_set(MMF_OOM_SKIP, world.mm(p))
    return p.task


def no_mm(world: World) -> task_struct:
    p = world.dying(world.process("p"))
    world.drop_mm(p.task)
    return p.task


def kthread_borrows(world: World, users: int) -> task_struct:
    p = world.dying(world.process("p"))
    vhost = world.process("vhost", shares=p)
    vhost.task.__dict__["flags"] = PF_KTHREAD
    world.mm(p).mm_users.counter = users
    return p.task


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(dumps_core, False, id="T63"),
        pytest.param(lone_leader, True, id="T64"),
        pytest.param(last_thread, False, id="T65"),
        pytest.param(leader_with_sibling, False, id="T66"),
        pytest.param(sharer_alive, False, id="T67"),
        pytest.param(sharer_dying, True, id="T68"),
        pytest.param(sharer_dumping, False, id="T69"),
        pytest.param(passing_user, True, id="T70"),
        pytest.param(reaped, False, id="T71"),
        pytest.param(no_mm, False, id="T72"),
        pytest.param(lambda world: kthread_borrows(world, 1), True, id="T73"),
        pytest.param(lambda world: kthread_borrows(world, 2), False, id="T74"),
    ],
)
def test_will_free_mem(
    world: World, make: Callable[[World], task_struct], expected: bool
) -> None:
    assert task_will_free_mem(make(world)) is expected
