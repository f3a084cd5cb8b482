# SPDX-License-Identifier: GPL-2.0-only
"""Reading one process: exited leaders, borrowed memory, files that are not there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pykmm.errors import UsageError
from pykmm.predict.source import Folder, Gone, Unreadable
from pykmm.predict.tasks import TaskReading, mark_vfork_children, read_task

Write = Callable[..., Path]

PLAIN = "task 7 1 S 0x400000 1 50 1000 300 866 900 400 40 4 8 12 109 0 'x'"


def read(proc: Path, *pids: int) -> list[TaskReading]:
    with Folder(str(proc)) as folder:
        return mark_vfork_children(folder, [read_task(folder, pid) for pid in pids])


def test_a_process_is_read(write: Write) -> None:
    (task,) = read(write(PLAIN), 7)
    assert (task.pid, task.comm, task.uid) == (7, "x", 1000)
    assert (task.oom_score_adj, task.before, task.after) == (300, 866, 866)
    assert task.memory is not None
    assert (task.memory.anon, task.memory.tables, task.rss) == (400, 12, 109)
    assert not task.kthread
    assert not task.is_zombie
    assert not task.leader_exited
    assert not task.in_vfork


def test_kernel_threads_and_zombies_have_no_memory(write: Write) -> None:
    proc = write(
        "task 2 0 S 0x208040 1 1 0 0 0 - - - - - - - 0 'kthreadd'\n"
        "task 8 1 Z 0x40800c 1 1 0 0 0 - - - - - - - 0 'dead'\n"
        "task 9 1 D 0x40800c 1 1 0 0 0 - - - - - - - 0 'dying'\n"
    )
    kthread, zombie, dying = read(proc, 2, 8, 9)
    assert kthread.kthread
    assert not kthread.is_zombie
    assert zombie.is_zombie
    assert not dying.is_zombie
    assert [task.rss for task in (kthread, zombie, dying)] == [0, 0, 0]


LEADER = "task 7 1 Z 0x40800c 3 50 0 0 670 - - - - - - - 0 'lead'\n"


def test_an_exited_leader_has_the_memory_of_its_first_thread_that_has_any(
    write: Write,
) -> None:
    (task,) = read(
        write(
            LEADER + "thread 7 7 Z 0x40800c - - - - - - -\n"
            "thread 7 8 Z 0x40800c - - - - - - -\n"
            "thread 7 10 S 0x400040 900 400 40 4 0 12 99\n"
            "thread 7 9 S 0x400040 900 440 40 4 0 12 109\n"
        ),
        7,
    )
    assert task.leader_exited
    assert not task.is_zombie
    assert task.memory is not None
    assert (task.memory.anon, task.rss) == (440, 109)  # 9 comes before 10


def test_an_exited_leader_whose_threads_are_not_shown_is_a_zombie(
    write: Write,
) -> None:
    (task,) = read(write(LEADER), 7)
    assert task.memory is None
    assert task.is_zombie


PARENT = "task 7 1 {state} 0x400000 {threads} 50 0 0 670 {memory} 4096 'p'\n"
CHILD = "task 9 7 S {flags} 1 60 0 0 0 {memory} 4096 'c'\n"
MEMORY = "900 400 40 4 8 12 109"


def vfork(
    write: Write,
    *,
    state: str = "D",
    threads: int = 1,
    flags: str = "0x400040",
    child: str = MEMORY,
    more: str = "",
) -> bool:
    proc = write(
        PARENT.format(state=state, threads=threads, memory=MEMORY)
        + CHILD.format(flags=flags, memory=child)
        + more
    )
    parent, found = read(proc, 7, 9)
    assert not parent.in_vfork
    return found.in_vfork


def test_a_vfork_child_has_the_memory_of_a_parent_that_waits(write: Write) -> None:
    assert vfork(write)


def test_only_who_has_not_called_exec_borrows(write: Write) -> None:
    assert not vfork(write, flags="0x400000")


def test_a_forked_child_has_memory_of_its_own(write: Write) -> None:
    assert not vfork(write, child="900 400 40 4 8 16 109")


def test_a_parent_that_runs_has_lent_nothing(write: Write) -> None:
    assert not vfork(write, state="S")


@pytest.mark.parametrize(
    ("wchan", "waits"),
    [("kernel_clone", True), ("do_fork", True), ("0", True), ("io_schedule", False)],
)
def test_where_the_parent_waits_decides_if_it_is_shown(
    write: Write, wchan: str, waits: bool
) -> None:
    assert vfork(write, more=f"file 7/wchan {wchan!r}\n") is waits


def test_any_thread_of_the_parent_can_have_lent_it(write: Write) -> None:
    thread = f"thread 7 8 {{}} 0x400040 {MEMORY}\n"
    assert vfork(write, state="S", threads=2, more=thread.format("D"))
    assert not vfork(write, state="S", threads=2, more=thread.format("S"))


def test_another_layout_is_another_memory(write: Write) -> None:
    proc = write(
        PARENT.format(state="D", threads=1, memory=MEMORY)
        + CHILD.format(flags="0x40", memory=MEMORY).replace(" 4096 ", " 8192 ")
    )
    assert not read(proc, 7, 9)[1].in_vfork


def test_a_score_that_is_not_shown_is_unknown(write: Write) -> None:
    proc = write(PLAIN)
    (proc / "7/oom_score").unlink()
    (task,) = read(proc, 7)
    assert (task.before, task.after) == (None, None)


def test_who_is_not_there_is_gone(write: Write) -> None:
    with pytest.raises(Gone):
        read(write(PLAIN), 8)


@pytest.mark.parametrize("name", ["stat", "status", "oom_score_adj"])
def test_who_ends_while_being_read_is_gone(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The kernel answers -ESRCH for all files from then on."""
    proc, read_file = write(PLAIN), Folder.read
    gone: list[str] = []

    def ending(folder: Folder, wanted: str) -> bytes:
        if wanted == name or gone:
            gone.append(wanted)
            raise Gone
        return read_file(folder, wanted)

    monkeypatch.setattr(Folder, "read", ending)
    with pytest.raises(Gone):
        read(proc, 7)
    assert gone


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ESRCH, Gone), (errno.EACCES, Unreadable)]
)
def test_what_the_kernel_answers_decides(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[Exception],
) -> None:
    def refuse(fd: int, size: int) -> bytes:
        raise OSError(number, os.strerror(number))

    with Folder(str(write(PLAIN))) as proc:
        monkeypatch.setattr(os, "read", refuse)
        with pytest.raises(error):
            read_task(proc, 7)


@pytest.mark.parametrize("name", ["stat", "status", "oom_score_adj"])
def test_a_file_that_may_not_be_read_is_unreadable(write: Write, name: str) -> None:
    proc = write(PLAIN)
    (proc / "7" / name).unlink()
    (proc / "7" / name).mkdir()  # opens, but cannot be read, whoever tries
    with pytest.raises(Unreadable):
        read(proc, 7)


@pytest.mark.parametrize("name", ["status", "oom_score_adj"])
def test_a_copy_that_lacks_a_file_is_a_mistake(write: Write, name: str) -> None:
    proc = write(PLAIN)
    (proc / "7" / name).unlink()
    with pytest.raises(UsageError, match=f"7/{name} is missing: pass a directory"):
        read(proc, 7)


@pytest.mark.parametrize("name", ["stat", "status", "oom_score_adj", "oom_score"])
def test_a_malformed_file_is_named(write: Write, name: str) -> None:
    proc = write(PLAIN)
    (proc / "7" / name).write_bytes(b"nonsense\n")
    with pytest.raises(UsageError, match=f"7/{name} is malformed: "):
        read(proc, 7)
