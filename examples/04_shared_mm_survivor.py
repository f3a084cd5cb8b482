# SPDX-License-Identifier: GPL-2.0-only
"""A process that shares the memory and lives on forbids the release."""

from pykmm import Machine, explore
from pykmm.linux.uapi import SIGKILL
from pykmm.syscalls import kill, pidfd_open, process_mrelease


def one_of_two_is_killed(m: Machine) -> object:
    app = m.spawn("app", anon="16K")
    friend = m.spawn("friend", shares_mm=app)
    lmkd = m.spawn("lmkd")

    @lmkd.runs
    def _() -> int:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        return process_mrelease(fd, 0)

    m.run()
    assert friend.mm is not None, "nobody touched the friend"
    return lmkd.result


result = explore(one_of_two_is_killed)
print(sorted(repr(outcome.value) for outcome in result.outcomes))
