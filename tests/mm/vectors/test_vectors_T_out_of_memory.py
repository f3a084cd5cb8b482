# SPDX-License-Identifier: GPL-2.0-only
"""T44 to T62: the way through ``out_of_memory()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pykmm.drivers.tty.sysrq import handle_sysrq
from pykmm.errno import EINVAL
from pykmm.errors import KernelPanic
from pykmm.linux.gfp_types import GFP_NOFS
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_OOM_REAP_QUEUED
from pykmm.linux.notifier import NOTIFY_OK, NOTIFY_STOP, notifier_block
from pykmm.linux.oom import oom_constraint, oom_control
from pykmm.linux.printk import console
from pykmm.linux.uapi import O_RDWR, SIGKILL
from pykmm.mm.oom_kill import (
    OomFreed,
    oom,
    pagefault_out_of_memory,
    register_oom_notifier,
    unregister_oom_notifier,
)
from pykmm.syscalls import open as open_file
from pykmm.syscalls import read, write
from pykmm.workbench import Process

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World

KILL = "Out of memory: Killed process"


def prepared(world: World) -> tuple[Process, Process]:
    """Make somebody to kill, and somebody protected who asks."""
    hog = world.process("hog", anon=1000)
    caller = world.process("caller", adj=-1000)
    world.be(caller)
    return hog, caller


def frees(pages: int, calls: list[int]) -> notifier_block:
    def call(nb: notifier_block, action: int, freed: object) -> int:
        assert isinstance(freed, OomFreed)
        calls.append(action)
        freed.pages += pages
        return NOTIFY_OK

    return notifier_block(call)


def test_T44_a_disabled_killer_asks_nobody(world: World) -> None:
    prepared(world)
    calls: list[int] = []
    register_oom_notifier(frees(10, calls))
    oom().oom_killer_disabled = True
    assert world.oom()[0] is False
    assert (calls, world.lines()) == ([], [])


def test_T45_a_notifier_that_frees_pages(world: World) -> None:
    prepared(world)
    calls: list[int] = []
    register_oom_notifier(frees(10, calls))
    ret, oc = world.oom()
    assert ret is True
    assert calls == [0]
    assert (world.kills(), oc.constraint, oc.totalpages) == ([], 0, 0)


def test_T46_sysrq_goes_on_all_the_same(world: World) -> None:
    prepared(world)
    calls: list[int] = []
    register_oom_notifier(frees(10, calls))
    assert world.oom(oom_control(order=-1))[0] is True
    assert (calls, world.kills()) == ([0], ["kill hog"])


def test_T47_a_memcg_asks_no_notifier(world: World) -> None:
    calls: list[int] = []
    register_oom_notifier(frees(10, calls))
    box = world.machine.cgroup("box")
    world.process("hog", anon=1000, memcg=box)
    world.be(world.process("caller", adj=-1000))
    world.oom(oom_control(memcg=box, zonelist=False))
    assert (calls, world.kills()) == ([], ["kill hog"])


def test_notifiers_are_called_by_priority_until_one_stops(world: World) -> None:
    prepared(world)
    order: list[str] = []

    def block(name: str, priority: int, answer: int) -> notifier_block:
        def call(nb: notifier_block, action: int, freed: object) -> int:
            order.append(name)
            return answer

        return notifier_block(call, priority)

    low, high, stop = (
        block("low", -1, 1),
        block("high", 2, 1),
        block("stop", 1, NOTIFY_STOP),
    )
    for each in (low, stop, high):
        assert register_oom_notifier(each) == 0
    world.oom()
    assert order == ["high", "stop"]
    assert unregister_oom_notifier(stop) == 0
    assert world.kills() == ["kill hog"]


def test_T48_nofs_lets_the_caller_come_again(world: World) -> None:
    prepared(world)
    ret, oc = world.oom(oom_control(gfp_mask=GFP_NOFS))
    assert ret is True
    assert (oc.chosen, oc.totalpages, world.lines()) == (None, 0, [])


def test_T49_nofs_of_a_memcg_kills(world: World) -> None:
    box = world.machine.cgroup("box")
    world.process("hog", anon=1000, memcg=box)
    world.be(world.process("caller", adj=-1000))
    assert world.oom(oom_control(memcg=box, gfp_mask=GFP_NOFS, zonelist=False))[0]
    assert world.kills() == ["kill hog"]


def test_T50_nofs_by_somebody_who_is_dying(world: World) -> None:
    caller = world.dying(world.process("caller", anon=10))
    world.be(caller)
    assert world.oom(oom_control(gfp_mask=GFP_NOFS))[0] is True
    assert world.memdie(caller.task)
    assert mm_flags_test(MMF_OOM_REAP_QUEUED, world.mm(caller))
    assert caller.task.oom_reaper_timer.expires is not None
    assert world.lines() == []


# -- panic_on_oom ----------------------------------------------------------------------


def test_T51_system_wide(make_world: Callable[..., World]) -> None:
    world = make_world(panic_on_oom=1)
    prepared(world)
    with pytest.raises(KernelPanic) as caught:
        world.oom()
    text = "Out of memory: system-wide panic_on_oom is enabled"
    assert caught.value.summary == f"Kernel panic - not syncing: {text}"
    assert world.lines()[0].startswith("caller invoked oom-killer: ")


def test_T52_a_cpuset_is_not_the_whole_system(make_world: Callable[..., World]) -> None:
    world = make_world(panic_on_oom=1, node_pages=(6000, 5000))
    _, caller = prepared(world)
    caller.task.mems_allowed = frozenset({0})
    ret, oc = world.oom()
    assert ret is True
    assert oc.constraint == oom_constraint.CONSTRAINT_CPUSET
    assert world.kills() == ["kill hog"]


def test_T53_compulsory_covers_memcgs(make_world: Callable[..., World]) -> None:
    world = make_world(panic_on_oom=2)
    box = world.machine.cgroup("box")
    world.process("hog", anon=1000, memcg=box)
    world.be(world.process("caller", adj=-1000))
    with pytest.raises(KernelPanic, match="compulsory panic_on_oom is enabled"):
        world.oom(oom_control(memcg=box, zonelist=False))


def test_T54_sysrq_never_panics(make_world: Callable[..., World]) -> None:
    world = make_world(panic_on_oom=2)
    prepared(world)
    assert world.oom(oom_control(order=-1))[0] is True
    assert world.kills() == ["kill hog"]


def test_T55_who_is_dying_comes_before_the_panic(
    make_world: Callable[..., World],
) -> None:
    world = make_world(panic_on_oom=2)
    caller = world.dying(world.process("caller"))
    world.be(caller)
    assert world.oom()[0] is True
    assert world.memdie(caller.task)


def test_T56_three_is_no_value(world: World) -> None:
    admin = world.machine.spawn("admin")

    @admin.runs
    def _() -> object:
        path = "/proc/sys/vm/panic_on_oom"
        told = [write(int(open_file(path, O_RDWR)), text) for text in ("3", "-1", "x")]
        before = read(int(open_file(path)))
        told.append(write(int(open_file(path, O_RDWR)), "2\n"))
        return told, before, read(int(open_file(path)))

    world.machine.run()
    assert admin.result == ([-EINVAL, -EINVAL, -EINVAL, 2], b"0\n", b"2\n")
    assert oom().sysctl_panic_on_oom == 2


@pytest.mark.parametrize("name", ["oom_kill_allocating_task", "oom_dump_tasks"])
def test_the_other_settings_are_any_number(world: World, name: str) -> None:
    path = f"/proc/sys/vm/{name}"
    admin, nobody = world.machine.spawn("admin"), world.machine.spawn("nobody", uid=7)

    @admin.runs
    def _() -> object:
        taken = write(int(open_file(path, O_RDWR)), " -0x10 ")
        return taken, read(int(open_file(path)))

    @nobody.runs
    def _() -> object:
        return str(open_file(path, O_RDWR))

    world.machine.run()
    assert admin.result == (7, b"-16\n")
    assert nobody.result == "-EACCES"


def test_no_table_if_nobody_wants_one(make_world: Callable[..., World]) -> None:
    world = make_world(oom_dump_tasks=0)
    prepared(world)
    world.oom()
    assert not any("Tasks state" in line for line in world.lines())
    assert world.kills() == ["kill hog"]


# -- oom_kill_allocating_task ----------------------------------------------------------


def test_T57_whoever_asks_dies(make_world: Callable[..., World]) -> None:
    world = make_world(oom_kill_allocating_task=1)
    world.process("hog", anon=1000)
    world.victim(world.process("pending", anon=10))
    caller = world.process("caller")
    world.be(caller)
    assert world.oom()[0] is True
    assert world.kills() == ["kill caller"]
    prefix = "Out of memory (oom_kill_allocating_task): Killed process"
    assert world.lines()[-1].startswith(prefix)


def test_T58_unless_it_is_protected(make_world: Callable[..., World]) -> None:
    world = make_world(oom_kill_allocating_task=1)
    prepared(world)
    world.oom()
    assert world.kills() == ["kill hog"]


def test_T59_and_never_for_a_memcg(make_world: Callable[..., World]) -> None:
    world = make_world(oom_kill_allocating_task=1)
    box = world.machine.cgroup("box")
    world.process("hog", anon=1000, memcg=box)
    world.be(world.process("caller", memcg=box))
    world.oom(oom_control(memcg=box, zonelist=False))
    assert world.kills() == ["kill hog"]


# -- nobody is left --------------------------------------------------------------------


def test_T60_nobody_is_left_of_the_machine(world: World) -> None:
    world.be(world.process("caller", adj=-1000))
    with pytest.raises(KernelPanic) as caught:
        world.oom()
    assert caught.value.summary.endswith("not syncing: System is deadlocked on memory")
    first, *_, warning, last = world.lines()
    assert first.startswith("caller invoked oom-killer: ")
    assert warning == "Out of memory and no killable processes..."
    assert last == caught.value.summary


def test_T61_nobody_is_left_of_a_memcg(world: World) -> None:
    box = world.machine.cgroup("box")
    world.process("protected", adj=-1000, memcg=box)
    world.be(world.process("caller"))
    assert world.oom(oom_control(memcg=box, zonelist=False))[0] is False
    assert world.lines()[0].startswith("caller invoked oom-killer: ")
    assert world.lines()[-1] == "Out of memory and no killable processes..."


def test_T62_nobody_is_left_for_sysrq(world: World) -> None:
    world.process("protected", adj=-1000)
    handle_sysrq("f")
    world.machine.run()
    lines = world.lines()
    assert lines[0] == "sysrq: Manual OOM execution"
    assert lines[1] == (
        "kworker/0:1 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=-1, "
        "oom_score_adj=0"
    )
    # Linux prints the name of its file in front.
    assert lines[-1] == "sysrq: OOM request ignored. No task eligible"
    assert console().vm_events == {}


def test_sysrq_kills_from_a_worker(world: World) -> None:
    hog = world.process("hog", anon=1000)
    handle_sysrq("f")
    handle_sysrq("f")
    handle_sysrq("x")
    world.machine.run()
    assert world.killed(hog)
    assert world.kills() == ["kill hog"]
    assert "sysrq: HELP : memory-full-oom-kill(f) " in world.lines()


# -- a fault that found no memory ------------------------------------------------------


def test_a_leaked_fault_is_told_of_ten_times(world: World) -> None:
    world.be(world.process("app"))
    for _ in range(12):
        pagefault_out_of_memory()
    huh = "Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF"
    assert world.lines() == [huh] * 10


def test_who_is_being_killed_says_nothing(world: World) -> None:
    app = world.process("app")
    app.task.pending = {SIGKILL}
    app.task._signal_object.value = True
    world.be(app)
    pagefault_out_of_memory()
    assert world.lines() == []
