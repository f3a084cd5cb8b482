# SPDX-License-Identifier: GPL-2.0-only
"""Worlds of which the answer is known: figures by hand, nobody runs by himself.

Each vector is a test that bears its number. Unless a vector says something else the
machine has one node, pages of 4 KiB and HZ 1000, and all processes are alive, with
an address space of their own, one thread and no adjustment. The processes are
asleep and do not react to anything: what the killer leaves behind can be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pykmm.boot import build_thread
from pykmm.engine import Config, Timers
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    mm_struct,
)
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.oom import oom_control
from pykmm.linux.printk import console
from pykmm.linux.sched import TIF_MEMDIE, task_struct
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT
from pykmm.linux.tracepoint import TraceEntry, trace_buffer
from pykmm.mm.oom_kill import oom, out_of_memory
from pykmm.workbench import Machine, Process

RAM = 1_000_000


class World:
    """A machine whose processes lie still, and how to ask its OOM killer."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.boot_kernel()

    def process(
        self,
        name: str,
        *,
        anon: int = 0,
        file: int = 0,
        shmem: int = 0,
        swap: int = 0,
        tables: int = 0,
        total_vm: int = 0,
        adj: int = 0,
        uid: int = 0,
        pid: int = 0,
        threads: int = 1,
        shares: Process | None = None,
        memcg: mem_cgroup | None = None,
    ) -> Process:
        """Make a process with so many pages, and *tables* bytes of page tables."""
        made = self.machine.spawn(
            name, uid=uid, pid=pid, oom_score_adj=adj, shares_mm=shares, memcg=memcg
        )
        made.task._program = None
        for _ in range(threads - 1):
            self.thread(made)
        if shares is None:
            mm = self.mm(made)
            counts = {MM_ANONPAGES: anon, MM_FILEPAGES: file, MM_SHMEMPAGES: shmem}
            for member, pages in (counts | {MM_SWAPENTS: swap}).items():
                mm.rss_stat[member].counter = pages
            mm.pgtables_bytes.counter = tables
            mm.total_vm = total_vm
        return made

    def thread(self, process: Process) -> task_struct:
        """Add a thread to *process*; it lies still, too."""
        name = self.machine._unique(process.name)
        made = build_thread(process.task, name)
        made._program = None
        return made

    def mm(self, process: Process) -> mm_struct:
        """Return the address space of *process*, which it still shows."""
        assert process.mm is not None
        return process.mm

    def drop_mm(self, task: task_struct) -> None:
        """Have *task* be past ``exit_mm()``."""
        mm: mm_struct = task.__dict__["mm"]
        mm.mm_users.counter -= 1
        task.mm = None

    def be(self, who: Process | task_struct) -> None:
        """Let *who* make all calls from now on."""
        task = who.task if isinstance(who, Process) else who
        self.machine.boot.task = task

    def oom(self, oc: oom_control | None = None) -> tuple[bool, oom_control]:
        """Ask the killer."""
        oc = oc or oom_control()
        mutex_lock(oom().oom_lock)
        try:
            return out_of_memory(oc), oc
        finally:
            mutex_unlock(oom().oom_lock)

    def lines(self) -> list[str]:
        """Return what was printed, without dumps."""
        return console().verdicts()

    def kills(self) -> list[str]:
        """Return who was killed or found dead, in order, as ``kill NAME``."""
        found = []
        for line in self.lines():
            for word, mark in (("kill", "Killed process"), ("skip", "OOM victim")):
                if mark in line:
                    name = line.partition(mark)[2].partition("(")[2].partition(")")[0]
                    found.append(f"{word} {name}")
        return found

    def trace(self, name: str) -> list[TraceEntry]:
        """Return the hits of one tracepoint."""
        return [entry for entry in trace_buffer() if entry.event.name == name]

    def counted(self) -> int:
        """Return the ``oom_kill`` line of ``/proc/vmstat``."""
        return console().vm_events.get("OOM_KILL", 0)

    def memdie(self, task: task_struct) -> bool:
        """Tell whether *task* is a marked victim."""
        return task.thread_flags._has(TIF_MEMDIE)

    def killed(self, who: Process | task_struct) -> bool:
        """Tell whether the process was sent a fatal signal."""
        task = who.task if isinstance(who, Process) else who
        return bool(task.signal.__dict__["flags"] & SIGNAL_GROUP_EXIT)

    def dying(self, process: Process) -> Process:
        """Have *process* be killed already, without anybody having run since."""
        process.task.signal.flags = SIGNAL_GROUP_EXIT
        return process

    def victim(self, process: Process) -> Process:
        """Have *process* be a victim that is still dying."""
        mm = self.mm(process)
        process.task.signal.oom_mm = mm
        mm.mm_count.counter += 1
        return process


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Make worlds; they end with the test."""
    with ExitStack() as stack:

        def make(**facts: object) -> World:
            given = {"hz": 1000, "timers": Timers.IDLE, "node_pages": (RAM,)} | facts
            config = Config(**given)  # type: ignore[arg-type]  # by name
            return World(stack.enter_context(Machine(config)))

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world of a million pages without swap."""
    return make_world()


#: The number of the victim that most kills are told by.
PID = 4242


def hog_of(world: World, **facts: object) -> Process:
    """Make the victim, and somebody protected who asks."""
    counts: dict[str, object] = {"anon": 262144, "file": 16, "swap": 50}
    counts |= {"tables": 4198400, "total_vm": 524288, "uid": 1000, "pid": PID}
    hog = world.process("hog", **(counts | facts))  # type: ignore[arg-type]
    world.be(world.process("caller", adj=-1000))
    return hog
