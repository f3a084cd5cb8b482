# SPDX-License-Identifier: GPL-2.0-only
"""What real kernels were seen to do, and the model does: scores and adjustments."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.errno import EACCES, EINVAL, ERANGE, ESRCH
from pykmm.linux.uapi import (
    CLONE_VM,
    O_RDWR,
    O_WRONLY,
    P_PID,
    PR_SET_DUMPABLE,
    SIGCHLD,
    SIGKILL,
    WEXITED,
    WNOWAIT,
)
from pykmm.schedulers.random_walk import RandomWalk
from pykmm.syscalls import (
    clone,
    execve,
    exit_group,
    fork,
    kill,
    open,
    pause,
    prctl,
    read,
    setuid,
    vfork,
    wait4,
    waitid,
    write,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, plain, until

NOBODY = 1000


def adj(nr: int | str, file: str = "oom_score_adj") -> int:
    text = read(open(f"/proc/{nr}/{file}"))
    assert isinstance(text, bytes)
    return int(text)


def adjust(nr: int | str, value: object, file: str = "oom_score_adj") -> int:
    fd = open(f"/proc/{nr}/{file}", O_WRONLY)
    return fd if fd < 0 else write(fd, str(value))


def ask(program: Callable[[], object], uid: int = 0) -> object:
    with Machine(scheduler=RandomWalk(0)) as m:
        return call(m, "program", program, anon="64K", uid=uid)


# -- B 1: the score --------------------------------------------------------------------


def test_who_has_the_score_0() -> None:
    """Init, kernel threads, zombies, who is never to be chosen, a child in vfork."""
    seen: list[int] = []

    def in_vfork() -> None:
        seen.append(adj("self", "oom_score"))
        exit_group(0)

    with Machine() as m:
        safe = m.spawn("safe", anon="64K", oom_score_adj=-1000)
        kthread = next(t for t in m.tasks() if t.comm == "oom_reaper")

        def program() -> object:
            zombie = fork(lambda: exit_group(0))
            waitid(P_PID, zombie, WEXITED | WNOWAIT)
            nobody = [adj(n, "oom_score") for n in (1, kthread.pid, zombie, safe.pid)]
            vfork(in_vfork)
            return nobody, adj("self", "oom_score")

        assert call(m, "program", program, anon="64K") == ([0] * 4, 666)
        assert seen == [0]


# -- B 2: what is read -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told", "value"),
    [
        ("0x10", 4, 16),
        ("010", 3, 8),
        ("08", -EINVAL, 0),
        ("+5", 2, 5),
        (" 5\n", 3, 5),
        ("5\0junk", 6, 5),
        ("", -EINVAL, 0),
        ("99999999999", -ERANGE, 0),
        ("1001", -EINVAL, 0),
        ("-1001", -EINVAL, 0),
        ("0000000000005", 12, 0),
        (" " * 12 + "5", -EINVAL, 0),
    ],
)
def test_numbers_as_programs_write_them(text: str, told: int, value: int) -> None:
    assert ask(lambda: (adjust("self", text), adj("self"))) == (told, value)


# -- B 3: who may ----------------------------------------------------------------------


def test_root_raises_the_floor_for_all_who_come_after() -> None:
    def program() -> object:
        adjust("self", 300)
        setuid(NOBODY)
        prctl(PR_SET_DUMPABLE, 1)
        return [adjust("self", value) for value in (299, 0, 300, 400, -1001)]

    assert ask(program) == [-EACCES, -EACCES, 3, 3, -EINVAL]


def test_who_has_no_privilege_goes_down_to_the_floor_only() -> None:
    def program() -> object:
        return [adjust("self", value) for value in (500, 0, -1)], adj("self")

    assert ask(program, uid=NOBODY) == ([3, 1, -EACCES], 0)


def test_who_became_another_opens_its_own_file_only_when_it_may_be_seen() -> None:
    seen: list[int] = []

    def program() -> None:
        setuid(NOBODY)
        seen.append(adjust("self", 5))
        execve(lambda: seen.append(adjust("self", 5)), "new")

    ask(program)
    assert seen == [-EACCES, 1]


def test_the_capability_counts_when_one_writes() -> None:
    def program() -> object:
        fd = open("/proc/self/oom_score_adj", O_RDWR)
        before = write(fd, "-10"), write(fd, "-5")
        setuid(NOBODY)
        return (
            *before,
            write(fd, "-6"),
            write(fd, "-5"),
            write(fd, "7"),
            write(fd, "-5"),
        )

    assert ask(program) == (3, 2, -EACCES, 2, 1, 2)


# -- B 4: the old file -----------------------------------------------------------------


def test_the_old_scale_does_not_come_back_as_it_went() -> None:
    def program() -> object:
        adjust("self", 5, "oom_adj")
        return adj("self"), adj("self", "oom_adj")

    assert ask(program) == (294, 4)
    ends = {15: (1000, 15), -17: (-1000, -17), -16: (-941, -15)}
    for old, expected in ends.items():

        def at_the_end(old: int = old) -> object:
            adjust("self", old, "oom_adj")
            return adj("self"), adj("self", "oom_adj")

        assert ask(at_the_end) == expected


def test_the_old_file_minds_the_value_and_leaves_the_floor() -> None:
    """After root's -5 there, nobody may write the same through the new file."""

    def program() -> object:
        adjust("self", -5, "oom_adj")
        setuid(NOBODY)
        prctl(PR_SET_DUMPABLE, 1)
        return (
            adj("self"),
            adjust("self", -294),
            adjust("self", -5, "oom_adj"),
            adjust("self", -6, "oom_adj"),
        )

    assert ask(program) == (-294, -EACCES, 2, -EACCES)


