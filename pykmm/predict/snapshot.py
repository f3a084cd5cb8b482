# SPDX-License-Identifier: GPL-2.0-only
"""A machine as its ``/proc`` shows it, at about one moment.

``MemTotal`` is ``totalram_pages`` to the page, and ``SwapTotal`` is
``total_swap_pages`` plus what a running swapoff has still to empty.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import evolve, frozen

from ..errors import UsageError
from .parse import parse_meminfo, parse_number
from .source import Folder, Gone, Unreadable, understand
from .tasks import TaskReading, mark_vfork_children, read_task

__all__ = ["PROC", "Snapshot", "open_proc", "read_again", "read_snapshot"]

PROC: Final = "/proc"

Progress = Callable[[str], None]


@frozen
class Snapshot:
    """What was read. *tasks* stand in the order of the kernel's process list."""

    page_size: int
    ram_kib: int
    swap_kib: int
    release: str | None
    cpus: int
    tasks: tuple[TaskReading, ...]
    #: Processes that ended while they were read, and those that may not be read.
    gone: int
    unreadable: int
    #: How many threads there are that this ``/proc`` does not list.
    hidden_threads: int
    #: Whether kernel threads are seen: then pid 1 is the machine's own init.
    sees_kernel: bool
    #: Whether a container's file system shows its own idea of ``meminfo``.
    meminfo_is_covered: bool
    panic_on_oom: int
    oom_kill_allocating_task: int
    swappiness: int

    @property
    def ram_pages(self) -> int:
        """The machine's ``totalram_pages``."""
        return max(self.ram_kib * 1024 // self.page_size, 1)

    @property
    def swap_pages(self) -> int:
        """The machine's ``total_swap_pages``."""
        return self.swap_kib * 1024 // self.page_size

    @property
    def totalpages(self) -> int:
        """What ``oom_score`` is a share of."""
        return self.ram_pages + self.swap_pages


def open_proc(path: str) -> Folder:
    """Open the directory; say what is wrong with it if that fails."""
    remedy = "pass --proc DIR with a copy of a Linux machine's /proc"
    try:
        return Folder(path)
    except Gone:
        raise UsageError(f"there is no directory {path!r}: {remedy}") from None
    except Unreadable as why:
        raise UsageError(f"{path!r} cannot be read ({why}): {remedy}") from None


def read_snapshot(proc: Folder, progress: Progress | None = None) -> Snapshot:
    """Read everything once."""
    ram, swap = _meminfo(proc)
    pids = proc.numbers()
    tasks, gone, unreadable = _read_all(proc, pids, progress)
    if not tasks:
        raise UsageError(
            f"{proc.path!r} shows no process that may be read: pass --proc DIR with "
            "a Linux machine's /proc, or read it as a user who may"
        )
    return Snapshot(
        page_size=_page_size(proc, tasks),
        ram_kib=ram,
        swap_kib=swap,
        release=_release(proc),
        cpus=_cpus(proc),
        tasks=tuple(tasks),
        gone=gone,
        unreadable=unreadable,
        hidden_threads=0 if 1 in pids else _hidden_threads(proc, tasks),
        sees_kernel=any(task.kthread for task in tasks),
        meminfo_is_covered=b" /proc/meminfo "
        in (proc.read_if_there("self/mountinfo") or b""),
        panic_on_oom=_sysctl(proc, "panic_on_oom"),
        oom_kill_allocating_task=_sysctl(proc, "oom_kill_allocating_task"),
        swappiness=_sysctl(proc, "swappiness", default=60),
    )


def read_again(proc: Folder, first: Snapshot, pids: Iterable[int]) -> Snapshot:
    """Read *pids* a second time, with their parents; the rest is left out.

    A number that another process has got since is left out, too.
    """
    known = {task.pid: task for task in first.tasks}
    wanted = {pid for pid in pids if pid in known}
    wanted |= {known[pid].stat.ppid for pid in wanted}
    tasks, _, _ = _read_all(proc, sorted(wanted & known.keys()), None)
    same = [task for task in tasks if task.stat.start == known[task.pid].stat.start]
    ram, swap = _meminfo(proc)
    return evolve(first, tasks=tuple(same), ram_kib=ram, swap_kib=swap)


def _meminfo(proc: Folder) -> tuple[int, int]:
    path = f"{proc.path.rstrip('/')}/meminfo"
    try:
        return understand(path, parse_meminfo, proc.read("meminfo"))
    except (Gone, Unreadable) as why:
        reason = f" ({why})" if str(why) else ""
        raise UsageError(
            f"{path} cannot be read{reason}: pass --proc DIR with a directory that "
            "has the files of a Linux /proc"
        ) from None


def _read_all(
    proc: Folder, pids: Sequence[int], progress: Progress | None
) -> tuple[list[TaskReading], int, int]:
    tasks: list[TaskReading] = []
    gone = unreadable = 0
    for number, pid in enumerate(pids):
        if progress is not None and number % 100 == 0:
            progress(f"read {number} of {len(pids)} processes")
        try:
            tasks.append(read_task(proc, pid))
        except Gone:
            gone += 1
        except Unreadable:
            unreadable += 1
    # Processes are listed as they were created; numbers begin anew at some time.
    tasks.sort(key=lambda task: (task.stat.start, task.pid))
    return mark_vfork_children(proc, tasks), gone, unreadable


def _page_size(proc: Folder, tasks: Sequence[TaskReading]) -> int:
    """Compare one process's size in bytes with the same in pages."""
    for task in tasks:
        if task.memory is None or task.leader_exited:
            continue
        words = (proc.read_if_there(f"{task.pid}/statm") or b"").split()
        pages = int(words[0]) if words and words[0].isdigit() else 0
        size = task.stat.vsize // pages if pages else 0
        if size >= 4096 and size & (size - 1) == 0:
            return size
    return os.sysconf("SC_PAGE_SIZE") if proc.path == PROC else 4096


def _release(proc: Folder) -> str | None:
    raw = proc.read_if_there("sys/kernel/osrelease")
    if raw is None:
        words = (proc.read_if_there("version") or b"").split()
        raw = words[2] if words[:2] == [b"Linux", b"version"] and words[2:] else b""
    return raw.decode("ascii", "replace").strip() or None


def _cpus(proc: Folder) -> int:
    lines = (proc.read_if_there("stat") or b"").splitlines()
    return sum(line[:3] == b"cpu" and line[3:4].isdigit() for line in lines) or 1


def _hidden_threads(proc: Folder, tasks: Sequence[TaskReading]) -> int:
    """Compare the kernel's count of threads with those that are seen."""
    words = (proc.read_if_there("loadavg") or b"").split()
    total = words[3].partition(b"/")[2] if len(words) > 3 else b""
    if not total.isdigit():
        return 0
    return max(int(total) - sum(task.stat.threads for task in tasks), 0)


def _sysctl(proc: Folder, name: str, default: int = 0) -> int:
    raw = proc.read_if_there(f"sys/vm/{name}")
    if raw is None:
        return default
    return understand(f"{proc.path}/sys/vm/{name}", parse_number, raw)
