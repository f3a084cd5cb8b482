# SPDX-License-Identifier: GPL-2.0-only
"""The machine that users boot: an engine machine with a kernel on it.

Boot makes init, which reaps orphans when it is told of a death, and the OOM
reaper's kernel thread. A machine on which nobody is spawned never boots, so that
programs over plain cells and locks cost nothing of it. Processes are spawned by
the host while the machine is at rest; their programs run when
:meth:`Machine.run` is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from .. import engine
from ..boot import Region, build_process, build_thread, start_kthread
from ..engine.baton import Baton
from ..engine.objects import Named
from ..engine.scheduler import FirstEnabled
from ..engine.thread import AsThread, Sleep, Thread
from ..errors import UsageError, check_is, check_whole
from ..fs.open import _make_plain
from ..holds import Hold, hold, holds
from ..invariants import Watch, check_at_rest
from ..kernel.exit_wait import kernel_wait4
from ..kernel.futex.core import futex_init
from ..linux.memcontrol import PAGE_COUNTER_MAX, mem_cgroup
from ..linux.mm import for_each_vma
from ..linux.mm_types import VMA_ITERATOR, mm_struct
from ..linux.rculist import list_entries
from ..linux.sched import task_struct
from ..linux.sched.signal import init_tasks
from ..linux.signal import sigaction
from ..linux.uapi import SA_NODEFER, SIGCHLD, WNOHANG
from ..mm.hugetlb_pool import hugetlb_init
from ..mm.oom_kill import oom, oom_init, oom_reaper
from ..mm.util import init_vm_util_sysctls
from ..mm.vmscan_kswapd import kswapd
from .family import Tree, plant
from .process import Process
from .spawning import check_spawned, parse_size, sized

__all__ = ["Machine"]


def _areas(mm: mm_struct | None) -> tuple[range, ...]:
    """Return the addresses of each mapping of *mm*; the host looks."""
    if mm is None:
        return ()
    vmas = for_each_vma(VMA_ITERATOR(mm, 0))
    return tuple(range(vma.vm_start, vma.vm_end) for vma in vmas)


class Machine(engine.Machine):
    """A machine with a kernel on it, which boots when the first process is spawned.

    Takes what :class:`pykmm.engine.Machine` takes. ``reaper=False`` boots without
    the OOM reaper's thread, which scenarios without an OOM kill do not need.
    """

    def __init__(self, *args: Any, reaper: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names: dict[str, int] = {}
        self._reaper = reaper
        self._booting = False
        self._init: Process | None = None
        self.processes: list[Process] = []
        #: By parent and name.
        self._cgroups: dict[tuple[mem_cgroup | None, str], mem_cgroup] = {}

    @property
    def init(self) -> Process:
        """The first process; the machine boots if it has not yet."""
        return self._init or self.boot_kernel()

    def boot_kernel(self) -> Process:
        """Boot now instead of when it is needed, and return init."""
        if self._init is not None:
            return self._init
        self._booting = True
        with self.as_boot():
            self.observers.append(Watch())
            self._init = init = self._spawn("init", pid=1)
            sighand = init.task.__dict__["sighand"]
            # Nothing is blocked while it reaps: that would only cost steps.
            sighand.action = {SIGCHLD: sigaction(_reap_children, SA_NODEFER)}
            self.boot.task = init.task
            oom_init()
            hugetlb_init()
            futex_init()
            init_vm_util_sysctls()
            others, self.live = self.live, []
            self._start_kthreads()
            if self.live:
                self._settle()
            self.live += others
        self._booting = False
        return init

    def _start_kthreads(self) -> None:
        if self._reaper:
            oom().oom_reaper_th = start_kthread(self, "oom_reaper", oom_reaper)
        if self.config.kswapd:
            for nid in range(len(self.config.node_pages)):
                start_kthread(self, f"kswapd{nid}", partial(kswapd, nid))

    def ready(self) -> None:
        """Boot before the first process is built, whoever builds it."""
        if not self._booting:
            self.boot_kernel()

    def _settle(self) -> None:
        """Let kernel threads come to their first sleep, as boot does: no steps."""
        carrier = self.carrier
        observers, self.observers = self.observers, []
        if isinstance(carrier, Baton):
            scheduler, carrier.scheduler = carrier.scheduler, FirstEnabled()
            carrier.run()
            carrier.scheduler = scheduler
        else:
            carrier.run()
        if self.failure is not None:
            raise self.failure
        self.observers = observers
        self.events.clear()
        self.steps.clear()
        for t in self.threads:
            t.born = 0

    def spawn(
        self,
        name: str,
        *,
        anon: int | str = 0,
        file: int | str = 0,
        shmem: int | str = 0,
        regions: Sequence[Region] = (),
        swap: int | str = 0,
        threads: int = 1,
        uid: int = 0,
        oom_score_adj: int = 0,
        shares_mm: Process | bool | None = None,
        parent: Process | None = None,
        pid: int = 0,
        memcg: mem_cgroup | None = None,
    ) -> Process:
        """Make a process that sleeps until a signal arrives, or until it is given
        a program with :meth:`Process.runs`.

        *anon*, *file* and *shmem* are sizes of populated mappings, in bytes or as
        text (``"64M"``), *swap* of one that is swapped out; *regions* says the same
        in detail. *shares_mm* makes it a sharer of another process's address space
        (True: its parent's), as ``CLONE_VM`` does. *memcg* is its cgroup, which is
        charged for what is populated, beyond its limit if need be.
        """
        self.host_only("spawn")
        self.check_open()
        check_spawned(
            name,
            regions=regions,
            threads=threads,
            uid=uid,
            oom_score_adj=oom_score_adj,
            pid=pid,
            memcg=memcg,
        )
        wanted = [*regions, *sized(anon=anon, file=file, shmem=shmem, swap=swap)]
        above = self._mine("parent", parent) or self.init
        if not isinstance(shares_mm, bool):
            shares_mm = self._mine("shares_mm", shares_mm)
        shared = above if shares_mm is True else shares_mm or None
        process = self._spawn(
            name,
            pid=pid,
            uid=uid,
            oom_score_adj=oom_score_adj,
            parent=above.task,
            mm=None if shared is None else shared.space,
            regions=wanted,
            memcg=memcg,
        )
        with self.as_boot():
            for _ in range(threads - 1):
                build_thread(process.task, self._unique(name))
        return process

    def _mine(self, argument: str, process: Process | None) -> Process | None:
        """Return *process*, which has to be one of this machine, if it is one."""
        if process is None:
            return None
        check_is(f"spawn(): {argument}", process, Process, "a process of this machine")
        if process.machine is not self:
            raise UsageError(
                f"spawn(): {argument} {process.name} is a process of another machine"
            )
        return process

    def spawn_tree(self, tree: Tree, parent: Process | None = None) -> list[Process]:
        """Spawn a process, its children and theirs; they come in the order written."""
        return list(plant(self, tree, parent))

    def _spawn(self, name: str, **facts: Any) -> Process:
        with self.as_boot():
            task = build_process(
                self, name=name, thread_name=self._unique(name), **facts
            )
            memory = _areas(task.__dict__["mm"])
        process = Process(self, task, name, memory)
        self.processes.append(process)
        return process

    def cgroup(
        self,
        name: str,
        *,
        memory_max: int | str | None = None,
        pids_max: int | None = None,
        parent: mem_cgroup | None = None,
        oom_group: bool = False,
        legacy: bool = False,
    ) -> mem_cgroup:
        """Make a cgroup, below the root or below *parent*.

        *memory_max* is its limit, in bytes or as text, and *pids_max* that of its
        tasks; by default it has none. One with *oom_group* dies as a whole. A
        *legacy* one is of version 1.
        """
        self.host_only("cgroup")
        if not isinstance(name, str) or not name or "/" in name:
            raise UsageError(f"cgroup(): name={name!r} must hold a name without '/'")
        if pids_max is not None:
            check_whole("cgroup(): pids_max", pids_max, least=0)
        check_is("cgroup(): parent", parent, mem_cgroup | None, "a cgroup")
        place = (parent, name)
        if place in self._cgroups:
            raise UsageError(
                f"cgroup(): {self._cgroups[place].path()} is there already: give "
                f"name={name!r} another parent, or take another name"
            )
        limit = PAGE_COUNTER_MAX
        if memory_max is not None:
            limit = parse_size("memory_max", memory_max) // self.config.page_size
        with self.as_boot():
            made = self._cgroups[place] = mem_cgroup(
                cg_name=name,
                parent=parent,
                max_pages=limit,
                pids_max=pids_max,
                oom_group=oom_group,
                legacy=legacy,
            )
        return made

    def file(self, path: str, size: int | str) -> None:
        """Have a plain file, to be opened and mapped, of *size*: bytes, or text.

        Files that programs make with ``O_CREAT`` are empty until ``ftruncate()``.
        Nothing of it is in memory; touching it behind its end raises SIGBUS.
        """
        self.host_only("file")
        check_is("file(): path", path, str, "text")
        special = path.startswith(("/proc/", "/dev/"))
        if path[:1] != "/" or path.endswith("/") or special:
            raise UsageError(
                f"file(): path={path!r} must name a file, from / on, and not below "
                "/proc or /dev"
            )
        length = parse_size("size", size)
        self.ready()
        with self.as_boot():
            if not _make_plain(path, length):
                raise UsageError(
                    f"file(): path={path!r} is there already: take another, or have a "
                    "program change its size"
                )

    # -- what the host does while the machine is at rest --------------------------

    def hold(self, thing: Named, by: Process | str, *, shared: bool = False) -> Hold:
        """Take a lock, or a reference on a counter, on behalf of *by*.

        *thing* is the lock (``mm.mmap_lock``, which can be had *shared*), or the
        counter (``mm.mm_users``, ``mm.mm_count``, ``task.usage``, ``pid.count``). Who
        waits for a lock that is held here is not hung.
        """
        self.host_only("hold")
        check_is("hold(): thing", thing, Named, "a lock or a counter, as mm.mm_users")
        check_is("hold(): by", by, Process | str, "a process, or a name")
        name, task = (by, self.boot.task) if isinstance(by, str) else (by.name, by.task)
        return hold(thing, self.host_thread(name, task), shared=shared)

    def host_thread(self, name: str, task: object) -> Thread:
        """Make a thread that runs *task* when the host says so, and takes no steps."""
        thread = Thread(self, name, lambda: None, None)
        thread.key = ("host", self.number("host"))
        thread.is_boot = True
        thread.task = task
        return thread

    def is_kept_waiting(self) -> bool:
        """Tell whether somebody is frozen, or waits for a lock that the host holds."""
        if self._init is None:
            return super().is_kept_waiting()
        with self.as_boot():
            locked = any(kept.is_lock for kept in holds())
        return locked or super().is_kept_waiting()

    def judge_rest(self) -> None:
        """Report who is stuck, or a law of the kernel that does not hold."""
        super().judge_rest()
        # Who waits for a device is inside a call, and holds what calls hold.
        inside = any(t.sleep is Sleep.IDLE for t in self.live)
        if self._init is not None and not inside:
            with self.as_boot():
                check_at_rest(self)

    def _unique(self, name: str) -> str:
        number = self._names.get(name, 0) + 1
        self._names[name] = number
        return name if number == 1 else f"{name}/{number}"

    def as_boot(self) -> AsThread:
        """Let kernel code run in a ``with`` block, as the thread that booted."""
        return AsThread(self.boot)

    def tasks(self) -> list[task_struct]:
        """Return the leaders of all processes, in the order of the process list."""
        self.ready()
        with self.as_boot():
            return list_entries(init_tasks())


def _reap_children(sig: int) -> None:
    """Be init's handler of SIGCHLD: wait for whoever is dead."""
    del sig
    while True:
        reaped = kernel_wait4(-1, WNOHANG)
        if not isinstance(reaped, tuple) or reaped == (0, 0):
            return