# -- B 5: whom it concerns -------------------------------------------------------------


def test_children_and_programs_inherit_it_and_go_their_own_way() -> None:
    seen: list[object] = []

    def child() -> None:
        seen.append(adj("self"))
        adjust("self", 8)
        execve(lambda: seen.append(adj("self")), "new")

    def program() -> object:
        adjust("self", 7)
        fork(child)
        until(lambda: len(seen) == 2)
        return adj("self")

    assert ask(program) == 7
    assert seen == [7, 8]


@pytest.mark.parametrize("writer", ["maker", "child"])
def test_sharers_change_together_and_so_do_their_floors(writer: str) -> None:
    with Machine(scheduler=RandomWalk(0)) as m:

        def program() -> object:
            child = clone(CLONE_VM | SIGCHLD, pause)
            adjust(child if writer == "child" else "self", 300)
            return adj("self"), adj(child)

        app = m.spawn("app", anon="64K")
        app.runs(program)
        m.run()
        assert app.result == (300, 300)
        (child,) = plain(app.task, "children")
        floors = [t.signal.oom_score_adj_min for t in (app.task, child)]
        assert floors == [300, 300]


def test_sharers_change_together_through_the_old_file_too() -> None:
    def program() -> object:
        child = clone(CLONE_VM | SIGCHLD, pause)
        adjust(child, 15, "oom_adj")
        return adj("self"), adj(child)

    assert ask(program) == (1000, 1000)


def test_a_zombie_can_be_written_to_until_it_is_reaped() -> None:
    def program() -> object:
        zombie = fork(lambda: exit_group(0))
        waitid(P_PID, zombie, WEXITED | WNOWAIT)
        fd = open(f"/proc/{zombie}/oom_score_adj", O_RDWR)
        first = write(fd, "5")
        wait4(zombie)
        return first, write(fd, "6"), kill(zombie, SIGKILL)

    assert ask(program) == (1, -ESRCH, -ESRCH)
    assert ask(program, uid=NOBODY) == (1, -ESRCH, -ESRCH)
