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
from pykmm.linux.uaccess import UserWord
from pykmm.linux.uapi import SIGKILL
from pykmm.linux.uapi_futex import FUTEX_OWNER_DIED, robust_list_head
from pykmm.mm.oom_kill import mark_oom_victim, queue_oom_reaper
from pykmm.patches.designs import DESIGNS
from pykmm.patches.patch import apply
from pykmm.scenarios.release.cast import ONE_MAPPING, Cast
from pykmm.syscalls import set_robust_list
from pykmm.workbench import Machine, Process
from tests.scenarios.release.exploring import explored


def holds_a_lock(app: Process) -> Callable[[], str]:
    """Let *app* hold a lock on its list; return what tells what became of it."""
    at = app.memory[0].start
    word = UserWord(app.pid)
    lock = at + robust_list_head.size
    assert app.call(set_robust_list, robust_list_head(at, {lock: word})) == 0
    return lambda: "given up" if word.value & FUTEX_OWNER_DIED else "lost"


@pytest.mark.parametrize("design", ["A", "A'", "B", "C", "D", "E", "F", "G", "H2"])
def test_a_release_may_take_the_list_before_it_is_walked(design: str) -> None:
    def play(m: Machine) -> str:
        cast = Cast.of(m, read=False, memory=ONE_MAPPING)
        tell = holds_a_lock(cast.victim)
        cast.play()
        return tell()

    result = explored(play, DESIGNS[design])
    assert {each.value for each in result.outcomes} == {"given up", "lost"}


@pytest.mark.parametrize(("design", "end"), [("A", "given up"), ("I-now", "lost")])
def test_two_seconds_protect_the_list_from_the_kernels_reaper(
    design: str, end: str
) -> None:
    """The victim is in the kernel for a second before it takes the signal."""
    with Machine(Config(timers=Timers.IDLE)) as m:
        apply(m, [DESIGNS[design]])
        app = m.spawn("app", anon="16K")
        tell = holds_a_lock(app)
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
