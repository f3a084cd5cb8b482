# SPDX-License-Identifier: GPL-2.0-only
"""T139 to T151: what the OOM killer is told, and what a child inherits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pykmm.errno import EACCES, EBADF, EFAULT, EINVAL, ENOENT, ERANGE, ESRCH
from pykmm.kernel.fork import mmput
from pykmm.kernel.fork_oom import copy_oom_score_adj, inherit_oom_score_adj
from pykmm.linux.completion import completion
from pykmm.linux.cred import CAP_EMPTY_SET, cred
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_MULTIPROCESS
from pykmm.linux.sched import PF_KTHREAD
from pykmm.linux.sched.mm import mmgrab
from pykmm.linux.sched.signal import signal_struct
from pykmm.linux.uapi import (
    CAP_SYS_RESOURCE,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    O_RDWR,
    O_WRONLY,
)
from pykmm.syscalls import close, exit_group, read, wait4, write
from pykmm.syscalls import open as open_file
from pykmm.workbench import Process

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World

NOBODY = 65534


def run(world: World, body: Callable[[], object], *, uid: int = 0) -> object:
    """Run *body* as a program of the user *uid* and return what it returned."""
    program = world.machine.spawn("program", uid=uid)
    program.runs(body)
    world.machine.run()
    return program.result


def put(
    process: Process | str, text: bytes | str | None, name: str = "score_adj"
) -> int:
    """Write *text* to one of the files of *process*, from a program."""
    number = process if isinstance(process, str) else process.pid
    fd = open_file(f"/proc/{number}/oom_{name}", O_WRONLY)
    assert fd >= 0
    ret = write(fd, text)
    close(fd)
    return ret


def get(process: Process | str, name: str = "score_adj") -> str:
    """Read one of the files of *process*, from a program."""
    number = process if isinstance(process, str) else process.pid
    fd = open_file(f"/proc/{number}/oom_{name}")
    found = read(fd)
    close(fd)
    assert isinstance(found, bytes)
    return found.decode().rstrip("\n")


def adj(process: Process) -> tuple[int, int]:
    signal = process.task.signal
    return signal.oom_score_adj, signal.oom_score_adj_min


# -- reading the number ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ret", "value"),
    [
        pytest.param("1001", -EINVAL, 0, id="T139-too-large"),
        pytest.param("abc", -EINVAL, 0, id="T139-no-number"),
        pytest.param("99999999999", -ERANGE, 0, id="T139-no-int"),
        pytest.param(" 5\n", 3, 5, id="T139-space"),
        pytest.param("0x10", 4, 16, id="T139-hex"),
        pytest.param("010", 3, 8, id="T139-octal"),
        pytest.param("0000000000005", 12, 0, id="T140"),
        pytest.param("-1001", -EINVAL, 0, id="too-small"),
        pytest.param("08", -EINVAL, 0, id="no-octal"),
        pytest.param("+5", 2, 5, id="plus"),
        pytest.param("5\0junk", 6, 5, id="nul"),
        pytest.param("", -EINVAL, 0, id="empty"),
        pytest.param(" " * 12, -EINVAL, 0, id="blanks"),
        pytest.param("7" + " " * 20 + "9", 12, 7, id="long"),
        pytest.param(None, -EFAULT, 0, id="bad-pointer"),
    ],
)
def test_numbers(world: World, text: str | None, ret: int, value: int) -> None:
    p = world.process("p")
    assert run(world, lambda: put(p, text)) == ret
    assert adj(p) == (value, value)


def test_a_library_writes_the_rest_as_a_second_value(world: World) -> None:
    p = world.process("p")

    def loop() -> str:
        text, fd = b"7" + b" " * 20 + b"9", open_file(f"/proc/{p.pid}/oom_score_adj", 1)
        while text:
            taken = write(fd, text)
            text = text[taken:] if taken > 0 else b""
        return get(p)

    assert run(world, loop) == "9"


# -- who may ---------------------------------------------------------------------------


def test_T141_without_privilege(world: World) -> None:
    p = world.process("p", uid=NOBODY)
    steps = ["-1", "500", "0", "-1"]
    told = run(world, lambda: [put(p, text) for text in steps], uid=NOBODY)
    assert told == [-EACCES, 3, 1, -EACCES]
    assert adj(p) == (0, 0)


def test_T142_privilege_sets_how_low_others_may_go(world: World) -> None:
    p = world.process("p", uid=NOBODY)
    assert run(world, lambda: put(p, "-500")) == 4
    assert adj(p) == (-500, -500)
    steps = ["-500", "-501", "0", "-500"]
    told = run(world, lambda: [put(p, text) for text in steps], uid=NOBODY)
    assert told == [4, -EACCES, 1, 4]


def test_raising_with_privilege_raises_the_floor(world: World) -> None:
    p = world.process("p", uid=NOBODY)
    run(world, lambda: put(p, "300"))
    told = run(world, lambda: [put(p, t) for t in ("299", "0", "301")], uid=NOBODY)
    assert told == [-EACCES, -EACCES, 3]


def test_root_without_the_capability(world: World) -> None:
    p = world.process("p")
    program = world.machine.spawn("program")
    program.task.cred = cred(cap_effective=CAP_EMPTY_SET)
    program.runs(lambda: [put(p, text) for text in ("300", "0", "-1")])
    world.machine.run()
    assert program.result == [3, 1, -EACCES]
    assert adj(p) == (0, 0)
    able = world.machine.spawn("able")
    able.task.cred = cred(cap_effective=frozenset({CAP_SYS_RESOURCE}))
    able.runs(lambda: put(p, "-1"))
    world.machine.run()
    assert adj(p) == (-1, -1)


def test_T143_the_old_file_minds_the_value_itself(world: World) -> None:
    p = world.process("p", uid=NOBODY, adj=500)
    assert run(world, lambda: put(p, "0", "adj"), uid=NOBODY) == -EACCES
    assert adj(p) == (500, 0)
    assert world.lines() == []


def test_T144_the_old_file_leaves_the_floor(world: World) -> None:
    p = world.process("p")
    assert run(world, lambda: put(p, "-17", "adj")) == 3
    assert adj(p) == (-1000, 0)
    run(world, lambda: put(p, "0", "adj"))
    # Said once.
    (line,) = world.lines()
    assert line.startswith("program (")
    assert line.endswith(
        f"): /proc/{p.pid}/oom_adj is deprecated, please use "
        f"/proc/{p.pid}/oom_score_adj instead."
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("-17", -1000, id="T145-never"),
        pytest.param("-16", -941, id="T145-lowest"),
        pytest.param("1", 58, id="T145-1"),
        pytest.param("8", 470, id="T145-8"),
        pytest.param("14", 823, id="T145-14"),
        pytest.param("15", 1000, id="T145-highest"),
        pytest.param("16", None, id="T145-16"),
        pytest.param("-18", None, id="T145--18"),
    ],
)
def test_the_old_scale(world: World, text: str, value: int | None) -> None:
    p = world.process("p")
    told = run(world, lambda: put(p, text, "adj"))
    assert told == (-EINVAL if value is None else len(text))
    assert adj(p)[0] == (value or 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(999, "15", id="T146-999"),
        pytest.param(1000, "15", id="T146-1000"),
        pytest.param(883, "15", id="T146-883"),
        pytest.param(882, "14", id="T146-882"),
        pytest.param(59, "1", id="T146-59"),
        pytest.param(58, "0", id="T146-58"),
        pytest.param(-941, "-15", id="T146--941"),
        pytest.param(-999, "-16", id="T146--999"),
        pytest.param(-1000, "-17", id="T146--1000"),
    ],
)
def test_reading_the_old_scale(world: World, value: int, text: str) -> None:
    p = world.process("p", adj=value)
    assert run(world, lambda: (get(p, "adj"), get(p))) == (text, str(value))


# -- whom it concerns ------------------------------------------------------------------


def test_T147_sharers_follow(world: World) -> None:
    p = world.process("P")
    q = world.process("Q", shares=p)
    run(world, lambda: put(p, "300"))
    assert (adj(p), adj(q)) == ((300, 300), (300, 300))
    (entry,) = world.trace("oom_score_adj_update")
    assert entry.text() == f"pid={p.pid} comm=P oom_score_adj=300"


def test_T148_a_child_in_vfork_is_on_its_own(world: World) -> None:
    p = world.process("P")
    q = world.process("Q", shares=p)
    v = world.process("V", shares=p)
    v.task.vfork_done = completion()
    run(world, lambda: put(p, "300"))
    assert (adj(p)[0], adj(q)[0], adj(v)[0]) == (300, 300, 0)
    run(world, lambda: put(v, "500"))
    assert (adj(p)[0], adj(q)[0], adj(v)[0]) == (300, 300, 500)


def test_T149_a_sharers_own_floor_does_not_count(world: World) -> None:
    p = world.process("P", uid=NOBODY)
    q = world.process("Q", uid=NOBODY, shares=p, adj=400)
    q.task.signal.oom_score_adj_min = 400
    assert run(world, lambda: put(p, "100"), uid=NOBODY) == 3
    assert (adj(p), adj(q)) == ((100, 0), (100, 400))


def test_init_and_kernel_threads_do_not_follow(world: World) -> None:
    p = world.process("P")
    vhost = world.process("vhost", shares=p)
    vhost.task.__dict__["flags"] = PF_KTHREAD
    mmgrab(world.mm(p))  # who borrows keeps the structure, and is no user
    mmput(world.mm(p))
    run(world, lambda: put(p, "300"))
    assert adj(vhost) == (0, 0)


@pytest.mark.parametrize(
    ("flags", "shared"),
    [
        pytest.param(CLONE_VM, True, id="T150-vm"),
        pytest.param(CLONE_VM | CLONE_SIGHAND, True, id="T150-vm-sighand"),
        pytest.param(CLONE_VM | CLONE_VFORK, False, id="T150-vfork"),
        pytest.param(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, False, id="T150-thread"),
        pytest.param(0, False, id="T150-fork"),
    ],
)
def test_fork(world: World, flags: int, shared: bool) -> None:
    parent = world.process("parent", adj=100)
    parent.task.signal.oom_score_adj_min = 50
    child = world.process("child", shares=parent)
    world.mm(parent).flags._bits.clear()  # nobody has said yet that it is shared
    world.be(parent)
    copy_oom_score_adj(flags, child.task)
    assert mm_flags_test(MMF_MULTIPROCESS, world.mm(parent)) is shared
    assert adj(child) == ((100, 50) if shared else (0, 0))


def test_T150_a_new_group_inherits(world: World) -> None:
    parent = world.process("parent", adj=100)
    parent.task.signal.oom_score_adj_min = 50
    world.be(parent)
    made = signal_struct()
    inherit_oom_score_adj(made)
    assert (made.oom_score_adj, made.oom_score_adj_min) == (100, 50)


def test_T150_a_kernel_thread_has_no_memory(world: World) -> None:
    kthread = world.process("kthread")
    world.drop_mm(kthread.task)
    world.be(world.process("parent", adj=100))
    copy_oom_score_adj(CLONE_VM, kthread.task)
    assert adj(kthread) == (0, 0)


def test_T151_all_threads_have_left_the_memory(world: World) -> None:
    p = world.process("P")
    q = world.process("Q", shares=p)
    world.drop_mm(p.task)
    run(world, lambda: put(p, "300"))
    assert (adj(p), adj(q)) == ((300, 300), (0, 0))


# -- files -----------------------------------------------------------------------------


def test_files_and_their_modes(world: World) -> None:
    p = world.process("p")
    base = f"/proc/{p.pid}"

    def body() -> list[int]:
        return [
            open_file(f"{base}/oom_score", O_RDWR),
            open_file(f"{base}/oom_score_adj", O_RDWR),
            open_file(f"{base}/oom_score_adj"),
            open_file(f"{base}/stat"),
            open_file("/proc/4711/oom_score"),
            open_file("/proc/sys/vm/nothing"),
            open_file("/proc/sysrq-trigger", O_WRONLY),
            open_file("/etc/passwd"),
            open_file(f"{base}/task/{p.pid}/oom_score"),
            open_file(f"/proc/self/task/{p.pid}/oom_score"),
        ]

    refused = [-EACCES, -EACCES, 3, -ENOENT, -ENOENT, -ENOENT, -EACCES, -ENOENT]
    assert run(world, body, uid=NOBODY) == [*refused, 4, -ENOENT]


def test_reading_to_the_end_and_closing(world: World) -> None:
    def body() -> object:
        fd = open_file("/proc/self/oom_score_adj")
        found = [read(fd, 1), read(fd), read(fd), write(fd, "1"), close(fd), read(fd)]
        return [*found, close(fd)]

    assert run(world, body) == [b"0", b"\n", b"", -EBADF, 0, -EBADF, -EBADF]


def test_the_offset_does_not_matter(world: World) -> None:
    p = world.process("p")

    def body() -> object:
        fd = open_file(f"/proc/{p.pid}/oom_score_adj", O_RDWR)
        return [write(fd, "1"), write(fd, "2"), write(fd, "3")]

    assert run(world, body) == [1, 1, 1]
    assert adj(p) == (3, 3)


def test_a_zombie_can_be_written_and_a_reaped_process_cannot(world: World) -> None:
    machine = world.machine
    parent, results = machine.spawn("parent"), []
    child = machine.spawn("child", parent=parent)
    child.runs(lambda: exit_group(0))
    machine.run()

    @parent.runs
    def _() -> None:
        fd = open_file(f"/proc/{child.pid}/oom_score_adj", O_RDWR)
        results.append(write(fd, "5"))
        wait4(child.pid)
        results.extend([write(fd, "6"), read(fd)])

    machine.run()
    assert results == [1, -ESRCH, -ESRCH]
