# SPDX-License-Identifier: GPL-2.0-only
"""An mm outlives its last task as long as somebody holds ``mm_users``."""

from pykmm import Machine
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.linux.uapi import SIGKILL
from pykmm.syscalls import kill

with Machine() as m:
    app = m.spawn("app", anon="64K")
    mm = app.space
    reader = m.hold(mm.mm_users, by="reader")

    kill(app.pid, SIGKILL)
    m.run()
    print("tasks that show it: none, mm_users:", mm.mm_users.counter)
    print("stranded:", mm.rss_stat[MM_ANONPAGES].counter, "pages, held by", reader.by)

    reader.let_go()
    print("after it let go:", mm.rss_stat[MM_ANONPAGES].counter, "pages")
    print("the structure is freed:", mm._death is not None)
