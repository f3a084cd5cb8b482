# SPDX-License-Identifier: GPL-2.0-only
"""A list of robust futexes, which a reap pass may take before its thread walks it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.engine import Config, Timers
from pykmm.kernel.signal_send import do_send_sig_info
from pykmm.linux.jiffies import HZ, schedule_timeout_uninterruptible
from pykmm.linux.pid import PIDTYPE_TGID
from pykmm.linux.sched.task import task_lock, task_unlock
from pykmm.linux.signal import SEND_SIG_PRIV
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.oom_kill import mark_oom_victim, queue_oom_reaper
from pykmm.patches.designs import DESIGNS
from pykmm.patches.patch import apply
from pykmm.patches.situations import robust_list
from pykmm.scenarios.release.cast import ONE_MAPPING, Cast
from pykmm.workbench import Machine, Process
from tests.scenarios.release.exploring import explored


def walks_its_list(app: Process) -> Callable[[], str]:
    """Let *app* have a list; return what tells afterwards what became of it."""
    robust_list.register(app.task, app.memory[0].start)

    def tell() -> str:
        with app.machine.as_boot():
            return "walked" if robust_list.was_walked(app.task) else "lost"

    return tell


@pytest.mark.parametrize("design", ["A", "A'", "B", "C", "D", "E", "F", "G", "H2"])
def test_a_release_may_take_the_list_before_it_is_walked(design: str) -> None:
    def play(m: Machine) -> str:
        cast = Cast.of(m, read=False, memory=ONE_MAPPING)
        tell = walks_its_list(cast.victim)
        cast.play()
        return tell()

    result = explored(play, DESIGNS[design], robust_list.patch)
    assert {each.value for each in result.outcomes} == {"walked", "lost"}


@pytest.mark.parametrize(("design", "end"), [("A", "walked"), ("I-now", "lost")])
def test_two_seconds_protect_the_list_from_the_kernels_reaper(
    design: str, end: str
) -> None:
    """The victim is in the kernel for a second before it takes the signal."""
    with Machine(Config(timers=Timers.IDLE)) as m:
        apply(m, [DESIGNS[design], robust_list.patch])
        app = m.spawn("app", anon="16K")
        tell = walks_its_list(app)
        app.runs(lambda: schedule_timeout_uninterruptible(HZ()))

        @m.spawn("killer").runs
        def _() -> None:
            schedule_timeout_uninterruptible(HZ() // 2)
            task_lock(app.task)
            do_send_sig_info(SIGKILL, SEND_SIG_PRIV, app.task, PIDTYPE_TGID)
            mark_oom_victim(app.task)
            task_unlock(app.task)
            queue_oom_reaper(app.task)

        m.run()
        assert tell() == end
