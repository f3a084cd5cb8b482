# SPDX-License-Identifier: GPL-2.0-only
"""A process stands in the middle of its exit, and somebody asks for its memory."""

from collections.abc import Callable

from pykmm import Machine
from pykmm.kernel.exit import exit_mm, exit_notify
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.mm.mmap import exit_mmap
from pykmm.syscalls import exit_group, pidfd_open, process_mrelease
from pykmm.workbench import Tree

FAMILY = Tree("shell", Tree("app", anon="64K"), Tree("lmkd"))


def ask_at(function: Callable[..., object]) -> None:
    """Take the process to its first step in a function, and ask there."""
    with Machine() as m:
        _, app, lmkd = m.spawn_tree(FAMILY)
        mm = app.space
        fd = lmkd.call(pidfd_open, app.pid, 0)
        app.runs(lambda: exit_group(0))

        app.step_to(inside=function)
        before = mm.rss_stat[MM_ANONPAGES].counter
        answer = lmkd.call(process_mrelease, fd, 0)
        after = mm.rss_stat[MM_ANONPAGES].counter
        print(
            f"{function.__name__:12}", f"{before:2} -> {after:2} pages ", repr(answer)
        )

        app.thaw()
        m.run()


for function in (exit_mm, exit_mmap, exit_notify):
    ask_at(function)
