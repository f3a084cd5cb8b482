# SPDX-License-Identifier: GPL-2.0-only
"""Numbers: who gets which, in which namespaces, and who can be found by them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import Machine
from pykmm.errno import EAGAIN, EEXIST, EINVAL, ENOMEM, EPERM, Errno
from pykmm.kernel.pid import (
    find_pid_ns,
    free_pid,
    pid_nr_ns,
    pid_task,
    pid_vnr,
    task_active_pid_ns,
)
from pykmm.kernel.pid_alloc import alloc_pid, disable_pid_allocation
from pykmm.linux.cred import cred
from pykmm.linux.pid import PIDTYPE_PID, is_child_reaper, ns_of_pid, pid, pid_nr
from pykmm.linux.pid_namespace import init_pid_ns, pid_namespace
from pykmm.linux.rcupdate import rcu
from pykmm.linux.uapi import CAP_CHECKPOINT_RESTORE

NOBODY = 65534


def run(m: Machine, body: Callable[[], object], own: cred | None = None) -> object:
    program = m.spawn("program")
    if own is not None:
        program.task.cred = own

    def and_tidy() -> object:
        result = body()
        for made in list(init_pid_ns()._idr.values()):
            if made.tasks[PIDTYPE_PID].next.entry is None:
                free_pid(made)
        return result

    program.runs(and_tidy)
    m.run()
    return program.result


def take(ns: pid_namespace | None = None, *set_tid: int) -> pid:
    made = alloc_pid(ns or init_pid_ns(), set_tid)
    assert isinstance(made, pid)
    return made


def error(ns: pid_namespace, *set_tid: int) -> Errno:
    made = alloc_pid(ns, set_tid)
    assert isinstance(made, Errno)
    return made


def test_numbers_are_given_in_a_circle_that_leaves_the_first_ones_out() -> None:
    def body() -> object:
        ns = init_pid_ns()
        ns.pid_max = 310
        first = [take() for _ in range(310 - 4)]
        for made in first[:300]:
            free_pid(made)
        again = [pid_nr(take()) for _ in range(2)]
        return pid_nr(first[0]), pid_nr(first[-1]), again

    with Machine() as m:  # 1 is init, 2 the reaper, 3 the program
        assert run(m, body) == (4, 309, [300, 301])


def test_l21_numbers_run_out() -> None:
    def body() -> object:
        ns = init_pid_ns()
        ns.pid_max = 6
        last = [take() for _ in range(2)][-1]
        told = error(ns)
        free_pid(last)
        return told, pid_nr(take())

    with Machine() as m:
        assert run(m, body) == (-EAGAIN, 5)


@pytest.mark.parametrize(
    ("wanted", "own", "told"),
    [
        ((1,), None, -EEXIST),
        ((0,), None, -EINVAL),
        ((1 << 22,), None, -EINVAL),
        ((77, 78), None, -EINVAL),  # more numbers than namespaces
        ((77,), cred(uid=NOBODY), -EPERM),
        ((0,), cred(uid=NOBODY), -EINVAL),
    ],
)
def test_chosen_numbers_that_are_refused(
    wanted: tuple[int, ...], own: cred | None, told: Errno
) -> None:
    with Machine() as m:
        assert run(m, lambda: error(init_pid_ns(), *wanted), own) == told


def test_a_chosen_number_does_not_move_the_circle() -> None:
    def body() -> object:
        return pid_nr(take(None, 77)), pid_nr(take())

    with Machine() as m:
        able = cred(uid=NOBODY, cap_effective=frozenset({CAP_CHECKPOINT_RESTORE}))
        assert run(m, body, able) == (77, 4)


def test_w0_a_number_is_found_before_any_task_bears_it() -> None:
    def body() -> object:
        made = take()
        with rcu():
            found = find_pid_ns(pid_nr(made), init_pid_ns())
            return found is made, pid_task(found, PIDTYPE_PID)

    with Machine() as m:
        assert run(m, body) == (True, None)


def test_a_process_has_a_number_in_each_namespace_above() -> None:
    def body() -> object:
        below = pid_namespace(parent=init_pid_ns(), level=1)
        told = error(below, 5, 50)
        made = take(below)
        assert is_child_reaper(made)
        assert ns_of_pid(made) is below
        with rcu():
            assert find_pid_ns(1, below) is made
            assert find_pid_ns(pid_nr(made), init_pid_ns()) is made
            assert find_pid_ns(pid_nr(made), below) is None
        numbers = [pid_nr_ns(made, ns) for ns in (init_pid_ns(), below)]
        beside = pid_namespace(parent=init_pid_ns(), level=1)
        return told, numbers, pid_nr_ns(made, beside), pid_vnr(made)

    with Machine() as m:
        # Who is first has to be number 1.
        assert run(m, body) == (-EINVAL, [4, 1], 0, 4)


def test_l21_a_dying_namespace_takes_nobody() -> None:
    def body() -> object:
        below = pid_namespace(parent=init_pid_ns(), level=1)
        first = take(below)
        disable_pid_allocation(below)
        told = [error(below, 1), error(below)]
        free_pid(first)
        return [*told, error(below, 1)], sorted(init_pid_ns()._idr)

    with Machine() as m:
        # Other errors come first, and nothing is kept of what was reserved.
        assert run(m, body) == ([-EEXIST, -EINVAL, -ENOMEM], [1, 2, 3])


def test_everybody_spawned_is_in_the_first_namespace() -> None:
    with Machine() as m:
        p = m.spawn("p", threads=2)
        ns = init_pid_ns()
        assert task_active_pid_ns(p.task) is ns
        assert ns.child_reaper is m.init.task
        assert ns.pid_allocated & 0xFFFF == 4
