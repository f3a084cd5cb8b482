# SPDX-License-Identifier: GPL-2.0-only
"""Read what ``/proc`` says of each process, and what the kernel scores it.

The score is read before and after everything else: where both are the same, the
numbers in between belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve, frozen

from ..errors import UsageError
from ..linux.sched import PF_FORKNOEXEC, PF_KTHREAD
from .parse import Memory, Stat, parse_number, parse_stat, parse_status
from .source import Folder, Gone, Unreadable, understand

__all__ = ["TaskReading", "mark_vfork_children", "read_task"]

#: A parent in vfork() waits in this state, in a function of such a name.
_VFORK_STATE = "D"
_VFORK_WCHAN = (b"clone", b"fork")


@frozen
class TaskReading:
    """One process, as one pass over its files found it.

    *memory* and *rss* (pages) are those of the first thread that still has the
    address space; None and 0 if none does.
    """

    pid: int
    stat: Stat
    uid: int
    memory: Memory | None
    rss: int
    oom_score_adj: int
    #: The kernel's ``oom_score`` before and after; None where it is not shown.
    before: int | None
    after: int | None
    #: Whether the leader has exited, and another thread has the memory.
    leader_exited: bool = False
    #: Whether it borrows its parent's address space until it execs.
    in_vfork: bool = False

    @property
    def comm(self) -> str:
        """The name, with bytes that are no text written as escapes."""
        return self.stat.comm

    @property
    def kthread(self) -> bool:
        """Whether it is a kernel thread."""
        return bool(self.stat.flags & PF_KTHREAD)

    @property
    def is_zombie(self) -> bool:
        """Whether it has exited, all of it."""
        return self.stat.state in ("Z", "X") and self.memory is None


def read_task(proc: Folder, pid: int) -> TaskReading:
    """Read process *pid* once; raise Gone or Unreadable if that cannot be."""
    with Folder(str(pid), proc) as folder:
        before = _score(folder)
        stat = _stat(folder)
        uid, memory = _status(folder)
        rss, leader_exited = stat.rss, False
        if memory is None and stat.threads > 1 and not stat.flags & PF_KTHREAD:
            rss, memory = _of_a_thread(folder, pid)
            leader_exited = memory is not None
        adj = _number(folder, "oom_score_adj", _need(folder, "oom_score_adj"))
        after = _score(folder)
    return TaskReading(
        pid=pid,
        stat=stat,
        uid=uid,
        memory=memory,
        rss=rss if memory else 0,
        oom_score_adj=adj,
        before=before,
        after=after,
        leader_exited=leader_exited,
    )


def _stat(folder: Folder) -> Stat:
    return understand(f"{folder.path}/stat", parse_stat, folder.read("stat"))


def _status(folder: Folder) -> tuple[int, Memory | None]:
    raw = _need(folder, "status")
    return understand(f"{folder.path}/status", parse_status, raw)


def _number(folder: Folder, name: str, raw: bytes) -> int:
    return understand(f"{folder.path}/{name}", parse_number, raw)


def _score(folder: Folder) -> int | None:
    raw = folder.read_if_there("oom_score")
    return None if raw is None else _number(folder, "oom_score", raw)


def _need(folder: Folder, name: str) -> bytes:
    """Read a file that every process has: it is missing only if all have gone."""
    try:
        return folder.read(name)
    except Gone:
        folder.read("stat")  # raises Gone, too, if the process has ended
        raise UsageError(
            f"{folder.path}/{name} is missing: pass a directory with all files of "
            "each process that oom_badness() looks at"
        ) from None


def _of_a_thread(leader: Folder, pid: int) -> tuple[int, Memory | None]:
    """Look where ``find_lock_task_mm()`` does once the leader has no memory."""
    for folder in _threads(leader):
        if folder.path.endswith(f"/{pid}"):
            continue
        try:
            rss, (_, memory) = _stat(folder).rss, _status(folder)
        except (Gone, Unreadable):
            continue
        if memory is not None:
            return rss, memory
    return 0, None


def _threads(leader: Folder) -> Iterator[Folder]:
    try:
        with Folder("task", leader) as tasks:
            for tid in tasks.numbers():
                try:
                    with Folder(str(tid), tasks) as folder:
                        yield folder
                except (Gone, Unreadable):
                    continue
    except (Gone, Unreadable):
        return


def mark_vfork_children(
    proc: Folder, tasks: Sequence[TaskReading]
) -> list[TaskReading]:
    """Say of each task whether it borrows its parent's address space.

    ``/proc`` does not tell. But such a child has not called exec, all its memory
    is its parent's to the kilobyte, and a thread of its parent waits for it.
    """
    by_pid = {task.pid: task for task in tasks}
    return [
        evolve(task, in_vfork=True) if _borrows(proc, task, by_pid) else task
        for task in tasks
    ]


def _borrows(
    proc: Folder, task: TaskReading, by_pid: Mapping[int, TaskReading]
) -> bool:
    parent = by_pid.get(task.stat.ppid)
    return (
        parent is not None
        and task.memory is not None
        and bool(task.stat.flags & PF_FORKNOEXEC)
        and task.memory == parent.memory
        and task.stat.layout == parent.stat.layout
        and _waits_in_vfork(proc, parent)
    )


def _waits_in_vfork(proc: Folder, parent: TaskReading) -> bool:
    try:
        with Folder(str(parent.pid), proc) as folder:
            if _is_vfork(folder, parent.stat.state):
                return True
            return parent.stat.threads > 1 and any(
                _is_vfork(thread, _stat(thread).state) for thread in _threads(folder)
            )
    except (Gone, Unreadable):
        return False


def _is_vfork(folder: Folder, state: str) -> bool:
    if state != _VFORK_STATE:
        return False
    wchan = folder.read_if_there("wchan") or b"0"
    # "0" is what a reader sees who may not know.
    return wchan.strip() == b"0" or any(word in wchan for word in _VFORK_WCHAN)
