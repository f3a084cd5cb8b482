# SPDX-License-Identifier: GPL-2.0-only
"""Kill a process and get its memory back, the way Android's lmkd does."""

from pykmm import Machine
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.linux.uapi import SIGKILL
from pykmm.syscalls import kill, pidfd_open, process_mrelease

with Machine() as m:
    app = m.spawn("app", anon="256K")
    lmkd = m.spawn("lmkd")
    assert app.mm is not None
    resident = app.mm.rss_stat[MM_ANONPAGES]

    @lmkd.runs
    def _() -> int:
        fd = pidfd_open(app.pid, 0)
        print("resident before:", resident.counter, "pages")
        kill(app.pid, SIGKILL)
        ret = process_mrelease(fd, 0)
        print("process_mrelease:", ret)
        print("resident after:", resident.counter, "pages")
        return ret

    m.run()
    print("app is gone:", app.task._death is not None)
