# SPDX-License-Identifier: GPL-2.0-only
"""What each observer sees of a process on its way out, found out by looking.

``python tests/lifecycle/process_states.py`` writes docs/reference/process-states.md.
For every row a machine of its own runs the process up to a named step, and only then
lets the observers run, which look and call ``process_mrelease()``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pykmm.engine import Config, Thread, Timers, current_machine
from pykmm.linux.mm_types import MM_ANONPAGES, MMF_FLAGS, _tree_of, mm_struct
from pykmm.linux.sched import task_struct
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.oom_kill_select import LONG_MIN, oom_badness
from pykmm.syscalls import close, exit_group, kill, pidfd_open, process_mrelease
from pykmm.workbench import Machine

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "process-states.md"

#: State; what is its last step, as kind and end of the object's name; what happens.
ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("S1", "", "", "running"),
    ("S1a", "", "", "running, oom_score_adj -1000"),
    ("S2", "", "", "killed, and has not run since"),
    ("S2x", "", "", "the same, but another process uses the memory, too"),
    ("S4", "atomic_dec_and_test", ".mm_users", "exit_mmap() before MMF_OOM_SKIP"),
    ("S5", "set_bit", ".flags[21]", "MMF_OOM_SKIP set, tables to be freed"),
    ("S6", "up_write", ".mmap_lock", "tree destroyed"),
    ("S7", "", "nothing", "zombie that nobody waits for"),
    ("S8", "", "nothing", "released"),
)


#: States in which the process takes no step.
_DORMANT = ("S1", "S1a", "S2", "S2x")


class Order:
    """Run the victim as long as it is *on the way*, and then the watcher before all."""

    def __init__(self, on_the_way: Callable[[], bool]) -> None:
        self.on_the_way = on_the_way

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return who is next."""
        del running
        watcher = [t for t in enabled if t.name == "watcher"]
        others = [t for t in enabled if t.name != "watcher"]
        return (others + watcher if self.on_the_way() else watcher + others)[0]


def look(state: str, kind: str, end: str) -> list[str]:
    """Run a machine up to the state, and let everybody look."""

    def on_the_way() -> bool:
        if state in _DORMANT:
            return False
        return not any(
            event.kind == kind and event.obj.name.endswith(end)
            for event in m.events
            if event.thread.name == "app"
        )

    config = Config(timers=Timers.IDLE)
    with Machine(config, scheduler=Order(on_the_way)) as m:
        adj = -1000 if state == "S1a" else 0
        parent = None if state == "S8" else m.spawn("parent")
        app = m.spawn("app", anon="64K", oom_score_adj=adj, parent=parent)
        if state == "S2x":
            m.spawn("sharer", shares_mm=app)
        watcher = m.spawn("watcher")
        mm = app.mm
        assert mm is not None
        seen: list[str] = []
        if state not in _DORMANT:
            app.runs(lambda: exit_group(0))

        @watcher.runs
        def _() -> None:
            if state in ("S2", "S2x"):
                kill(app.pid, SIGKILL)
            seen.extend(facts(m, app.task, mm))
            fd = pidfd_open(app.pid, 0)
            seen.append("yes" if fd >= 0 else "no")
            seen.append("-" if state == "S8" else scan(app.task))
            seen.append(repr(process_mrelease(fd, 0)) if fd >= 0 else repr(fd))
            if fd >= 0:
                close(fd)

        m.run()
        return seen


def scan(task: task_struct) -> str:
    """Ask what the OOM killer would think of the process."""
    points = oom_badness(task, current_machine().config.totalram_pages)
    return "no candidate" if points == LONG_MIN else "candidate"


def facts(m: Machine, task: task_struct, mm: mm_struct) -> list[str]:
    """Look at the fields, without a step."""
    shown = "None" if task.__dict__["mm"] is None else "set"
    if mm not in m.alive:
        return [shown, "-", "-", "-", "-"]
    flags = [
        name.removeprefix("MMF_")
        for name, bit in MMF_FLAGS.items()
        if mm.flags._has(bit)
    ]
    return [
        shown,
        str(mm.mm_users.counter),
        str(len(_tree_of(mm)._entries())),
        str(mm.rss_stat[MM_ANONPAGES].counter),
        " ".join(flags) or "-",
    ]


def page() -> str:
    """Write the page."""
    head = (
        "state",
        "what",
        "task.mm",
        "mm_users",
        "VMAs",
        "pages",
        "flags",
        "pid visible",
        "scan",
        "process_mrelease()",
    )
    rows = [[state, what, *look(state, kind, end)] for state, kind, end, what in ROWS]
    lines = ["| " + " | ".join(row) + " |" for row in [list(head), *rows]]
    lines.insert(1, "|" + "---|" * len(head))
    return _TEXT + "\n".join(lines) + "\n"


_TEXT = (
    "# The states of a process, from alive to released\n\n"
    "Generated by `tests/lifecycle/process_states.py`; a test compares.\n"
    "Each row is a run of its own: the process is taken up to a named step of its "
    "exit, and only then does anybody else look.\n"
    "The process has one mapping of 16 pages.\n"
    "Without a parent that waits it stays a zombie; *scan* is what `oom_badness()` "
    "says of it.\n\n"
)

if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
