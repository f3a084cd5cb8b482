# SPDX-License-Identifier: GPL-2.0-only
"""Reading a whole ``/proc``: the machine's facts, and the order of its processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pykmm.errors import UsageError
from pykmm.predict.snapshot import Snapshot, open_proc, read_again, read_snapshot
from pykmm.predict.source import Folder

Write = Callable[..., Path]

BASE = "release 6.18.44\nmeminfo 4096000 2048000\ncpus 3\n"


def task(pid: int, start: int = 0, more: str = "0x400000 1", ppid: int = 1) -> str:
    state, flags, threads = "S", *more.split()
    memory = "1024 512 256 0 0 16 190"
    return (
        f"task {pid} {ppid} {state} {flags} {threads} {start} 0 0 666 {memory} 0 'x'\n"
    )


KTHREAD = "task 2 0 S 0x208040 1 0 0 0 0 - - - - - - - 0 'kthreadd'\n"


def read(proc: Path) -> Snapshot:
    with open_proc(str(proc)) as folder:
        return read_snapshot(folder)


def test_the_machine(write: Write) -> None:
    found = read(write(BASE + task(5) + "sysctl panic_on_oom 2\nsysctl swappiness 0\n"))
    assert (found.ram_pages, found.swap_pages) == (1_024_000, 512_000)
    assert found.totalpages == 1_536_000
    assert (found.release, found.cpus, found.page_size) == ("6.18.44", 3, 4096)
    assert (found.panic_on_oom, found.oom_kill_allocating_task) == (2, 0)
    assert found.swappiness == 0


def test_what_a_copy_lacks_has_a_default(write: Write) -> None:
    proc = write("meminfo 4096 0\n" + task(5))
    (proc / "5/statm").unlink()
    found = read(proc)
    assert (found.release, found.cpus, found.page_size) == (None, 1, 4096)
    assert (found.panic_on_oom, found.swappiness) == (0, 60)
    assert not found.meminfo_is_covered


def test_the_release_stands_in_version_too(write: Write) -> None:
    text = "Linux version 5.10.0-8-amd64 (x@y) #1 SMP\n"
    assert read(
        write(f"meminfo 4096 0\nfile version {text!r}\n" + task(5))
    ).release == ("5.10.0-8-amd64")


def test_the_page_size_is_what_makes_bytes_of_pages(write: Write) -> None:
    proc = write(BASE + KTHREAD + task(5).replace("1024", "65536"), page=1 << 16)
    found = read(proc)
    assert found.page_size == 65536
    assert found.ram_pages == 64_000


def test_a_process_that_grows_meanwhile_says_nothing_of_the_page_size(
    write: Write,
) -> None:
    proc = write(BASE + task(5) + task(6), page=1 << 14)
    (proc / "5/statm").write_text("63 1 1 1 0 1 0\n")
    assert read(proc).page_size == 1 << 14


def test_processes_stand_as_they_were_created(write: Write) -> None:
    found = read(write(BASE + task(5, 90) + task(6, 80) + task(7, 80) + task(40, 70)))
    assert [each.pid for each in found.tasks] == [40, 6, 7, 5]


def test_kernel_threads_are_seen_on_the_machine_itself(write: Write) -> None:
    assert read(write(BASE + KTHREAD + task(5))).sees_kernel
    assert not read(write(BASE + task(5), name="container")).sees_kernel


def test_what_is_hidden_is_counted_in_threads(write: Write) -> None:
    proc = write(BASE + "threads 40\n" + task(5) + task(6, more="0x0 4"))
    assert read(proc).hidden_threads == 35


def test_nothing_is_hidden_where_init_is_seen(write: Write) -> None:
    # In a container the kernel's count is that of the whole machine.
    assert read(write(BASE + "threads 40\n" + task(1) + task(6))).hidden_threads == 0


def test_gone_and_unreadable_processes_are_counted(write: Write) -> None:
    proc = write(BASE + task(5) + task(6) + task(7))
    (proc / "6/stat").unlink()
    (proc / "7/status").unlink()
    (proc / "7/status").mkdir()
    (proc / "8").write_text("no directory")
    found = read(proc)
    assert [each.pid for each in found.tasks] == [5]
    assert (found.gone, found.unreadable) == (1, 2)


def test_a_container_may_cover_meminfo(write: Write) -> None:
    mounts = "22 27 0:2 / /proc/meminfo rw - fuse.x x rw\n"
    proc = write(BASE + f"file self/mountinfo {mounts!r}\n" + task(5))
    assert read(proc).meminfo_is_covered


def test_progress_is_told(write: Write) -> None:
    proc = write(BASE + "".join(task(pid) for pid in range(5, 206)))
    said: list[str] = []
    with open_proc(str(proc)) as folder:
        read_snapshot(folder, said.append)
    assert said == [f"read {done} of 201 processes" for done in (0, 100, 200)]


def test_a_second_reading_has_the_wanted_and_their_parents(write: Write) -> None:
    proc = write(BASE + task(5) + task(6, ppid=5) + task(7))
    with open_proc(str(proc)) as folder:
        first = read_snapshot(folder)
        assert [t.pid for t in read_again(folder, first, [6]).tasks] == [5, 6]
        write("meminfo 8192000 0\n" + task(6, start=99, ppid=5))  # another process
        again = read_again(folder, first, [6, 12345])
    assert [t.pid for t in again.tasks] == [5]
    assert again.totalpages == 2_048_000


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("absent", "there is no directory '.*absent': pass --proc DIR"),
        ("meminfo", r"meminfo' cannot be read \(Not a directory\): pass --proc"),
        ("a\0b", r"cannot be read \(embedded null byte\): pass --proc"),
        ("", "there is no directory ''"),
    ],
)
def test_what_is_no_directory_is_told(write: Write, path: str, says: str) -> None:
    proc = write(BASE)
    with pytest.raises(UsageError, match=says):
        open_proc(str(proc / path) if path else path)


def test_a_directory_that_is_no_proc_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="meminfo cannot be read: pass --proc DIR"):
        read(tmp_path)
    with pytest.raises(UsageError, match="shows no process that may be read"):
        read(write(BASE))


def test_malformed_files_of_the_machine_are_named(write: Write) -> None:
    with pytest.raises(UsageError, match="meminfo is malformed: it has no line"):
        read(write("file meminfo 'MemFree: 3 kB'\n" + task(5)))
    with pytest.raises(UsageError, match="sys/vm/panic_on_oom is malformed"):
        read(write(BASE + "sysctl panic_on_oom maybe\n" + task(5)))


def test_a_pipe_in_a_copy_does_not_stop_the_reader(write: Write) -> None:
    import os

    proc = write(BASE + task(5))
    os.mkfifo(proc / "version")
    (proc / "sys/kernel/osrelease").unlink()
    assert read(proc).release is None


def test_a_vanished_directory_lists_nothing(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with Folder(str(tmp_path / "d")) as folder:
        (tmp_path / "d").rmdir()
        assert folder.numbers() == []
