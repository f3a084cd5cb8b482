# SPDX-License-Identifier: GPL-2.0-only
"""Writers of ``oom_score_adj`` who meet: sharers agree in the end, in every order."""

from __future__ import annotations

from pykmm import Machine, explore
from pykmm.kernel.fork_oom import copy_oom_score_adj, inherit_oom_score_adj
from pykmm.linux.mm_types import MMF_MULTIPROCESS
from pykmm.linux.uapi import CLONE_VM, O_WRONLY
from pykmm.mm.oom_kill import oom, oom_killer_disable, oom_killer_enable
from pykmm.syscalls import open as open_file
from pykmm.syscalls import write
from pykmm.workbench import Process


def adj(process: Process) -> int:
    return process.task.signal.oom_score_adj


def writes(writer: Process, target: Process, text: str) -> None:
    @writer.runs
    def _() -> int:
        return write(open_file(f"/proc/{target.pid}/oom_score_adj", O_WRONLY), text)


def two_writers(m: Machine) -> object:
    p = m.spawn("P")
    q = m.spawn("Q", shares_mm=p)
    writes(m.spawn("a"), p, "300")
    writes(m.spawn("b"), q, "-100")
    m.run()
    return adj(p), adj(q)


def fork_and_write(m: Machine) -> object:
    parent = m.spawn("parent")
    child = m.spawn("child", shares_mm=parent)
    mm = parent.mm
    assert mm is not None
    mm.flags.bit(MMF_MULTIPROCESS).value = False  # the child is only just being made

    @parent.runs
    def _() -> None:
        inherit_oom_score_adj(child.task.signal)
        copy_oom_score_adj(CLONE_VM, child.task)

    writes(m.spawn("writer"), parent, "300")
    m.run()
    return adj(parent), adj(child)


def suspend_and_resume(m: Machine) -> object:
    suspend, resume = m.spawn("suspend"), m.spawn("resume")
    suspend.runs(lambda: oom_killer_disable(10))
    resume.runs(oom_killer_enable)
    m.run()
    return suspend.result, oom().oom_killer_disabled


def test_two_writers_leave_both_sharers_with_one_value() -> None:
    result = explore(two_writers)
    assert result.complete
    assert {repr(value) for value in result.values} == {
        "(300, 300)",
        "(-100, -100)",
    }


def test_a_write_that_meets_a_fork_reaches_the_child() -> None:
    result = explore(fork_and_write)
    assert result.complete
    assert {repr(value) for value in result.values} == {"(300, 300)"}


def test_switching_on_takes_no_lock() -> None:
    result = explore(suspend_and_resume)
    assert result.complete
    outcomes = {repr(value) for value in result.values}
    assert outcomes == {"(True, True)", "(True, False)"}
