# SPDX-License-Identifier: GPL-2.0-only
"""``kill()`` and ``process_mrelease()`` against a process that is exiting.

The caller is called *lmkd* after Android's low-memory killer daemon, for whom
the system call was made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import frozen

from ..boot import Region
from ..linux.mm_types import mm_struct
from ..linux.uapi import SIGKILL
from ..scenario import Scenario
from ..syscalls import kill, pidfd_open, process_mrelease
from ..workbench import Machine, Process

__all__ = ["SCENARIOS", "Stranded"]

#: Two mappings a page-table page each, a few pages full.
_SMALL = (Region("anon", 64 << 10), Region("anon", 64 << 10))


@frozen(repr=False)
class Stranded:
    """A result, and the memory that is left behind once everybody is at rest."""

    ret: object
    pages: int
    holders: tuple[str, ...]

    def __repr__(self) -> str:
        if not self.pages:
            return f"{self.ret!r}, nothing is left"
        by = ", ".join(self.holders)
        return f"{self.ret!r}, {self.pages} pages stranded, held by {by}"


def _resident(mm: mm_struct) -> int:
    return sum(counter.counter for counter in mm.rss_stat)


def _kill_and_release(app: Process, lmkd: Process) -> None:
    @lmkd.runs
    def _() -> int:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        return process_mrelease(fd, 0)


def mrelease_vs_exit(m: Machine) -> object:
    """One caller, one victim, and init who reaps it."""
    app = m.spawn("app", regions=_SMALL)
    lmkd = m.spawn("lmkd")
    _kill_and_release(app, lmkd)
    m.run()
    return lmkd.result


def mrelease_pinned(m: Machine) -> object:
    """The same, while a reader of the victim's memory holds ``mm_users``."""
    app = m.spawn("app", regions=_SMALL)
    lmkd = m.spawn("lmkd")
    mm = app.space
    pin = m.hold(mm.mm_users, by="reader (mm_users)")
    _kill_and_release(app, lmkd)
    m.run()
    pages = _resident(mm)
    pin.let_go()
    assert _resident(mm) == 0, "the last user frees everything"
    m.run()
    return Stranded(lmkd.result, pages, (pin.by,))


def two_callers(m: Machine) -> object:
    """Two callers, who have their descriptors, race each other and the victim."""
    app = m.spawn("app", regions=_SMALL[:1])
    callers = [m.spawn("lmkd"), m.spawn("psid")]
    for caller in callers:
        fd = caller.call(pidfd_open, app.pid, 0)

        @caller.runs
        def _(fd: int = fd) -> int:
            return process_mrelease(fd, 0)

    kill(app.pid, SIGKILL)
    m.run()
    return tuple(caller.result for caller in callers)


def reap_kill(m: Machine) -> object:
    """One call that kills and reaps, as the designs offer it; flags are refused
    by the baseline."""
    app = m.spawn("app", regions=_SMALL)
    lmkd = m.spawn("lmkd")
    mm = app.space
    pin = m.hold(mm.mm_users, by="reader (mm_users)")

    @lmkd.runs
    def _() -> int:
        return process_mrelease(pidfd_open(app.pid, 0), 1)

    m.run()
    pages = _resident(mm)
    pin.let_go()
    m.run()
    return Stranded(lmkd.result, pages, (pin.by,))


def mrelease_alive(m: Machine) -> object:
    """Nobody killed the target: the call must refuse."""
    app = m.spawn("app", regions=_SMALL[:1])
    lmkd = m.spawn("lmkd")

    @lmkd.runs
    def _() -> int:
        return process_mrelease(pidfd_open(app.pid, 0), 0)

    m.run()
    return lmkd.result


def _scenario(
    name: str,
    function: Callable[[Machine], object],
    summary: str,
) -> Scenario:
    # Nobody runs out of memory here, so the reaper would only add steps.
    return Scenario(
        name=name,
        function=function,
        summary=summary,
        machine=partial(Machine, reaper=False),
    )


SCENARIOS = (
    _scenario(
        "mrelease-vs-exit",
        mrelease_vs_exit,
        "kill, then process_mrelease(), against the victim's own exit",
    ),
    _scenario(
        "mrelease-pinned",
        mrelease_pinned,
        "the same with a second holder of mm_users: what -ESRCH leaves behind",
    ),
    _scenario(
        "mrelease-two-callers",
        two_callers,
        "two callers of process_mrelease() and one exiting victim",
    ),
    _scenario(
        "reap-kill",
        reap_kill,
        "PROCESS_MRELEASE_REAP_KILL with a second holder of mm_users; needs a design",
    ),
    _scenario(
        "mrelease-alive",
        mrelease_alive,
        "process_mrelease() on a process that lives on",
    ),
)
