# SPDX-License-Identifier: GPL-2.0-only
"""A process that dumps core dies, but nobody may take its memory yet."""

from pykmm import Machine
from pykmm.fs.coredump import core_settings
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.linux.uapi import SIGSEGV
from pykmm.syscalls import getpid, kill, pidfd_open, process_mrelease

with Machine() as m:
    app = m.spawn("app", anon="64K")
    lmkd = m.spawn("lmkd")
    mm = app.space
    settings = core_settings()
    # A program reads the dump from a pipe, which takes one page at a time.
    settings.core_pattern, settings.pipe_buffers = "|slow", 1

    app.runs(lambda: kill(getpid(), SIGSEGV))
    m.run()
    print("the dump waits for its reader:", app.task.signal.core_state is not None)

    lmkd.runs(lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
    m.run()
    print("process_mrelease:", repr(lmkd.result))
    print("resident:", mm.rss_stat[MM_ANONPAGES].counter, "pages")

    settings.pipes[-1].read(100)
    m.run()
    print("once somebody has read it:", mm.rss_stat[MM_ANONPAGES].counter, "pages")
