# SPDX-License-Identifier: GPL-2.0-only
"""The head of an exit as Linux 6.12 had it, beside today's."""

from __future__ import annotations

import pytest

from pykmm.fs.coredump import core_settings
from pykmm.linux.sched import PF_DUMPCORE
from pykmm.linux.uapi import SIG_BLOCK, SIGABRT, SIGKILL, SIGTERM
from pykmm.patches.kernels.v6_12 import patch
from pykmm.patches.patch import apply
from pykmm.runner import explore
from pykmm.syscalls import exit as exit_thread
from pykmm.syscalls import exit_group, getpid, kill, sigprocmask, tkill, wait4
from pykmm.workbench import Machine
from tests.lifecycle._people import is_gone, plain


def _dump_against_exits(m: Machine) -> object:
    apply(m, [patch])
    m.boot_kernel()
    with m.as_boot():
        core_settings().core_pattern = "core"
    parent = m.spawn("parent")
    app = m.spawn("app", anon="4K", threads=3, parent=parent)
    app.threads[0].runs(lambda: exit_thread(0))
    app.threads[1].runs(lambda: kill(getpid(), SIGABRT))
    app.threads[2].runs(lambda: exit_group(5))
    parent.runs(lambda: wait4(app.pid))
    m.run()
    assert is_gone(app)
    assert isinstance(parent.result, tuple)
    return parent.result[1]


def test_6_12_dumps_wait_for_whoever_has_not_come_to_the_meeting() -> None:
    result = explore(_dump_against_exits, scheduler="pct", executions=60)
    assert not result.reports
    assert {o.value for o in result.outcomes} == {SIGABRT | 0x80, 5 << 8}


@pytest.mark.parametrize(("old", "left"), [(True, {SIGTERM}), (False, set())])
def test_private_signals_went_later_in_6_12(old: bool, left: set[int]) -> None:
    with Machine() as m:
        if old:
            apply(m, [patch])
        parent = m.spawn("parent")
        app = m.spawn("app", parent=parent)

        @app.runs
        def _() -> None:
            sigprocmask(SIG_BLOCK, {SIGTERM})
            tkill(app.pid, SIGTERM)
            exit_group(0)

        m.run()
        assert plain(app.task, "pending") == left
        assert not plain(app.task, "flags") & PF_DUMPCORE
        kill(parent.pid, SIGKILL)
        m.run()
