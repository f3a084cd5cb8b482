# SPDX-License-Identifier: GPL-2.0-only
"""Locks that are still held where nobody may hold any."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.engine.annotate import original
from pykmm.errors import ContextError
from pykmm.kernel.exit import do_exit
from pykmm.kernel.exit_notify import exit_notify
from pykmm.linux.freezer import freezer, static_branch_freezer, try_to_freeze
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.rcupdate import rcu_read_lock
from pykmm.linux.sched import PF_NOFREEZE, current, task_struct
from pykmm.patches.patch import Patch, apply
from pykmm.syscalls import exit_group
from pykmm.workbench import Machine


def run(program: Callable[[], object]) -> None:
    with Machine() as m:
        p = m.spawn("p", anon="16K")
        p.runs(program)
        m.run()


def test_nobody_exits_with_a_lock() -> None:
    def dies() -> None:
        mutex_lock(mutex())
        do_exit(0)

    with pytest.raises(ContextError, match="p exits or freezes while it holds") as info:
        run(dies)
    assert info.value.facts == [("holds", "mutex#1 since step 2")]


def test_nobody_exits_in_a_read_section() -> None:
    patch = Patch("keeps-rcu", kind="bug", summary="no unlock", origin="this test")

    @patch.replaces(exit_notify)
    def and_read(tsk: task_struct, group_dead: bool) -> None:
        original(exit_notify)(tsk, group_dead)
        rcu_read_lock()

    with Machine() as m:
        apply(m, [patch])
        m.spawn("p").runs(lambda: exit_group(0))
        with pytest.raises(ContextError, match="while it holds an RCU read section"):
            m.run()


@pytest.mark.parametrize("flags", [0, PF_NOFREEZE])
def test_nobody_freezes_with_a_lock(flags: int) -> None:
    def freezes() -> None:
        freezer().pm_freezing = True
        static_branch_freezer(True)
        current().flags |= flags
        lock = mutex()
        mutex_lock(lock)
        assert not try_to_freeze()
        mutex_unlock(lock)

    if flags:
        run(freezes)
        return
    with pytest.raises(ContextError, match="p exits or freezes while it holds mutex#1"):
        run(freezes)
